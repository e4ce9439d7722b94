//! `-n`: the plan, each spec in full, as a shell reads it back.
#![forbid(unsafe_code)]

use crate::output::{Output, Text, put_shell_word};
use crate::plan::Plan;
use crate::spec::{OptionText, Spec};
use core::fmt::Write as _;
use std::os::fd::RawFd;

/// Prints each spec, with the number that it claims, or where `plan` is verbose would take now.
#[cold]
pub fn plan(plan: &Plan, out: &mut Output) {
    let mut foreseen = plan.foreseen().map(|(_, _, fd)| fd);
    for spec in plan.specs.iter() {
        let mut numbers = (&mut foreseen).take(spec.count());
        let first = numbers.next();
        // fd= of a group is its first number, if the others follow it
        let mut follows = first;
        let in_a_row = numbers.fold(true, |so_far, fd| {
            follows = follows.and_then(|fd| fd.checked_add(1));
            so_far && follows == Some(fd)
        });
        let number = first.filter(|_| plan.verbose && in_a_row && spec.adopts().is_none());
        spec_in_full(spec, number.or(spec.fd), out);
    }
}

fn spec_in_full(spec: &Spec, number: Option<RawFd>, out: &mut Output) {
    let moved = |option: &OptionText| matches!(option.name, b"label" | b"fd");
    let others = || {
        spec.written
            .options()
            .map(|(_, option)| option)
            .filter(|option| !moved(option))
    };
    let mut fd = Text::<16>::new();
    if let Some(number) = number {
        // "fd=" and ten digits fit
        let _ = write!(fd, "fd={number}");
    }
    // what the compact form cannot hold is printed in the separate one
    let divides = |value: &[u8]| value.iter().any(|b| b",:[]".contains(b));
    let compact =
        spec.address.is_compact() && !others().any(|option| option.value.is_some_and(divides));
    let family = spec.family.name.as_bytes();
    let each_option = |act: &mut dyn FnMut(&[u8])| {
        if number.is_some() {
            act(fd.bytes());
        }
        others().for_each(|option| act(option.text));
    };
    if compact {
        put_shell_word(out, &|put| {
            for part in [b"-", family, b":label=", spec.name] {
                put(part);
            }
            each_option(&mut |option| {
                put(b",");
                put(option);
            });
            put(b":");
            put(spec.address_text());
        });
    } else {
        out.put(b"--");
        out.put(family);
        out.put(b" ");
        put_shell_word(out, &|put| put(spec.address_text()));
        out.put(b" -o ");
        put_shell_word(out, &|put| {
            put(b"label=");
            put(spec.name);
        });
        each_option(&mut |option| {
            out.put(b" -o ");
            put_shell_word(out, &|put| put(option));
        });
    }
    out.put(b"\n");
}
