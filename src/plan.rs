//! From the command line of `listen` to a plan: everything that can be known before the first socket is made.
#![forbid(unsafe_code)]

use crate::argv::{Flag, Item, Walk};
use crate::environment::{Kind, LONGEST, Variable};
use crate::failure::{Claim, Failure};
use crate::inherited::{Inherited, VARIABLE};
use crate::output::Text;
use crate::place::{MOST, Numbers, Places};
use crate::set::{Full, Key as _, Set};
use crate::spec::error::At;
use crate::spec::family::Family;
use crate::spec::option::What;
use crate::spec::value::owner_number;
use crate::spec::{Label, Spec, Written};
use crate::sys::{self, Arg};
use crate::trail::{self, Trail};
use crate::work::LookedUp;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use std::os::fd::RawFd;

/// The memory of a plan, most of which is never touched.
pub struct Room<'a> {
    labels: Set<Label<'a>, { 2 * MOST }>,
    variables: Set<Variable<'a>, { 4 * MOST }>,
    /// Numbers that specs claim and that the inherited map has.
    pub numbers: Numbers,
    /// What was looked up for each spec.
    pub names: [LookedUp; MOST],
    /// Where each socket was placed.
    pub placed: [RawFd; MOST],
    /// What was made in the file system.
    pub trail: Trail<'a>,
}

impl Room<'_> {
    /// Empty room.
    pub const fn new() -> Self {
        Room {
            labels: Set::new(),
            variables: Set::new(),
            numbers: Set::new(),
            names: [LookedUp::NOTHING; MOST],
            placed: [0; MOST],
            trail: Trail::new(),
        }
    }
}

impl Default for Room<'_> {
    fn default() -> Self {
        Room::new()
    }
}

/// What the command line asks for.
pub enum Request<'a> {
    /// `-h`, `-h FAMILY`
    Help(Option<&'static Family>),
    /// `-V`
    Version,
    /// Sockets.
    Listen(Plan<'a>),
}

/// A command line all of whose specs can be bound, as far as the text tells.
pub struct Plan<'a> {
    start: Walk<'a>,
    /// PROG and its arguments.
    pub prog: &'a [Option<Arg<'a>>],
    /// `-e`
    pub env: bool,
    /// `-a`
    pub addr: bool,
    /// `-v`
    pub verbose: bool,
    /// `-n`
    pub dry_run: bool,
    /// `-d`
    pub notify: Option<RawFd>,
    /// How many sockets there will be.
    pub sockets: usize,
    /// How many variables there will be.
    pub variables: usize,
    /// Room for their strings, in bytes.
    pub text: usize,
    /// The bytes of the labels in the map.
    labels: usize,
    claims: bool,
    names_variables: bool,
    /// Whether a user or a group is named.
    pub looks_up: bool,
    /// What may be made in the file system at most.
    traces: usize,
    /// Whether a variable is set already, to what it will say.
    pub set_already: bool,
}

/// The longest value of a variable: `LocalAddress` has 128 bytes.
const LONGEST_VALUE: usize = 128;

