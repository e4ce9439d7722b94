//! fd numbers in PROG's arguments: `uvicorn --fd '%{web}'`.
#![forbid(unsafe_code)]

use crate::edit::pick;
use crate::inherited::Inherited;
use crate::map::is_label;
use crate::output::Shown;
use crate::spec::address::cut;

/// Replaces `%{LABEL}` by the number of the label's fd, and `%%` by a percent sign; any other percent sign stands for
/// itself. Labels that were used are added to `taken`.
///
/// # Errors
/// A label that the map does not have, or that is the name of a group.
pub fn replace<'a>(
    text: &[u8],
    map: &Inherited<'a>,
    taken: &mut Vec<&'a str>,
) -> Result<Vec<u8>, String> {
    let mut new = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = cut(rest, b'%') {
        new.extend_from_slice(before);
        rest = after;
        if let Some(after) = rest.strip_prefix(b"%") {
            new.push(b'%');
            rest = after;
        } else if let Some((label, after)) = reference(rest) {
            let (label, fd) = look_up(label, map)?;
            new.extend_from_slice(fd.to_string().as_bytes());
            if !taken.contains(&label) {
                taken.push(label);
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

fn look_up<'a>(label: &str, map: &Inherited<'a>) -> Result<(&'a str, i32), String> {
    let shown = Shown(label.as_bytes());
    match pick(map, label).as_slice() {
        [(found, fd)] if *found == label => Ok((found, *fd)),
        [] => {
            let there: Vec<&str> = map.entries().map(|(_, label, _)| label).collect();
            let there = if there.is_empty() {
                "is empty".to_owned()
            } else {
                format!("has {}", there.join(", "))
            };
            Err(format!(
                "%{{{shown}}}: LISTEN_FD_MAP {there} (a percent sign is written %%)"
            ))
        }
        [(first, _), ..] => Err(format!(
            "%{{{shown}}}: {shown} is a group, write %{{{first}}} and so on"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_other_percent_signs_stay() {
        let map = Inherited {
            text: "udp=3,tcp=40,web.0=5,web.1=6",
            is_set: true,
        };
        for (text, want, labels) in [
            ("%{udp}", "3", vec!["udp"]),
            ("fd://%{tcp}:%{udp}/", "fd://40:3/", vec!["tcp", "udp"]),
            ("%{udp}%{udp}", "33", vec!["udp"]),
            ("%%{udp} %%", "%{udp} %", vec![]),
            ("%%%{udp}", "%3", vec!["udp"]),
            ("100% %d %{ %{} %{a b} %", "100% %d %{ %{} %{a b} %", vec![]),
            ("%{web.1}", "6", vec!["web.1"]),
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
            "%{tls}: LISTEN_FD_MAP has udp, tcp, web.0, web.1 (a percent sign is written %%)"
        );
        assert_eq!(
            error("%{web}"),
            "%{web}: web is a group, write %{web.0} and so on"
        );
    }
}
