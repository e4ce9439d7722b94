//! What the commands that take LISTEN_FD_MAP apart share: their arguments, the map and the environment on the way to
//! the next program. Unlike what `listen` uses, this allocates.
#![forbid(unsafe_code)]

use crate::describe;
use crate::environment::{LONGEST, Variable};
use crate::exec::exec;
use crate::failure::{Failure, answer};
use crate::inherited::{Inherited, VARIABLE};
use crate::map::entries;
use crate::output::Shown;
use crate::rearrange;
use crate::set::Key as _;
use crate::spec::Label;
use crate::spec::address::cut;
use crate::sys::{Arg, Start};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt as _;

/// The arguments for lexopt, the program's own name first.
pub fn parser(start: &Start) -> lexopt::Parser {
    let args = start.args.iter().flatten();
    lexopt::Parser::from_iter(args.map(|arg| OsString::from_vec(arg.bytes().to_vec())))
}

/// An argument that lexopt cannot take.
pub fn wrong_argument(error: lexopt::Error) -> Failure<'static> {
    invalid(error.to_string())
}

/// The next option, of a command whose PROG is the first argument that is none.
///
/// # Errors
/// What lexopt says.
pub fn next_option(
    parser: &mut lexopt::Parser,
) -> Result<Option<lexopt::Arg<'_>>, Failure<'static>> {
    // inside a cluster, `-ea`, there are no raw arguments
    if let Some(args) = parser.try_raw_args() {
        let next = args.peek().map(OsStr::as_encoded_bytes);
        if next.is_none_or(|next| !next.starts_with(b"-") || next == b"-" || next == b"--") {
            return Ok(None);
        }
    }
    parser.next().map_err(wrong_argument)
}

/// What the parser, which has read whole arguments so far, has left, with the terminating `None`.
///
/// # Errors
/// What lexopt says.
pub fn rest(
    parser: &mut lexopt::Parser,
    start: &Start,
) -> Result<&'static [Option<Arg<'static>>], Failure<'static>> {
    let left = parser.raw_args().map_err(wrong_argument)?.count();
    let from = start.args.len().saturating_sub(left + 1);
    Ok(start.args.get(from..).unwrap_or_default())
}

/// PROG and its arguments: what the parser, which has read whole arguments so far, has left.
///
/// # Errors
/// The usage line, where there is no PROG.
pub fn prog(
    parser: &mut lexopt::Parser,
    start: &Start,
    usage: &'static str,
) -> Result<&'static [Option<Arg<'static>>], Failure<'static>> {
    let prog = match rest(parser, start)? {
        [Some(dashes), rest @ ..] if dashes.bytes() == b"--" => rest,
        prog => prog,
    };
    match prog {
        [Some(_), ..] => Ok(prog),
        _ => Err(Failure::Usage(usage)),
    }
}

/// A label that an option gives.
///
/// # Errors
/// What is no label.
pub fn new_label(option: &str, label: &str) -> Result<String, Failure<'static>> {
    if crate::map::is_label(label.as_bytes()) {
        return Ok(label.to_owned());
    }
    Err(invalid(format!(
        "{option}: {} is no label: 1 to 255 of A-Z a-z 0-9 _ . - @ that do not begin with -",
        Shown(label.as_bytes())
    )))
}

/// The labels that `-l` lists.
///
/// # Errors
/// The first that is no label.
pub fn new_labels(list: &OsStr) -> Result<Vec<String>, Failure<'static>> {
    let list = list.to_string_lossy();
    list.split(',')
        .map(|label| new_label("-l", label))
        .collect()
}

/// Whether a text can be a label.
pub fn is_label(text: &str) -> bool {
    crate::map::is_label(text.as_bytes())
}

/// The number of an fd, as the map writes it.
pub fn parse_fd(text: &str) -> Option<RawFd> {
    crate::map::parse_fd(text.as_bytes())
}

/// A message made up for one failure. The process ends with it, so the text may stay.
pub fn invalid(text: String) -> Failure<'static> {
    Failure::Invalid(text.leak())
}

