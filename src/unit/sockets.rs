//! From a unit's assignments to sockets, each as the arguments of `listen` that make it.
#![forbid(unsafe_code)]

use super::address::{self, is_unspecified_v6};
use super::directive::{self, Directive, Wrong};
use super::{Request, Unit, file, specifier, text_of, value};
use crate::edit::invalid;
use crate::failure::Failure;
use crate::spec::address as spec_address;
use crate::spec::family::{Addresses, FAMILIES, Family};
use crate::spec::option::{OPTIONS, Row, What};
use crate::spec::value::{Takes, owner_number};
use nix::libc;
use nix::unistd::{Gid, Group, Uid, User};

/// What is told on the way.
pub enum Note {
    /// Something that was meant to count does not.
    Warning(String),
    /// Something that is left to a service manager.
    Info(String),
}

/// A socket of a unit.
pub struct Socket {
    /// The name in LISTEN_FDNAMES.
    pub name: String,
    /// `FILE:LINE: ` of its address.
    pub place: String,
    /// The family.
    pub family: &'static Family,
    /// The address.
    pub address: String,
    /// The options after `-o`.
    pub options: Vec<String>,
}

/// A value, and where it stands: `FILE:LINE: KEY=VALUE`.
struct Setting {
    value: String,
    place: String,
}

struct Reader<'a> {
    unit: &'a Unit,
    notes: &'a mut Vec<Note>,
    /// Directive, value, place.
    listen: Vec<(String, String, String)>,
    /// By place in [`OPTIONS`]; of an option that repeats, each.
    options: Vec<Vec<Setting>>,
    protocol: Option<&'static str>,
    /// Where `Accept=yes` stands.
    accept: Option<String>,
}

/// The sockets of a unit, in order.
///
/// # Errors
/// The first line that cannot be bound, or that means something else than sockets.
pub fn read(
    unit: &Unit,
    request: &Request,
    notes: &mut Vec<Note>,
) -> Result<Vec<Socket>, Failure<'static>> {
    let mut reader = Reader {
        unit,
        notes,
        listen: Vec::new(),
        options: OPTIONS.iter().map(|_| Vec::new()).collect(),
        protocol: None,
        accept: None,
    };
    for source in &unit.sources {
        let shown = &source.shown;
        let contents = file::parse(&source.bytes)
            .map_err(|(line, why)| invalid(format!("{shown}:{line}: {why}")))?;
        for (line, why) in contents.ignored {
            let text = format!("{shown}:{line}: {why}, ignored");
            reader.notes.push(Note::Warning(text));
        }
        for assignment in contents.assignments {
            let (line, key) = (assignment.line, text_of(assignment.key.as_bytes()));
            let value = text_of(assignment.value.as_bytes());
            let place = format!("{shown}:{line}: {key}={value}");
            reader.assign(&assignment.key, &assignment.value, place)?;
        }
    }
    reader.finish(request)
}

