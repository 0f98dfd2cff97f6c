//! Child programs that end with this one.
//!
//! Each runs in its own process group, for two reasons: a Ctrl-C at the terminal reaches this program
//! only, which then ends the children in order; and a server's own children (nginx's worker) end with
//! it.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::interrupt;

/// Time for a child to end after SIGTERM.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause of a polling loop: short beside a turn, long enough to cost nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A child in its own process group; dropping it ends the whole group.
#[derive(Debug)]
pub struct Group {
    child: Child,
    name: String,
    reaped: bool,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child =
            command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Group { child, name, reaped: false })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's standard output, if it was piped and not yet taken.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Fails if the child has ended; the error quotes `log`.
    pub fn check_alive(&mut self, log: &Path) -> Result<()> {
        if let Some(status) = self.poll()? {
            let text = fs::read_to_string(log).unwrap_or_default();
            bail!("{} ended early ({status}): {}", self.name, text.trim_end());
        }
        Ok(())
    }

    /// Waits for a successful end within `limit` and returns the output of a piped standard output,
    /// which must fit into the pipe (64 KiB).
    pub fn finish(self, limit: Duration) -> Result<String> {
        self.finish_or(&[], limit)
    }

    /// As [`Group::finish`], but the exit codes `accepted` are a success, too.
    pub fn finish_or(mut self, accepted: &[i32], limit: Duration) -> Result<String> {
        let what = format!("the end of {}", self.name);
        let status = wait_for(&what, limit, || self.poll())?;
        let mut output = String::new();
        if let Some(mut stdout) = self.take_stdout() {
            stdout.read_to_string(&mut output)?;
        }
        if !status.success() && !status.code().is_some_and(|code| accepted.contains(&code)) {
            bail!("{} failed ({status}): {}", self.name, output.trim_end());
        }
        Ok(output)
    }

    fn poll(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.reaped |= status.is_some();
        Ok(status)
    }

    /// Whether the leader has ended, without reaping it.
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(self.leader()), flags), Ok(WaitStatus::StillAlive))
    }

    fn leader(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once reaped, the id may belong to another process: never signal it then. Until then the
        // dead leader keeps it, so a signal reaches the rest of the group safely.
        if self.reaped {
            return;
        }
        let _ = killpg(self.leader(), Signal::SIGTERM);
        let deadline = Instant::now() + KILL_TIMEOUT;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(POLL_INTERVAL);
        }
        let _ = killpg(self.leader(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A command that runs `program` on some cores. taskset replaces itself with the program, so the
/// child's process id is the program's.
pub fn on_cores(cores: &[usize], program: &Path) -> Command {
    let list: Vec<String> = cores.iter().map(usize::to_string).collect();
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(list.join(",")).arg(program);
    command.stdin(Stdio::null());
    command
}

/// Polls until `done` returns something, for `limit` at most.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = done()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s for {what}", limit.as_secs());
        }
        interrupt::sleep(POLL_INTERVAL)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn a_finished_child_gives_its_output() {
        let mut command = Command::new("echo");
        command.arg("hello").stdout(Stdio::piped());
        let group = Group::spawn(&mut command).unwrap();
        assert_eq!(group.finish(KILL_TIMEOUT).unwrap(), "hello\n");
    }

    #[test]
    fn a_failure_is_an_error_unless_it_is_accepted() {
        let fail = || Group::spawn(Command::new("sh").args(["-c", "exit 28"])).unwrap();
        assert!(fail().finish(KILL_TIMEOUT).is_err());
        assert!(fail().finish_or(&[7], KILL_TIMEOUT).is_err());
        assert!(fail().finish_or(&[28], KILL_TIMEOUT).is_ok());
    }

    #[test]
    fn a_command_runs_on_its_cores_only() {
        let mut command = on_cores(&[0], Path::new("nproc"));
        command.stdout(Stdio::piped());
        assert_eq!(Group::spawn(&mut command).unwrap().finish(KILL_TIMEOUT).unwrap(), "1\n");
    }

    #[test]
    fn a_child_that_takes_too_long_is_an_error() {
        let group = Group::spawn(Command::new("sleep").arg("60")).unwrap();
        let error = group.finish(Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for the end of sleep");
    }

    #[test]
    fn dropping_the_leader_ends_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let mut group = Group::spawn(&mut command).unwrap();
        let mut stdout = BufReader::new(group.take_stdout().unwrap());
        let mut grandchild = String::new();
        stdout.read_line(&mut grandchild).unwrap();
        assert!(grandchild.trim().parse::<u32>().is_ok());
        drop(group);
        // The pipe ends only when the grandchild, which holds it too, is gone.
        assert_eq!(stdout.read_to_string(&mut grandchild).unwrap(), 0);
    }
}
