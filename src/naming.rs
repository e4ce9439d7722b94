//! Labels for what had names elsewhere: a repeated name is a group's, a byte that no label has becomes another.
#![forbid(unsafe_code)]

use crate::edit::{invalid, is_label};
use crate::failure::Failure;
use crate::output::Shown;
use std::collections::{BTreeMap, BTreeSet};

/// A label for each name. A name that repeats is the name of a group: `NAME.0`, `NAME.1`, ...
///
/// # Errors
/// A name that is too long, or two that give one label.
pub fn grouped(names: &[String]) -> Result<Vec<String>, Failure<'static>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let mut labels = Vec::with_capacity(names.len());
    for name in names {
        labels.push(
            if counts.get(name.as_str()).is_some_and(|&count| count > 1) {
                let number = next.entry(name).or_default();
                *number += 1;
                format!("{name}.{}", *number - 1)
            } else {
                name.clone()
            },
        );
    }
    let mut seen = BTreeSet::new();
    for label in &labels {
        if !is_label(label) {
            return Err(invalid(format!(
                "the name {} is too long for a label, name it with -l",
                Shown(label.as_bytes())
            )));
        }
        if !seen.insert(label) {
            return Err(invalid(format!(
                "two fds would have the label {label}, name them with -l"
            )));
        }
    }
    Ok(labels)
}

/// A byte that no label may have becomes `_`, an empty name `unknown`.
pub fn sanitize(name: &[u8]) -> String {
    if name.is_empty() {
        return "unknown".to_owned();
    }
    let legal = |at: usize, b: u8| {
        b.is_ascii_alphanumeric() || b"_.@".contains(&b) || (b == b'-' && at > 0)
    };
    let bytes = name.iter().enumerate();
    bytes
        .map(|(at, &b)| if legal(at, b) { char::from(b) } else { '_' })
        .collect()
}