impl<'a> Plan<'a> {
    /// Reads the command line; no system call is made.
    pub fn read(
        args: &'a [Option<Arg<'a>>],
        inherited: &str,
        room: &mut Room<'a>,
    ) -> Result<Request<'a>, Failure<'a>> {
        let grouped = args.iter().flatten().any(|arg| has_count(arg.bytes()));
        let sockets = if grouped { MOST } else { args.len() };
        let most = sockets.saturating_add(inherited.len() / 4);
        room.labels.expect(most);
        room.numbers.expect(most);
        let mut walk = Walk::new(args);
        let mut plan = Plan {
            start: walk,
            prog: &[],
            env: false,
            addr: false,
            verbose: false,
            dry_run: false,
            notify: None,
            sockets: 0,
            variables: 0,
            text: 0,
            labels: 0,
            claims: false,
            names_variables: false,
            looks_up: false,
            traces: 0,
            set_already: false,
        };
        for item in walk.by_ref() {
            match item.map_err(Failure::Argument)? {
                Item::Flag(Flag::Env) => plan.env = true,
                Item::Flag(Flag::Addr) => plan.addr = true,
                Item::Flag(Flag::Verbose) => plan.verbose = true,
                Item::Flag(Flag::DryRun) => plan.dry_run = true,
                Item::Flag(Flag::Version) => return Ok(Request::Version),
                Item::Help(family) => return Ok(Request::Help(family)),
                Item::Notify(_) if plan.notify.is_some() => {
                    return Err(Failure::Claim(At::One(b"-d"), Claim::Repeated));
                }
                Item::Notify(fd) => plan.notify = Some(fd),
                Item::Spec(written) => plan.add(
                    &written,
                    &Spec::parse(&written).map_err(Failure::Spec)?,
                    room,
                )?,
                Item::Option(text) if plan.sockets == 0 => {
                    return Err(Failure::Claim(At::Two(b"-o", text), Claim::NoSpec));
                }
                Item::Option(_) => {}
            }
        }
        plan.prog = walk.prog();
        Ok(Request::Listen(plan))
    }

    fn add(
        &mut self,
        written: &Written<'a>,
        spec: &Spec<'a>,
        room: &mut Room<'a>,
    ) -> Result<(), Failure<'a>> {
        let claim = |claim| Failure::Claim(written.at(), claim);
        self.sockets += spec.count();
        self.traces += spec.traces();
        if self.sockets > MOST || self.traces > trail::ROOM {
            return Err(Failure::TooMany);
        }
        for (member, label) in spec.labels().enumerate() {
            if !room.labels.insert(label)? {
                return Err(claim(Claim::Label(label)));
            }
            self.labels += label.bytes().count();
            // an fd that is adopted is spoken for where it was, too
            for fd in spec.claims(member).into_iter().chain(spec.moves_from()) {
                self.claims = true;
                if !room.numbers.insert(fd)? {
                    return Err(claim(Claim::Twice(fd)));
                }
            }
        }
        if spec.number(What::Fd).is_some() && spec.claims(spec.count() - 1).is_none() {
            return Err(claim(Claim::TooHigh));
        }
        self.names_variables |= spec.env.is_some();
        self.looks_up |= spec.user.is_some() || spec.group.is_some();
        Ok(())
    }

    /// Every spec, once more, with its arguments.
    pub fn specs(&self) -> impl Iterator<Item = (Written<'a>, Spec<'a>)> + use<'a> {
        self.start.filter_map(|item| match item {
            Ok(Item::Spec(written)) => Some((written, Spec::parse(&written).ok()?)),
            _ => None,
        })
    }

    /// The variables that tell of one socket.
    pub fn variables_of(
        &self,
        spec: &Spec<'a>,
        label: Label<'a>,
    ) -> impl Iterator<Item = Variable<'a>> + use<'a> {
        let fd = self.env.then_some(Variable::fd(label));
        let addr = (self.addr && spec.has_address()).then_some(Variable::addr(label));
        fd.into_iter()
            .chain(addr)
            .chain(spec.env.map(Variable::named))
    }

    /// Holds the plan against the environment and the inherited map, and asks the system what can be asked without
    /// making anything. The order matters: claimed numbers are checked last, because looking up a user may leave a
    /// file of the name service open.
    pub fn check(
        &mut self,
        inherited: &Inherited<'a>,
        env: &'a [Option<Arg<'a>>],
        room: &mut Room<'a>,
    ) -> Result<(), Failure<'a>> {
        self.check_inherited(inherited, room)?;
        self.check_notify(inherited)?;
        if self.looks_up {
            self.look_up(&mut room.names)?;
        }
        if self.claims {
            self.check_claims()?;
        }
        if self.env || self.addr || self.names_variables {
            self.check_variables(env, room)?;
        }
        self.check_length(inherited, room)
    }

    fn check_inherited(
        &self,
        inherited: &Inherited<'a>,
        room: &mut Room<'a>,
    ) -> Result<(), Failure<'a>> {
        for (at, label, fd) in inherited.entries() {
            if !room.labels.insert(Label::new(label.as_bytes()))? {
                let taken = |ours: &Label| ours.bytes().eq(label.bytes());
                let ours = self
                    .specs()
                    .find(|(_, spec)| spec.labels().any(|ours| taken(&ours)));
                return Err(match ours {
                    Some((written, _)) => Failure::Claim(
                        written.at(),
                        Claim::InheritedLabel(Label::new(label.as_bytes())),
                    ),
                    None => Failure::Inherited(inherited.repeated(at, true)),
                });
            }
            if !room.numbers.insert(fd)? {
                let ours = self.specs().find(|(_, spec)| spec.takes(fd));
                return Err(match ours {
                    Some((written, _)) => Failure::Claim(written.at(), Claim::InMap(fd, label)),
                    None => Failure::Inherited(inherited.repeated(at, false)),
                });
            }
        }
        inherited.check_open().map_err(Failure::Inherited)
    }

    fn check_notify(&self, inherited: &Inherited<'a>) -> Result<(), Failure<'a>> {
        let Some(fd) = self.notify else { return Ok(()) };
        let claim = |claim| Err(Failure::Claim(At::One(b"-d"), claim));
        if let Some((_, label, _)) = inherited.entries().find(|&(_, _, of)| of == fd) {
            return claim(Claim::InMap(fd, label));
        }
        if !sys::is_open(fd) {
            claim(Claim::Closed(fd))
        } else {
            Ok(())
        }
    }

    fn look_up(&self, names: &mut [LookedUp]) -> Result<(), Failure<'a>> {
        let mut users = Names {
            what: "user",
            ask: sys::user_id,
            last: None,
        };
        let mut groups = Names {
            what: "group",
            ask: sys::group_id,
            last: None,
        };
        for ((written, spec), name) in self.specs().zip(names) {
            let claim = |claim| Failure::Claim(written.at(), claim);
            *name = LookedUp {
                user: spec
                    .user
                    .map(|user| users.id(user))
                    .transpose()
                    .map_err(claim)?,
                group: spec
                    .group
                    .map(|group| groups.id(group))
                    .transpose()
                    .map_err(claim)?,
            };
        }
        Ok(())
    }

    fn check_claims(&self) -> Result<(), Failure<'a>> {
        let limit = getrlimit(Resource::RLIMIT_NOFILE)
            .map_err(|errno| Failure::System("read the open-file limit", errno))?
            .0;
        for (written, spec) in self.specs() {
            let claim = |claim| Err(Failure::Claim(written.at(), claim));
            if let Some(fd) = spec.adopts() {
                if self.notify == Some(fd) {
                    return claim(Claim::Twice(fd));
                }
                if !sys::is_open(fd) {
                    return claim(Claim::Closed(fd));
                }
            }
            let claimed = (0..spec.count()).filter_map(|member| spec.claims(member));
            for fd in claimed.filter(|&fd| spec.adopts() != Some(fd)) {
                if u64::try_from(fd).is_ok_and(|fd| fd >= limit) {
                    return claim(Claim::Limit(fd, limit));
                }
                if self.notify == Some(fd) {
                    return claim(Claim::Twice(fd));
                }
                if fd > 2 && sys::is_open(fd) {
                    return claim(Claim::Open(fd));
                }
            }
        }
        Ok(())
    }

    /// No variable is made twice, and none that is set to something else is changed.
    fn check_variables(
        &mut self,
        env: &'a [Option<Arg<'a>>],
        room: &mut Room<'a>,
    ) -> Result<(), Failure<'a>> {
        room.variables.expect(self.sockets.saturating_mul(3));
        for (written, spec) in self.specs() {
            for label in spec.labels() {
                for variable in self.variables_of(&spec, label) {
                    if !room.variables.insert(variable)? {
                        return Err(Failure::Claim(written.at(), Claim::Variable(variable)));
                    }
                    self.variables += 1;
                    // "=", the value (an address of the kernel's, or a path as it is written) and NUL
                    let value = LONGEST_VALUE.max(spec.address_text.len());
                    self.text += variable.bytes().count() + value + 2;
                }
            }
        }
        for string in env.iter().flatten() {
            let name = string
                .bytes()
                .split(|&b| b == b'=')
                .next()
                .unwrap_or_default();
            if room.variables.contains(Variable::named(name)) {
                self.check_set(name, *string, room)?;
            }
        }
        Ok(())
    }

    /// A variable that is set already has to say what it would say.
    fn check_set(
        &mut self,
        name: &'a [u8],
        string: Arg<'a>,
        room: &Room<'a>,
    ) -> Result<(), Failure<'a>> {
        let Some(value) = string.value_of(name) else {
            return Ok(());
        };
        let value = value.to_bytes();
        self.set_already = true;
        for (written, spec, label, fd) in self.foreseen(&room.numbers) {
            for variable in self.variables_of(&spec, label) {
                let said = match variable.kind {
                    Kind::Fd => crate::map::parse_fd(value) == Some(fd),
                    Kind::Addr => spec.address.is_written(value),
                    Kind::Named => false,
                };
                if !said && variable.bytes().eq(name.iter().copied()) {
                    return Err(Failure::Claim(
                        written.at(),
                        Claim::SetVariable(variable, value),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The map fits into one string of the environment.
    fn check_length(&self, inherited: &Inherited<'a>, room: &Room<'a>) -> Result<(), Failure<'a>> {
        const LONGEST_FD: usize = 10;
        let rest = VARIABLE.len() + 1 + inherited.text.len() + self.labels + 2 * self.sockets;
        if rest + LONGEST_FD * self.sockets <= LONGEST {
            return Ok(());
        }
        let digits = |fd: RawFd| fd.checked_ilog10().map_or(1, |log| log as usize + 1);
        let numbers: usize = self
            .foreseen(&room.numbers)
            .map(|(_, _, _, fd)| digits(fd))
            .sum();
        // a comma before each entry, but not before the first of an empty map
        let first = usize::from(inherited.text.is_empty() && self.sockets > 0);
        if rest + numbers - first <= LONGEST {
            Ok(())
        } else {
            Err(Failure::TooMany)
        }
    }

    /// Every socket, and the number that it would get now.
    pub fn foreseen<'b>(
        &self,
        taken: &'b Numbers,
    ) -> impl Iterator<Item = (Written<'a>, Spec<'a>, Label<'a>, RawFd)> + use<'a, 'b> {
        let mut places = Places::new();
        let sockets = self.specs().flat_map(|(written, spec)| {
            let members = spec.labels().enumerate();
            members.map(move |(member, label)| (written, spec, label, member))
        });
        sockets.map(move |(written, spec, label, member)| {
            let asked = spec.claims(member).or(spec.adopts());
            (written, spec, label, places.foresee(asked, taken))
        })
    }
}

/// Whether an argument may ask for a group, which has more sockets than arguments.
fn has_count(argument: &[u8]) -> bool {
    argument.windows(5).any(|word| word == b"count")
}

/// Looks names up, and the same name only once in a row.
struct Names<'a> {
    what: &'static str,
    ask: fn(&core::ffi::CStr) -> Result<Option<u32>, Errno>,
    last: Option<(&'a [u8], u32)>,
}

impl<'a> Names<'a> {
    fn id(&mut self, name: &'a [u8]) -> Result<u32, Claim<'a>> {
        if let Some(number) = owner_number(name) {
            return Ok(number);
        }
        if let Some((_, id)) = self.last.filter(|&(last, _)| last == name) {
            return Ok(id);
        }
        // login names have at most 256 bytes: LOGIN_NAME_MAX
        let text = Text::<257>::from(name);
        let id = match text.c_str().map(self.ask) {
            Some(Ok(Some(id))) => id,
            Some(Err(errno)) => return Err(Claim::LookUp(self.what, name, errno)),
            Some(Ok(None)) | None => return Err(Claim::Unknown(self.what, name)),
        };
        self.last = Some((name, id));
        Ok(id)
    }
}

impl From<Full> for Failure<'_> {
    fn from(Full: Full) -> Self {
        Failure::TooMany
    }
}
