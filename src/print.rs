//! `-n`: the plan, each spec in full, as a shell reads it back.
#![forbid(unsafe_code)]

use crate::output::{Output, Text, put_shell_word};
use crate::plan::Plan;
use crate::spec::option;
use crate::spec::{OptionText, Spec};
use core::fmt::Write as _;
use std::os::fd::RawFd;

/// Prints each spec, with the number that it claims, or where `plan` is verbose would take now.
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
        spec_in_full(spec, number.or(spec.number(option::FD)), out);
    }
}

fn spec_in_full(spec: &Spec, number: Option<RawFd>, out: &mut Output) {
    let moved = |option: &OptionText| matches!(option.name, b"label" | b"fd");
    let others = || {
        spec.written
            .options(spec.list)
            .map(|(_, option)| option)
            .filter(|option| !moved(option))
    };
    let mut fd = Text::<16>::new();
    if let Some(number) = number {
        // "fd=" and ten digits fit
        let _ = write!(fd, "fd={number}");
    }
    let own = Some(fd.bytes()).filter(|fd| !fd.is_empty());
    let options = own.into_iter().chain(others().map(|option| option.text));
    let family = spec.family.name.as_bytes();
    // what the compact form cannot hold is printed in the separate one
    let divides = |value: &[u8]| value.iter().any(|b| b",:[]".contains(b));
    if spec.address.is_compact() && !others().any(|option| option.value.is_some_and(divides)) {
        let start = [b"-", family, b":label=", spec.name];
        let middle = options.flat_map(|option| [&b","[..], option]);
        put_shell_word(
            out,
            start
                .into_iter()
                .chain(middle)
                .chain([&b":"[..], spec.address_text]),
        );
    } else {
        put_shell_word(out, [b"--", family].into_iter());
        out.put(b" ");
        put_shell_word(out, [spec.address_text].into_iter());
        let label = [&b"label="[..], spec.name];
        out.put(b" -o ");
        put_shell_word(out, label.into_iter());
        for option in options {
            out.put(b" -o ");
            put_shell_word(out, [option].into_iter());
        }
    }
    out.put(b"\n");
}