/// `-h`, `-V`: a text on standard output, and the exit code.
pub fn print(text: &str) -> Result<i32, Failure<'static>> {
    answer(|out| out.put(text.as_bytes()))
}

/// The inherited map, well formed; whether its fds are open is for the caller to check.
pub fn read_map(
    env: &'static [Option<Arg<'static>>],
) -> Result<Inherited<'static>, Failure<'static>> {
    let inherited = Inherited::find(env)?;
    // as FdMap::parse, which compares pairwise: a map may have 10,000 entries
    let (mut labels, mut fds) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries(inherited.text) {
        let entry = entry.map_err(|error| inherited.malformed(error))?;
        let (label, fd) = (!labels.insert(entry.label), !fds.insert(entry.fd));
        if label || fd {
            return Err(inherited.repeated(entry.at, label).into());
        }
    }
    Ok(inherited)
}

/// An entry of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its label.
    pub label: String,
    /// Its fd, where the next program finds it.
    pub fd: RawFd,
}

/// `X` and `N` of a label `X.N`.
fn member(label: &str) -> Option<(&str, usize)> {
    let (name, number) = label.rsplit_once('.')?;
    let number = crate::map::parse_fd(number.as_bytes())?;
    Some((name, usize::try_from(number).ok()?))
}

/// The places in `map` that `name` picks: the label called so, or else the members of the group in order
/// (`name.0`, `name.1`, ...).
pub fn pick(map: &[Entry], name: &str) -> Vec<usize> {
    if let Some(at) = map.iter().position(|entry| entry.label == name) {
        return vec![at];
    }
    let members: BTreeMap<usize, usize> = map
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| {
            let (of, number) = member(&entry.label)?;
            (of == name).then_some((number, at))
        })
        .collect();
    (0..)
        .map_while(|number| members.get(&number).copied())
        .collect()
}

/// The places in `map` that a list of labels picks, in the list's order.
///
/// # Errors
/// A name that picks nothing, or what is picked already.
pub fn pick_all(map: &[Entry], list: &str) -> Result<Vec<usize>, Failure<'static>> {
    let mut picked = Vec::new();
    let mut seen = BTreeSet::new();
    for name in list.split(',') {
        let found = pick(map, name);
        if name.is_empty() {
            let list = Shown(list.as_bytes());
            return Err(invalid(format!(
                "the list of labels has an empty one: {list}"
            )));
        }
        if found.is_empty() {
            return Err(invalid(not_there(map, name)));
        }
        for at in found {
            if !seen.insert(at) {
                return Err(invalid(format!(
                    "label {} is named twice",
                    Shown(name.as_bytes())
                )));
            }
            picked.push(at);
        }
    }
    Ok(picked)
}

/// What is said of a label that the map has not.
pub fn not_there(map: &[Entry], name: &str) -> String {
    let labels: Vec<&str> = map.iter().map(|entry| entry.label.as_str()).collect();
    let there = if labels.is_empty() {
        "which is empty".to_owned()
    } else {
        format!("which has {}", labels.join(", "))
    };
    format!(
        "label {} is not in LISTEN_FD_MAP, {there}",
        Shown(name.as_bytes())
    )
}

/// The name that each entry has for conventions with names: the group's for a member of one, else its label.
pub fn names(map: &[Entry]) -> Vec<String> {
    let labels: BTreeSet<&str> = map.iter().map(|entry| entry.label.as_str()).collect();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(map.len());
    for entry in map {
        let group = member(&entry.label).filter(|&(group, number)| {
            let size = sizes.entry(group).or_insert_with(|| pick(map, group).len());
            number < *size && !labels.contains(group)
        });
        names.push(
            group
                .map_or(entry.label.as_str(), |(group, _)| group)
                .to_owned(),
        );
    }
    names
}

/// `<LABEL>_FD`
pub fn fd_variable(label: &str) -> Vec<u8> {
    Variable::fd(Label::new(label.as_bytes())).bytes().collect()
}

