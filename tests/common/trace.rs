//! Stops a command at each system call: ptrace(2). What happens there is up to the test.
// each test file uses a part of this module, and clippy takes helpers outside #[test] for shipped code
#![allow(dead_code, clippy::unwrap_used)]

use crate::common::{Ended, Run};
use nix::libc;
use std::io;

/// A system call at its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// How many came before it, since the program's own code began.
    pub index: usize,
    /// Its number.
    pub number: i64,
    /// Its first three arguments.
    pub args: [u64; 3],
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Go,
    /// It fails with this errno, and nothing is done.
    Fail(i32),
    /// The process is killed before it.
    Kill,
}

/// How many system calls a dynamic loader makes before `main`: the last is the munmap of its cache. None in a static
/// program.
pub fn loader_calls(program: &str) -> usize {
    let mut count = 0;
    traced(Run::new(program, ["-V"]), 0, |call| {
        if call.number == libc::SYS_munmap {
            count = call.index + 1;
        }
        Action::Go
    });
    count
}

/// Runs a command and asks `decide` at the entry of each system call from the one numbered `skip` on, up to the execve
/// that succeeds.
pub fn traced(run: Run, skip: usize, mut decide: impl FnMut(&Call) -> Action) -> Ended {
    let run = run.setup(|| {
        // SAFETY: no memory is passed.
        match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    });
    // it is waited for below, by number
    #[allow(clippy::zombie_processes)]
    let mut child = run.start();
    let pid = child.id() as libc::pid_t;
    // what it writes fits into the pipes
    let mut status = wait(pid);
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, pid, options as usize);
    let (mut index, mut entering) = (0, true);
    let mut fail: Option<i32> = None;
    let mut signal;
    while libc::WIFSTOPPED(status) {
        if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
            signal = 0;
            let mut registers = get(pid);
            if entering {
                let call = Call {
                    index: index - skip.min(index),
                    number: registers.orig_rax as i64,
                    args: [registers.rdi, registers.rsi, registers.rdx],
                };
                let action = if index >= skip {
                    decide(&call)
                } else {
                    Action::Go
                };
                index += 1;
                match action {
                    Action::Go => {}
                    Action::Fail(errno) => {
                        registers.orig_rax = u64::MAX;
                        set(pid, &mut registers);
                        fail = Some(errno);
                    }
                    Action::Kill => {
                        // SAFETY: the test's own child.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                    }
                }
            } else if let Some(errno) = fail.take() {
                registers.rax = -i64::from(errno) as u64;
                set(pid, &mut registers);
            }
            entering = !entering;
        } else if libc::WSTOPSIG(status) == libc::SIGTRAP && index > 0 {
            // the next program runs: what it does is its own
            ptrace(libc::PTRACE_DETACH, pid, 0);
            break;
        } else {
            signal = libc::WSTOPSIG(status) as usize;
            if signal == libc::SIGTRAP as usize {
                signal = 0;
            }
        }
        ptrace(libc::PTRACE_SYSCALL, pid, signal);
        status = wait(pid);
    }
    let read = |pipe: Option<&mut dyn io::Read>| {
        let mut text = Vec::new();
        pipe.unwrap().read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let stdout = read(out.as_mut().map(|pipe| pipe as &mut dyn io::Read));
    let stderr = read(err.as_mut().map(|pipe| pipe as &mut dyn io::Read));
    let code = if libc::WIFSTOPPED(status) {
        child.wait().unwrap().code()
    } else {
        libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
    };
    Ended {
        code,
        pid: pid as u32,
        stdout,
        stderr,
    }
}

fn wait(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: the status is this frame's.
    let got = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    assert_eq!(got, pid, "{}", io::Error::last_os_error());
    status
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t, data: usize) {
    // SAFETY: none of these requests reads or writes memory here. One that was killed meanwhile is ESRCH.
    unsafe { libc::ptrace(request, pid, 0, data) };
}

fn get(pid: libc::pid_t) -> libc::user_regs_struct {
    // SAFETY: numbers, of which zero is one; the kernel writes one struct.
    unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut registers);
        registers
    }
}

fn set(pid: libc::pid_t, registers: &mut libc::user_regs_struct) {
    // SAFETY: the kernel reads one struct.
    unsafe { libc::ptrace(libc::PTRACE_SETREGS, pid, 0, &raw mut *registers) };
}
