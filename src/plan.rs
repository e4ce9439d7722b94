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
use crate::spec::option;
use crate::spec::value::owner_number;
use crate::spec::{Label, Spec};
use crate::sys::{self, Arg, Buffer, Memory, NoMemory};
use crate::work::LookedUp;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use std::os::fd::RawFd;

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
    /// What is to be made, in order.
    pub specs: Buffer<'a, Spec<'a>>,
    /// What was looked up for each spec, nothing at all where none names anybody.
    pub names: Buffer<'a, LookedUp>,
    /// Numbers that specs claim and that the inherited map has.
    pub taken: Numbers<'a>,
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
    /// How many numbers the specs claim at most.
    claims: usize,
    names_variables: bool,
    /// Whether a user or a group is named.
    pub looks_up: bool,
    /// How many things may be made in the file system at most.
    pub traces: usize,
    /// Whether a variable is set already, to what it will say.
    pub set_already: bool,
}

/// The longest number of an fd, in digits.
const LONGEST_FD: usize = 10;

/// The longest value of a variable: `LocalAddress` has 128 bytes.
const LONGEST_VALUE: usize = 128;

impl<'a> Plan<'a> {
    /// Reads the command line; the system is asked for nothing but memory, and only for a long one.
    pub fn read(
        args: &'a [Option<Arg<'a>>],
        memory: &mut Memory<'a>,
    ) -> Result<Request<'a>, Failure<'a>> {
        let mut plan = Plan {
            // as many as there are arguments, if that many can be
            specs: memory.buffer(args.len().min(MOST))?,
            names: Buffer::none(),
            taken: Numbers::none(),
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
            claims: 0,
            names_variables: false,
            looks_up: false,
            traces: 0,
            set_already: false,
        };
        let mut walk = Walk::new(args);
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
                Item::Spec(written) => {
                    plan.add(Spec::parse(&written).map_err(Failure::Spec)?)?;
                }
                Item::Option(text) if plan.sockets == 0 => {
                    return Err(Failure::Claim(At::Two(b"-o", text), Claim::NoSpec));
                }
                Item::Option(_) => {}
            }
        }
        plan.prog = walk.prog();
        Ok(Request::Listen(plan))
    }

    fn add(&mut self, spec: Spec<'a>) -> Result<(), Failure<'a>> {
        let count = spec.count();
        self.sockets += count;
        self.traces += spec.traces();
        if spec.fd.is_some() {
            if spec.claims(count - 1).is_none() {
                return Err(Failure::Claim(spec.written.at(), Claim::TooHigh));
            }
            self.claims += count;
        }
        self.claims += usize::from(spec.adopts().is_some());
        self.names_variables |= spec.has(option::ENV);
        self.looks_up |= spec.has(option::USER) || spec.has(option::GROUP);
        if self.sockets > MOST || !self.specs.push(spec) {
            return Err(Failure::TooMany);
        }
        Ok(())
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
            .chain(spec.text(option::ENV).map(Variable::named))
    }

    /// Holds the specs against each other, the environment and the inherited map, and asks the system what can be asked
    /// without making anything. The order matters: claimed numbers are checked last, because looking up a user may leave
    /// a file of the name service open.
    pub fn check(
        &mut self,
        inherited: &Inherited<'a>,
        env: &'a [Option<Arg<'a>>],
        memory: &mut Memory<'a>,
    ) -> Result<(), Failure<'a>> {
        self.check_unique(inherited, memory)?;
        inherited.check_open().map_err(Failure::Inherited)?;
        self.check_notify(inherited)?;
        if self.looks_up {
            self.look_up(memory)?;
        }
        if self.claims > 0 {
            self.check_claims()?;
        }
        if self.env || self.addr || self.names_variables {
            self.check_variables(env, memory)?;
        }
        self.check_length(inherited)
    }

    /// No label and no number is taken twice, by specs or by the inherited map.
    fn check_unique(
        &mut self,
        inherited: &Inherited<'a>,
        memory: &mut Memory<'a>,
    ) -> Result<(), Failure<'a>> {
        let entries = inherited.entries().count();
        let mut labels = Set::new(memory, self.sockets + entries)?;
        if self.claims + entries > 0 {
            self.taken = Numbers::new(memory, self.claims + entries)?;
        }
        for spec in self.specs.iter() {
            let claim = |claim| Failure::Claim(spec.written.at(), claim);
            for (member, label) in spec.labels().enumerate() {
                if !labels.insert(label)? {
                    return Err(claim(Claim::Label(label)));
                }
                self.labels += label.len();
                // an fd that is adopted is spoken for where it was, too
                for fd in spec.claims(member).into_iter().chain(spec.moves_from()) {
                    if !self.taken.insert(fd)? {
                        return Err(claim(Claim::Twice(fd)));
                    }
                }
            }
        }
        for (at, label, fd) in inherited.entries() {
            let label = Label::new(label.as_bytes());
            if !labels.insert(label)? {
                let is_it = |ours: Label| ours.bytes().eq(label.bytes());
                let ours = self.specs.iter().find(|spec| spec.labels().any(is_it));
                return Err(match ours {
                    Some(spec) => Failure::Claim(spec.written.at(), Claim::InheritedLabel(label)),
                    None => Failure::Inherited(inherited.repeated(at, true)),
                });
            }
            if !self.taken.insert(fd)? {
                return Err(match self.specs.iter().find(|spec| spec.takes(fd)) {
                    Some(spec) => Failure::Claim(spec.written.at(), Claim::InMap(fd, label)),
                    None => Failure::Inherited(inherited.repeated(at, false)),
                });
            }
        }
        Ok(())
    }

    fn check_notify(&self, inherited: &Inherited<'a>) -> Result<(), Failure<'a>> {
        let Some(fd) = self.notify else { return Ok(()) };
        let claim = |claim| Err(Failure::Claim(At::One(b"-d"), claim));
        if let Some((_, label, _)) = inherited.entries().find(|&(_, _, of)| of == fd) {
            return claim(Claim::InMap(fd, Label::new(label.as_bytes())));
        }
        if !sys::is_open(fd) {
            claim(Claim::Closed(fd))
        } else {
            Ok(())
        }
    }

    fn look_up(&mut self, memory: &mut Memory<'a>) -> Result<(), Failure<'a>> {
        self.names = memory.buffer(self.specs.len())?;
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
        for spec in self.specs.iter() {
            let claim = |claim| Failure::Claim(spec.written.at(), claim);
            self.names.push(LookedUp {
                user: spec
                    .text(option::USER)
                    .map(|user| users.id(user))
                    .transpose()
                    .map_err(claim)?,
                group: spec
                    .text(option::GROUP)
                    .map(|group| groups.id(group))
                    .transpose()
                    .map_err(claim)?,
            });
        }
        Ok(())
    }

    fn check_claims(&self) -> Result<(), Failure<'a>> {
        let limit = getrlimit(Resource::RLIMIT_NOFILE)
            .map_err(|errno| Failure::System("read the open-file limit", errno))?
            .0;
        for spec in self.specs.iter() {
            let claim = |claim| Err(Failure::Claim(spec.written.at(), claim));
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
        memory: &mut Memory<'a>,
    ) -> Result<(), Failure<'a>> {
        let mut variables = Set::new(memory, self.sockets * 3)?;
        for spec in self.specs.iter() {
            for label in spec.labels() {
                for variable in self.variables_of(spec, label) {
                    if !variables.insert(variable)? {
                        let at = spec.written.at();
                        return Err(Failure::Claim(at, Claim::Variable(variable)));
                    }
                    self.variables += 1;
                    // "=", the value (an address of the kernel's, or a path as it is written) and NUL
                    let value = LONGEST_VALUE.max(spec.address_text().len());
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
            if variables.contains(Variable::named(name)) {
                self.set_already = true;
                self.check_set(name, *string)?;
            }
        }
        Ok(())
    }

    /// A variable that is set already has to say what it would say.
    fn check_set(&self, name: &'a [u8], string: Arg<'a>) -> Result<(), Failure<'a>> {
        let Some(value) = string.value_of(name) else {
            return Ok(());
        };
        let value = value.to_bytes();
        for (spec, label, fd) in self.foreseen() {
            for variable in self.variables_of(spec, label) {
                let said = match variable.kind {
                    Kind::Fd => crate::map::parse_fd(value) == Some(fd),
                    Kind::Addr => spec.address.is_written(value),
                    Kind::Named => false,
                };
                if !said && variable.bytes().eq(name.iter().copied()) {
                    let at = spec.written.at();
                    return Err(Failure::Claim(at, Claim::SetVariable(variable, value)));
                }
            }
        }
        Ok(())
    }

    /// The map fits into one string of the environment.
    fn check_length(&self, inherited: &Inherited<'a>) -> Result<(), Failure<'a>> {
        if self.map_length(inherited) <= LONGEST {
            return Ok(());
        }
        let digits = |fd: RawFd| fd.checked_ilog10().map_or(1, |log| log as usize + 1);
        let numbers: usize = self.foreseen().map(|(_, _, fd)| digits(fd)).sum();
        // a comma before each entry, but not before the first of an empty map
        let first = usize::from(inherited.text.is_empty() && self.sockets > 0);
        if self.map_length(inherited) - LONGEST_FD * self.sockets + numbers - first <= LONGEST {
            Ok(())
        } else {
            Err(Failure::TooMany)
        }
    }

    /// The length of the string `LISTEN_FD_MAP=...` at most, in bytes without its NUL.
    pub fn map_length(&self, inherited: &Inherited<'a>) -> usize {
        // LABEL=FD and a comma
        let entries = self.labels + (2 + LONGEST_FD) * self.sockets;
        VARIABLE.len() + 1 + inherited.text.len() + entries
    }

    /// Every socket: its spec, its label, and the number that it would get now.
    pub fn foreseen(&self) -> impl Iterator<Item = (&Spec<'a>, Label<'a>, RawFd)> {
        let mut places = Places::new();
        let sockets = self.specs.iter().flat_map(|spec| {
            let members = spec.labels().enumerate();
            members.map(move |(member, label)| (spec, label, member))
        });
        sockets.map(move |(spec, label, member)| {
            let asked = spec.claims(member).or(spec.adopts());
            (spec, label, places.foresee(asked, &self.taken))
        })
    }
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

impl From<NoMemory> for Failure<'_> {
    fn from(NoMemory(errno): NoMemory) -> Self {
        Failure::System("get memory", errno)
    }
}

impl From<Full> for Failure<'_> {
    fn from(Full: Full) -> Self {
        Failure::TooMany
    }
}