/// `<LABEL>_ADDR`
pub fn addr_variable(label: &str) -> Vec<u8> {
    Variable::addr(Label::new(label.as_bytes()))
        .bytes()
        .collect()
}

/// A string of the environment on its way.
enum Slot {
    /// As it was inherited.
    Inherited(Arg<'static>),
    /// A name and a value of ours.
    Is(Vec<u8>, Vec<u8>),
    Gone,
}

impl Slot {
    /// The name and the value. A string without an equals sign is no variable.
    fn pair(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Slot::Inherited(string) => cut(string.bytes(), b'='),
            Slot::Is(name, value) => Some((name, value)),
            Slot::Gone => None,
        }
    }
}

/// The map and the environment on their way to the next program.
pub struct Chain {
    env: &'static [Option<Arg<'static>>],
    /// The environment in its order.
    slots: Vec<Slot>,
    /// Where each variable is, the first of each name.
    index: BTreeMap<Vec<u8>, usize>,
    /// Names that were inherited more than once.
    twice: BTreeSet<Vec<u8>>,
    /// The map as it was inherited.
    was: Inherited<'static>,
    /// The entries that the next program gets.
    pub map: Vec<Entry>,
    /// The fds that move: from where to where.
    pub moves: Vec<(RawFd, RawFd)>,
    /// The fds that are closed.
    pub closed: Vec<RawFd>,
}

