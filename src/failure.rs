//! Why a command ends before its PROG runs: one line, and one exit code.
#![forbid(unsafe_code)]

use crate::describe::What;
use crate::environment::{LONGEST, Variable};
use crate::exec::NoExec;
use crate::inherited;
use crate::output::{Output, Shown};
use crate::spec::error::At;
use crate::spec::{self, Label, Subject, family};
use crate::work::Error;
use crate::{argv, place};
use core::fmt::{self, Write as _};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// Why a command ends.
pub enum Failure<'a> {
    /// The command line has not what it needs: the usage line is the message.
    Usage(&'static str),
    /// An argument of `listen` that it cannot take.
    Argument(argv::Error<'a>),
    /// A spec that cannot be.
    Spec(spec::error::Error<'a>),
    /// What no spec can be, about this argument.
    Claim(At<'a>, Claim<'a>),
    /// An inherited map that cannot be used.
    Inherited(inherited::Error<'a>),
    /// What was written is wrong: a text, from the commands that may make one up.
    Invalid(&'a str),
    /// What was asked for is not there.
    NotThere(&'a str),
    /// More sockets than fit.
    TooMany,
    /// A socket could not be made.
    Socket(Subject<'a>, Error<'a>),
    /// Another system call failed while doing this.
    System(&'a str, Errno),
    /// PROG does not run.
    Exec(NoExec<'a>),
}

/// What a spec or option asks for and cannot have.
pub enum Claim<'a> {
    /// `-o` with no spec before it.
    NoSpec,
    /// A second `-d`.
    Repeated,
    /// A label that another socket has.
    Label(Label<'a>),
    /// A label that the inherited map has.
    InheritedLabel(Label<'a>),
    /// A variable that another socket has.
    Variable(Variable<'a>),
    /// A variable that is set already, to something else.
    SetVariable(Variable<'a>, &'a [u8]),
    /// An fd that is open.
    Open(RawFd),
    /// Numbers of fds beyond the greatest.
    TooHigh,
    /// An fd that two claim.
    Twice(RawFd),
    /// An fd of the inherited map.
    InMap(RawFd, Label<'a>),
    /// An fd that is not open.
    Closed(RawFd),
    /// An fd that cannot be, under this limit.
    Limit(RawFd, u64),
    /// No such user (or "group").
    Unknown(&'static str, &'a [u8]),
    /// A name that could not be looked up.
    LookUp(&'static str, &'a [u8], Errno),
}

impl From<inherited::Error<'static>> for Failure<'static> {
    fn from(error: inherited::Error<'static>) -> Self {
        Failure::Inherited(error)
    }
}

impl Failure<'_> {
    /// The exit code.
    pub fn code(&self) -> i32 {
        match self {
            Failure::Socket(..) | Failure::System(..) | Failure::Claim(_, Claim::LookUp(..)) => 111,
            Failure::NotThere(_) => 1,
            Failure::Exec(no) => 126 + i32::from(no.not_found()),
            _ => 100,
        }
    }
}

impl fmt::Display for Failure<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(line) => write!(f, "{line} (-h for help)"),
            Failure::Argument(error) => write!(f, "{error}"),
            Failure::Spec(error) => write!(f, "{error}"),
            Failure::Claim(at, claim) => write!(f, "{at}: {claim}"),
            Failure::Inherited(error) => write!(f, "{error}"),
            Failure::Invalid(text) | Failure::NotThere(text) => f.write_str(text),
            Failure::TooMany => {
                write!(
                    f,
                    "too many sockets: at most {}, and {LONGEST} bytes of LISTEN_FD_MAP",
                    place::MOST
                )
            }
            Failure::Socket(subject, error) => error.describe(f, subject),
            Failure::System(doing, errno) => write!(f, "unable to {doing}: {}", errno.desc()),
            Failure::Exec(no) => write_exec(f, no),
        }
    }
}

impl fmt::Display for Claim<'_> {
    #[cold]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::NoSpec => f.write_str("there is no spec before it"),
            Claim::Repeated => f.write_str("option -d is given twice"),
            Claim::Label(label) => {
                write!(
                    f,
                    "label {label} is taken already, give one of the two another with label="
                )
            }
            Claim::InheritedLabel(label) => {
                write!(
                    f,
                    "label {label} is taken in the inherited LISTEN_FD_MAP, choose another with label= (or unset it)"
                )
            }
            Claim::Variable(variable) => {
                write!(
                    f,
                    "variable {variable} is taken by another socket, choose another label="
                )
            }
            Claim::SetVariable(variable, value) => {
                write!(
                    f,
                    "variable {variable} is set already, to {}, unset it or choose another label=",
                    Shown(value)
                )
            }
            Claim::Open(fd) => write!(f, "fd {fd} is open already: {}", What(*fd)),
            Claim::TooHigh => f.write_str("the last fd of the group would be above 2147483647"),
            Claim::Twice(fd) => write!(f, "fd {fd} is claimed twice"),
            Claim::InMap(fd, label) => {
                write!(f, "fd {fd} is {label} in the inherited LISTEN_FD_MAP")
            }
            Claim::Closed(fd) => write!(f, "fd {fd} is not open"),
            Claim::Limit(fd, limit) => {
                write!(
                    f,
                    "fd {fd} is not below the open-file limit, {limit} (ulimit -n)"
                )
            }
            Claim::Unknown(what, name) => write!(f, "unknown {what} {}", Shown(name)),
            Claim::LookUp(what, name, errno) => {
                write!(
                    f,
                    "unable to look up {what} {}: {}",
                    Shown(name),
                    errno.desc()
                )
            }
        }
    }
}

#[cold]
fn write_exec(f: &mut fmt::Formatter<'_>, no: &NoExec) -> fmt::Result {
    let prog = Shown(no.prog);
    write!(f, "unable to execute {prog}: {}", no.errno.desc())?;
    let first = no.prog.split(|&b| b == b':').next().unwrap_or_default();
    if no.no_interpreter {
        f.write_str(" (the interpreter or loader that it names)")
    } else if no.not_found() && first.len() < no.prog.len() && family::find(first).is_some() {
        write!(f, " (a spec begins with a dash: -{prog})")
    } else if no.not_found() && no.prog.iter().all(u8::is_ascii_digit) {
        write!(f, " (a spec begins with a dash: -tcp::{prog})")
    } else {
        Ok(())
    }
}

/// Writes an answer (`-h`, `-V`, `-n`) to standard output; the exit code.
///
/// # Errors
/// Standard output does not take it.
#[cold]
pub fn answer(write: impl FnOnce(&mut Output)) -> Result<i32, Failure<'static>> {
    let mut out = Output::new(1);
    write(&mut out);
    out.finish()
        .map(|()| 0)
        .map_err(|errno| Failure::System("write to standard output", errno))
}

/// Says that a command is not for a file with the set-user-ID or set-group-ID bit; the exit code.
#[cold]
pub fn refuse_set_id(command: &'static str) -> i32 {
    let log = Log {
        command,
        silent: false,
    };
    log.fatal(&Failure::Invalid(
        "the file has a set-user-ID or set-group-ID bit, which would hand its rights to PROG: remove it (setcap cap_net_bind_service=ep is for low ports)",
    ))
}

/// Standard error, for one command.
pub struct Log {
    /// The command's name.
    pub command: &'static str,
    /// Fd 2 is closed, or something else than standard error: nothing may be written there.
    pub silent: bool,
}

impl Log {
    /// `COMMAND: fatal: ...` (or the usage line); the exit code.
    #[cold]
    pub fn fatal(&self, failure: &Failure) -> i32 {
        let severity = if matches!(failure, Failure::Usage(_)) {
            "usage"
        } else {
            "fatal"
        };
        self.line(severity, format_args!("{failure}"));
        failure.code()
    }

    /// `COMMAND: SEVERITY: TEXT`, in one write.
    #[cold]
    pub fn line(&self, severity: &str, text: fmt::Arguments) {
        if !self.silent {
            let mut out = Output::new(2);
            // an Output takes everything, and nothing can be done for a standard error that takes nothing
            let _ = writeln!(out, "{}: {severity}: {text}", self.command);
            let _ = out.finish();
        }
    }
}
