//! fd numbers in PROG's arguments: `uvicorn --fd '%{web}'`.
#![forbid(unsafe_code)]

use super::Convention;
use crate::edit::{Entry, not_there, pick};
use crate::map::is_label;
use crate::output::Shown;
use crate::spec::address::cut;

/// It has no variables: what it needs is PROG's arguments.
pub const ARGV: Convention = Convention {
    name: "argv",
    variables: "",
    owns: |_, _| false,
    import: None,
    export: None,
};

/// Replaces `%{LABEL}` by the number of the label's fd, and `%%` by a percent sign; any other percent sign stands for
/// itself. The places of labels that were used are added to `taken`.
///
/// # Errors
/// A label that the map does not have, or that is the name of a group.
pub fn replace(text: &[u8], map: &[Entry], taken: &mut Vec<usize>) -> Result<Vec<u8>, String> {
    let mut new = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = cut(rest, b'%') {
        new.extend_from_slice(before);
        rest = after;
        if let Some(after) = rest.strip_prefix(b"%") {
            new.push(b'%');
            rest = after;
        } else if let Some((label, after)) = reference(rest) {
            let (at, fd) = look_up(label, map)?;
            new.extend_from_slice(fd.to_string().as_bytes());
            if !taken.contains(&at) {
                taken.push(at);
            }
            rest = after;
        } else {
            new.push(b'%');
        }
    }
    new.extend_from_slice(rest);
    Ok(new)
}

/// The label of `{LABEL}`, and what follows.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let (label, after) = cut(text.strip_prefix(b"{")?, b'}')?;
    let label = std::str::from_utf8(label)
        .ok()
        .filter(|label| is_label(label.as_bytes()))?;
    Some((label, after))
}

fn look_up(label: &str, map: &[Entry]) -> Result<(usize, i32), String> {
    let entry = |at: usize| map.get(at).map(|entry| (at, entry));
    let picked: Vec<(usize, &Entry)> = pick(map, label).into_iter().filter_map(entry).collect();
    let shown = Shown(label.as_bytes());
    match picked.as_slice() {
        [(at, entry)] if entry.label == label => Ok((*at, entry.fd)),
        [] => Err(format!(
            "%{{{shown}}}: {} (a percent sign is written %%)",
            not_there(map, label)
        )),
        [(_, first), ..] => Err(format!(
            "%{{{shown}}}: {shown} is a group, write %{{{}}} and so on",
            first.label
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_other_percent_signs_stay() {
        let map = [("udp", 3), ("tcp", 40), ("web.0", 5), ("web.1", 6)].map(|(label, fd)| Entry {
            label: label.to_owned(),
            fd,
        });
        for (text, want, labels) in [
            ("%{udp}", "3", vec![0]),
            ("fd://%{tcp}:%{udp}/", "fd://40:3/", vec![1, 0]),
            ("%{udp}%{udp}", "33", vec![0]),
            ("%%{udp} %%", "%{udp} %", vec![]),
            ("%%%{udp}", "%3", vec![0]),
            ("100% %d %{ %{} %{a b} %", "100% %d %{ %{} %{a b} %", vec![]),
            ("%{web.1}", "6", vec![3]),
            ("", "", vec![]),
        ] {
            let mut taken = Vec::new();
            assert_eq!(
                replace(text.as_bytes(), &map, &mut taken),
                Ok(want.as_bytes().to_vec()),
                "{text}"
            );
            assert_eq!(taken, labels, "{text}");
        }
        let error = |text: &str| replace(text.as_bytes(), &map, &mut Vec::new()).unwrap_err();
        assert_eq!(
            error("x%{tls}"),
            "%{tls}: label tls is not in LISTEN_FD_MAP, which has udp, tcp, web.0, web.1 (a percent sign is written %%)"
        );
        assert_eq!(
            error("%{web}"),
            "%{web}: web is a group, write %{web.0} and so on"
        );
    }
}