impl Chain {
    /// Reads the inherited map and environment.
    ///
    /// # Errors
    /// A map that is malformed, or that has an fd that is closed.
    pub fn new(start: &Start) -> Result<Chain, Failure<'static>> {
        let was = read_map(start.env)?;
        was.check_open()?;
        let (mut slots, mut index, mut twice) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        for string in start.env.iter().flatten() {
            if let Some((name, _)) = cut(string.bytes(), b'=') {
                if index.contains_key(name) {
                    twice.insert(name.to_vec());
                } else {
                    index.insert(name.to_vec(), slots.len());
                }
            }
            slots.push(Slot::Inherited(*string));
        }
        let map = was.entries().map(|(_, label, fd)| Entry {
            label: label.to_owned(),
            fd,
        });
        Ok(Chain {
            env: start.env,
            slots,
            index,
            twice,
            was,
            map: map.collect(),
            moves: Vec::new(),
            closed: Vec::new(),
        })
    }

    /// The value of an inherited variable.
    ///
    /// # Errors
    /// One that is there twice, so that nobody knows which counts.
    pub fn get(&self, name: &[u8]) -> Result<Option<&'static [u8]>, Failure<'static>> {
        if self.twice.contains(name) {
            let name = Shown(name);
            return Err(invalid(format!(
                "{name} is in the environment more than once, unset it"
            )));
        }
        Ok(
            match self.index.get(name).and_then(|&at| self.slots.get(at)) {
                Some(Slot::Inherited(string)) => cut(string.bytes(), b'=').map(|(_, value)| value),
                _ => None,
            },
        )
    }

    /// The names of all variables.
    pub fn variables(&self) -> Vec<Vec<u8>> {
        self.index.keys().cloned().collect()
    }

    /// Unsets a variable.
    pub fn unset(&mut self, name: &[u8]) {
        let Some(at) = self.index.remove(name) else {
            return;
        };
        let end = if self.twice.remove(name) {
            self.slots.len()
        } else {
            at + 1
        };
        for slot in self.slots.iter_mut().take(end).skip(at) {
            if slot.pair().is_some_and(|(is, _)| is == name) {
                *slot = Slot::Gone;
            }
        }
    }

    /// Sets a variable: in its place if it is there, else at the end.
    ///
    /// # Errors
    /// A string that no environment holds.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure<'static>> {
        self.replace(name, name, value)
    }

    /// Puts the variable `name` in the place of `old`, or at the end.
    fn replace(&mut self, old: &[u8], name: &[u8], value: &[u8]) -> Result<(), Failure<'static>> {
        if name.len() + 1 + value.len() > LONGEST {
            let name = Shown(name);
            return Err(invalid(format!(
                "{name} would be longer than {LONGEST} bytes"
            )));
        }
        let slot = Slot::Is(name.to_vec(), value.to_vec());
        let at = self.index.remove(old).unwrap_or(self.slots.len());
        match self.slots.get_mut(at) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        self.index.insert(name.to_vec(), at);
        Ok(())
    }

    /// The value that a variable has for the next program so far.
    fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let slot = self.slots.get(*self.index.get(name)?)?;
        slot.pair().map(|(_, value)| value)
    }

    /// Sets a variable that tells of an entry: one that says something else already is never changed.
    pub fn tell(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure<'static>> {
        match self.value(name) {
            Some(same) if same == value => Ok(()),
            Some(other) => {
                let (name, other) = (Shown(name), Shown(other));
                Err(invalid(format!(
                    "variable {name} is set already, to {other}, unset it or choose another label"
                )))
            }
            None => self.set(name, value),
        }
    }

    /// `-e`, `-a`: variables for these entries. Addresses are asked for before fds move.
    pub fn export(
        &mut self,
        entries: &[(Entry, RawFd)],
        env: bool,
        addr: bool,
    ) -> Result<(), Failure<'static>> {
        let mut names = BTreeMap::new();
        for (entry, now) in entries {
            let mut variables = Vec::new();
            if env {
                variables.push((fd_variable(&entry.label), entry.fd.to_string().into_bytes()));
            }
            if addr {
                let address = describe::local_address(*now)
                    .map(|address| address.bytes().to_vec())
                    .unwrap_or_default();
                variables.push((addr_variable(&entry.label), address));
            }
            for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
                if let Some(other) = names.insert(name.clone(), &entry.label) {
                    return Err(invalid(format!(
                        "labels {other} and {} both have the variable {}, choose other labels",
                        entry.label,
                        Shown(&name)
                    )));
                }
                self.tell(&name, &value)?;
            }
        }
        Ok(())
    }

    /// Adds an entry to the map.
    ///
    /// # Errors
    /// A label or an fd that it has already.
    pub fn add(&mut self, entry: Entry) -> Result<(), Failure<'static>> {
        if self.map.iter().any(|other| other.label == entry.label) {
            let label = &entry.label;
            return Err(invalid(format!(
                "label {label} is taken in the inherited LISTEN_FD_MAP, choose another with -l (or unset it)"
            )));
        }
        if let Some(other) = self.map.iter().find(|other| other.fd == entry.fd) {
            return Err(invalid(format!(
                "fd {} is {} in the inherited LISTEN_FD_MAP already (which may be unset)",
                entry.fd, other.label
            )));
        }
        self.map.push(entry);
        Ok(())
    }

    /// Whether the label's `_FD` variable is there and tells of this fd.
    fn has_variable(&self, entry: &Entry) -> bool {
        self.value(&fd_variable(&entry.label)) == Some(entry.fd.to_string().as_bytes())
    }

    /// Takes the entry at `at` out of the map, and its variables along.
    pub fn take(&mut self, at: usize) -> Entry {
        let entry = self.map.remove(at);
        if self.has_variable(&entry) {
            self.unset(&fd_variable(&entry.label));
            self.unset(&addr_variable(&entry.label));
        }
        entry
    }

    /// Gives the entry at `at` another label and number; its variables follow.
    pub fn change(&mut self, at: usize, label: &str, fd: RawFd) -> Result<(), Failure<'static>> {
        let Some(entry) = self.map.get(at).cloned() else {
            return Ok(());
        };
        if self.has_variable(&entry) {
            let variables = [
                (
                    fd_variable(&entry.label),
                    fd_variable(label),
                    Some(fd.to_string().into_bytes()),
                ),
                (
                    addr_variable(&entry.label),
                    addr_variable(label),
                    self.value(&addr_variable(&entry.label)).map(<[u8]>::to_vec),
                ),
            ];
            for (old, new, value) in variables {
                let Some(value) = value else { continue };
                if let Some(other) = self.value(&new).filter(|_| old != new) {
                    let (new, other) = (Shown(&new), Shown(other));
                    return Err(invalid(format!(
                        "variable {new} is set already, to {other}, unset it or choose another label"
                    )));
                }
                self.replace(&old, &new, &value)?;
            }
        }
        if let Some(place) = self.map.get_mut(at) {
            *place = Entry {
                label: label.to_owned(),
                fd,
            };
        }
        Ok(())
    }

    /// The value of the map for the next program; `None` if it is to be unset.
    fn map_text(&self) -> Option<String> {
        let entries: Vec<String> = self
            .map
            .iter()
            .map(|entry| format!("{}={}", entry.label, entry.fd))
            .collect();
        let text = entries.join(",");
        // what was empty may stay so; a map from which the last entry was taken is no more
        (!text.is_empty() || (self.was.place.is_some() && self.was.text.is_empty())).then_some(text)
    }

    /// The environment of the next program.
    fn environment(&mut self) -> Result<Vec<Option<Arg<'static>>>, Failure<'static>> {
        match self.map_text() {
            Some(text) if text != self.was.text || self.was.place.is_none() => {
                self.set(VARIABLE, text.as_bytes())?;
            }
            None if self.was.place.is_some() => self.unset(VARIABLE),
            _ => {}
        }
        let mut list = Vec::with_capacity(self.slots.len() + 1);
        for slot in &self.slots {
            match slot {
                Slot::Inherited(string) => list.push(Some(*string)),
                Slot::Is(name, value) => list.push(Some(leak([name, &b"="[..], value].concat())?)),
                Slot::Gone => {}
            }
        }
        list.push(None);
        Ok(list)
    }

    /// Closes and moves what is to be closed and moved, and execs PROG: the last step, which only returns to say why it
    /// failed.
    pub fn exec(&mut self, prog: &[Option<Arg<'static>>]) -> Failure<'static> {
        let env = match self.environment() {
            Ok(env) => env,
            Err(failure) => return failure,
        };
        if let Err(errno) = rearrange::fds(&self.closed, &self.moves) {
            return Failure::System("move an fd", errno);
        }
        // a PROG that is not there was named by an argument that lives as long as the process
        let prog: &'static [Option<Arg<'static>>] = prog.to_vec().leak();
        Failure::Exec(exec(prog, env.leak(), self.env))
    }

    /// Whether something that is no standard error will be on fd 2.
    pub fn takes_stderr(&self) -> bool {
        self.closed.contains(&2) || self.moves.iter().any(|&(from, to)| from == 2 || to == 2)
    }
}