impl Reader<'_> {
    fn assign(&mut self, key: &str, text: &str, place: String) -> Result<(), Failure<'static>> {
        let wrong = |why: &str| Err(invalid(format!("{place}: {why}")));
        match directive::find(key) {
            None if key.starts_with("X-") => {}
            None => {
                let meant = directive::meant(key).map(|name| format!(", did you mean {name}?"));
                let end = meant.unwrap_or_else(|| ", ignored".to_owned());
                self.notes
                    .push(Note::Warning(format!("{place}: unknown directive{end}")));
            }
            Some(Directive::Manager) => {
                let text = format!("{place}: a service manager's, nothing to bind");
                self.notes.push(Note::Info(text));
            }
            Some(Directive::Refused(why)) => match value::boolean(text) {
                Some(false) => {}
                _ if text.is_empty() => {}
                _ => return wrong(why),
            },
            Some(Directive::Accept) => match value::boolean(text) {
                Some(yes) => self.accept = yes.then_some(place),
                None if text.is_empty() => self.empty(&place),
                None => return wrong("yes or no is wanted"),
            },
            Some(Directive::Protocol) => {
                let named = FAMILIES.iter().find(|family| family.name == text);
                let usual = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP];
                match named.filter(|family| !usual.contains(&family.protocol)) {
                    Some(family) => self.protocol = Some(family.name),
                    None if text.is_empty() => self.empty(&place),
                    None => return wrong("udplite, sctp or mptcp is wanted"),
                }
            }
            Some(Directive::Listen) if text.is_empty() => self.listen.clear(),
            Some(Directive::Listen) => {
                let text = self.expand(text, &place)?;
                self.listen.push((key.to_owned(), text, place));
            }
            Some(Directive::Option(at, row)) => self.option(at, row, text, place)?,
        }
        Ok(())
    }

    fn empty(&mut self, place: &str) {
        self.ignore(place, "an empty value changes nothing");
    }

    fn ignore(&mut self, place: &str, why: &str) {
        let text = format!("{place}: {why}, ignored");
        self.notes.push(Note::Warning(text));
    }

    fn expand(&self, text: &str, place: &str) -> Result<String, Failure<'static>> {
        specifier::expand(text, self.unit).map_err(|why| invalid(format!("{place}: {why}")))
    }

    fn option(
        &mut self,
        at: usize,
        row: &'static Row,
        text: &str,
        place: String,
    ) -> Result<(), Failure<'static>> {
        // names and paths have specifiers, and an empty value takes them back
        let is_text = matches!(
            row.takes,
            Takes::Owner | Takes::Label | Takes::Interface | Takes::Name | Takes::Path
        );
        if text.is_empty() {
            if is_text {
                self.clear(at);
            } else {
                self.empty(&place);
            }
            return Ok(());
        }
        let wrong = |why: String| invalid(format!("{place}: {why}"));
        let expanded = if is_text && row.takes != Takes::Interface {
            self.expand(text, &place)?
        } else {
            text.to_owned()
        };
        if row.takes == Takes::Path {
            let words = value::words(&expanded)
                .ok_or_else(|| wrong("a quote that does not end".to_owned()))?;
            for word in words {
                let path = value::simplified(&word)
                    .ok_or_else(|| wrong("an absolute path without .. is wanted".to_owned()))?;
                self.add(at, path, &place);
            }
            return Ok(());
        }
        if row.what == What::Label {
            let legal = |b: u8| (b' '..=b'~').contains(&b) && b != b':';
            if expanded.len() > 255 || !expanded.bytes().all(legal) {
                let why = "a name of at most 255 ASCII characters without a colon is wanted";
                return Err(wrong(why.to_owned()));
            }
            self.clear(at);
            self.add(at, expanded, &place);
            return Ok(());
        }
        match directive::translate(row, &expanded) {
            Ok(value) => {
                self.clear(at);
                if let Some(value) = value {
                    self.add(at, value, &place);
                }
            }
            Err(Wrong::Malformed(why) | Wrong::Refused(why)) if !directive::is_best_effort(row) => {
                return Err(wrong(why));
            }
            Err(Wrong::Malformed(why)) => self.ignore(&place, &why),
            Err(Wrong::Refused(why)) => {
                self.clear(at);
                self.ignore(&place, &why);
            }
        }
        Ok(())
    }

    fn clear(&mut self, at: usize) {
        if let Some(settings) = self.options.get_mut(at) {
            settings.clear();
        }
    }

    fn add(&mut self, at: usize, value: String, place: &str) {
        if let Some(settings) = self.options.get_mut(at) {
            let place = place.to_owned();
            settings.push(Setting { value, place });
        }
    }

    /// The settings of an option.
    fn settings(&self, what: What) -> &[Setting] {
        place(what)
            .and_then(|at| self.options.get(at))
            .map_or(&[], Vec::as_slice)
    }

    fn finish(mut self, request: &Request) -> Result<Vec<Socket>, Failure<'static>> {
        let file = self.unit.path.as_str();
        if let Some(place) = self.accept.as_ref().filter(|_| !request.accept) {
            return Err(invalid(format!(
                "{place}: systemd would start a process for each connection; if PROG accepts connections itself, say --accept"
            )));
        }
        if self.listen.is_empty() {
            return Err(invalid(format!(
                "{file}: no Listen...= line, nothing to bind"
            )));
        }
        self.look_up_owners()?;
        // attributes of a queue count together only
        if self.settings(What::Maxmsg).is_empty() != self.settings(What::Msgsize).is_empty() {
            for at in [What::Maxmsg, What::Msgsize].into_iter().filter_map(place) {
                self.clear(at);
            }
        }
        let has_v6 = std::fs::metadata("/proc/net/if_inet6").is_ok();
        let label = self.settings(What::Label).first();
        let name = label.map_or_else(|| self.unit.name.full(), |label| label.value.clone());
        let mut targets = Vec::new();
        for (key, text, place) in &self.listen {
            let target = address::parse(key, text, self.protocol, has_v6)
                .map_err(|why| invalid(format!("{place}: {why}")))?;
            targets.push((target, place.clone()));
        }
        let nodes = targets.iter().filter(|(target, _)| is_node(target));
        let has_one_path = nodes.clone().count() == 1;
        if let Some(link) = self
            .settings(What::Symlink)
            .first()
            .filter(|_| !has_one_path)
        {
            let (place, found) = (&link.place, nodes.count());
            return Err(invalid(format!(
                "{place}: links need exactly one path in the unit, not {found}"
            )));
        }
        let sockets = targets.into_iter().map(|(target, place)| Socket {
            name: name.clone(),
            place,
            family: target.family,
            options: self.options_of(&target),
            address: target.address,
        });
        Ok(sockets.collect())
    }

    /// Both names have to be known, whether a socket takes them or not. A user without a group brings the group that the
    /// user database gives him.
    fn look_up_owners(&mut self) -> Result<(), Failure<'static>> {
        let at = place(What::Group);
        let (user, group) = (self.settings(What::User), self.settings(What::Group));
        let unable = |what: &str, place: &str, errno| {
            Failure::System(format!("look up the {what} of {place}").leak(), errno)
        };
        if let Some(Setting { value, place }) = group.first() {
            if owner_number(value.as_bytes()).is_none() {
                let found =
                    Group::from_name(value).map_err(|errno| unable("group", place, errno))?;
                found.ok_or_else(|| invalid(format!("{place}: unknown group {value}")))?;
            }
        }
        let Some(Setting { value, place }) = user.first() else {
            return Ok(());
        };
        let number = owner_number(value.as_bytes());
        let found = match number {
            Some(number) => User::from_uid(Uid::from_raw(number)),
            None => User::from_name(value),
        };
        match (found.map_err(|errno| unable("user", place, errno))?, at) {
            (Some(found), Some(at)) if group.is_empty() => {
                let place = place.clone();
                self.add(at, name_of(found.gid), &place);
            }
            (None, _) if number.is_none() => {
                return Err(invalid(format!("{place}: unknown user {value}")));
            }
            // a number is a user even if nobody is called so
            _ => {}
        }
        Ok(())
    }

    /// The options of one socket: those that the unit sets, and what systemd does without being told.
    fn options_of(&self, target: &address::Target) -> Vec<String> {
        let family = target.family;
        let parsed = spec_address::parse(family.addresses, target.address.as_bytes(), false);
        let Ok(parsed) = parsed else {
            return Vec::new();
        };
        let mut options = Vec::new();
        for (row, settings) in OPTIONS.iter().zip(&self.options) {
            let applies = row.families.contain(family) && row.addresses.has(&parsed);
            if !applies || row.what == What::Label {
                continue;
            }
            let soft = directive::is_best_effort(row) || row.what == What::Symlink;
            let soft = if soft { "~" } else { "" };
            if row.what == What::Symlink && !is_node(target) {
                continue;
            }
            let name = row.name;
            for setting in settings {
                options.push(format!("{name}{soft}={}", setting.value));
            }
            if settings.is_empty() {
                let default = match row.what {
                    What::Mode => Some("0666"),
                    What::Dirmode => Some("0755"),
                    What::V6only if is_unspecified_v6(&parsed) => Some("kernel"),
                    _ if name == "reuseaddr" && !row.default.contain(family) => Some("yes"),
                    _ => None,
                };
                options.extend(default.map(|value| format!("{name}={value}")));
            }
        }
        let groups = (0..32).filter(|bit| target.groups & 1 << bit != 0);
        options.extend(groups.map(|bit| format!("multicast={}", bit + 1)));
        options
    }
}

/// The place of an option in [`OPTIONS`].
fn place(what: What) -> Option<usize> {
    OPTIONS.iter().position(|row| row.what == what)
}

/// Whether it is a node in the file system that is made.
fn is_node(target: &address::Target) -> bool {
    matches!(target.family.addresses, Addresses::Unix | Addresses::Fifo)
        && target.address.starts_with('/')
}

/// A group by its name, or where it has none by its number.
fn name_of(group: Gid) -> String {
    let known = Group::from_gid(group).ok().flatten();
    known.map_or_else(|| group.to_string(), |known| known.name)
}