/// A string for the next program's arguments or environment, which lives until the exec.
///
/// # Errors
/// A NUL inside. No text that came as an argument has one.
pub fn leak(text: Vec<u8>) -> Result<Arg<'static>, Failure<'static>> {
    let string = CString::new(text).map_err(|_| invalid("a text has a NUL byte".to_owned()))?;
    Ok(Arg::from(&*Box::leak(string.into_boxed_c_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Vec<Entry> {
        let entry = |(label, fd): (&str, i32)| Entry {
            label: label.to_owned(),
            fd,
        };
        crate::FdMap::parse(text)
            .unwrap()
            .iter()
            .map(entry)
            .collect()
    }

    #[test]
    fn groups_are_picked_and_named_by_their_name() {
        let web = map("web.0=3,db=4,web.1=5,web.3=6,x.0=7,x=8");
        assert_eq!(pick(&web, "web"), [0, 2]);
        assert_eq!(pick(&web, "web.3"), [3]);
        assert_eq!(pick(&web, "x"), [5]);
        assert!(pick(&web, "y").is_empty());
        assert_eq!(names(&web), ["web", "db", "web", "web.3", "x.0", "x"]);
        assert_eq!(pick_all(&web, "db,web").unwrap_or_default(), [1, 0, 2]);
        assert!(pick_all(&web, "web,web.1").is_err());
        assert!(pick_all(&web, "").is_err());
    }
}
