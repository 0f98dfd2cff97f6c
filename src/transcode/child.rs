//! A child process of which nothing is left: not when it ends, not when who waits for it goes away,
//! and not when the server is killed.
//!
//! It is the leader of a process group of its own, and all signals go to the group. `tokio::process`
//! would kill the leader only, and would reap it before the group could be killed: from then on its
//! number may be another's. Here the end is heard of without reaping, the group is killed while the
//! dead leader still holds the number, and only then is it reaped.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};
use tokio::{
    net::unix::pipe,
    sync::{oneshot, watch},
};

/// A process group and its leader. Dropped, it is killed.
#[derive(Debug)]
pub struct Group {
    /// `None` when it has been reaped.
    leader: Option<Child>,
    id: Pid,
    /// Closed by the leader's end.
    end: watch::Receiver<()>,
}

/// What a process has used up so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Processor time of all its threads.
    pub cpu: Duration,
    /// Bytes that it read, from wherever.
    pub read_bytes: u64,
    /// Bytes that it wrote.
    pub written_bytes: u64,
}

impl Usage {
    /// The more of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            read_bytes: self.read_bytes.max(other.read_bytes),
            written_bytes: self.written_bytes.max(other.written_bytes),
        }
    }
}

type Asked = (Command, oneshot::Sender<io::Result<Child>>);

/// Starts a command, from a thread that lives as long as the server. That a child dies with its
/// parent (`PR_SET_PDEATHSIG`) means, to Linux, with the parent's *thread*: a worker of a runtime may
/// end at any time, and would take its children along.
async fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Asked>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, asked) = mpsc::channel::<Asked>();
        let serve = move || {
            for (mut command, answer) in asked {
                if let Err(Ok(unwanted)) = answer.send(command.spawn()) {
                    kill(unwanted);
                }
            }
        };
        // Where no thread can be had the channel is closed, and every start is an error.
        let _ = thread::Builder::new().name("spawner".into()).spawn(serve);
        Mutex::new(sender)
    });
    let (answer, answered) = oneshot::channel();
    let sent = spawner.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer));
    let gone = || io::Error::other("the thread that starts processes is gone");
    sent.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}

/// Kills the group of a leader that has not been reaped, and reaps it.
fn kill(mut leader: Child) {
    signal_group(Pid::from_child(&leader), Signal::KILL);
    // A process that hangs in a disk dies when the disk answers, so somebody else waits for it.
    let reaper = thread::Builder::new().name("reaper".into());
    let _ = reaper.spawn(move || leader.wait());
}

/// An error says that nobody is left in the group, or nobody who could be killed.
fn signal_group(id: Pid, signal: Signal) {
    let _ = kill_process_group(id, signal);
}

/// Waits, and leaves the dead one as it is. There are few children, so each may have a thread.
fn wait_for_end(id: Pid) {
    let leave_it = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = waitid(WaitId::Pid(id), leave_it) {}
}

impl Group {
    /// Starts a command as the leader of a group.
    pub async fn start(mut command: Command) -> io::Result<Self> {
        command.process_group(0);
        let leader = spawn(command).await?;
        let id = Pid::from_child(&leader);
        let (open, end) = watch::channel(());
        let wait = move || {
            wait_for_end(id);
            drop(open);
        };
        match thread::Builder::new().name("waiter".into()).spawn(wait) {
            Ok(_) => Ok(Self { leader: Some(leader), id, end }),
            Err(error) => {
                kill(leader);
                Err(error)
            }
        }
    }

    /// The end of the pipe into it, if the command asked for one. Taken once.
    pub fn stdin(&mut self) -> io::Result<Option<pipe::Sender>> {
        let taken = self.leader.as_mut().and_then(|leader| leader.stdin.take());
        taken.map(|end| pipe::Sender::from_owned_fd(end.into())).transpose()
    }

    /// The end of the pipe that it prints to. Taken once.
    pub fn stdout(&mut self) -> io::Result<Option<pipe::Receiver>> {
        let taken = self.leader.as_mut().and_then(|leader| leader.stdout.take());
        taken.map(|end| pipe::Receiver::from_owned_fd(end.into())).transpose()
    }

    /// The end of the pipe that it complains to. Taken once.
    pub fn stderr(&mut self) -> io::Result<Option<pipe::Receiver>> {
        let taken = self.leader.as_mut().and_then(|leader| leader.stderr.take());
        taken.map(|end| pipe::Receiver::from_owned_fd(end.into())).transpose()
    }

    /// The number of the leader, and of the group.
    pub fn id(&self) -> u32 {
        self.id.as_raw_pid().unsigned_abs()
    }

    /// Sends all of the group a signal.
    pub fn signal(&self, signal: Signal) {
        signal_group(self.id, signal);
    }

    /// Waits until the leader has ended. May be dropped midway.
    pub async fn ended(&self) {
        // Nothing is ever sent, so what this hears of is that it was closed.
        let _ = self.end.clone().changed().await;
    }

    /// What the leader has used up so far. Where the kernel does not count something, or does not
    /// tell it of a dead process to others than root, it is 0.
    pub fn usage(&self) -> Usage {
        usage(self.id()).unwrap_or_default()
    }

    /// Kills what is left of the group, and says how the leader ended. To be called when it
    /// [has](Self::ended): else this is what ends it.
    pub fn reap(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        let mut leader = self.leader.take().expect("reaped once, by value");
        leader.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader.take() {
            kill(leader);
        }
    }
}

fn usage(id: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name is in parentheses and may hold some itself; fields 14 and 15 are ticks of user and
    // system time, and the first after the name is field 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = ticks(14)?.saturating_add(ticks(15)?);
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let cpu = Duration::from_millis(ticks.saturating_mul(1000) / per_second);
    let counts = fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
    let count = |name: &str| {
        let value = counts.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    Some(Usage { cpu, read_bytes: count("rchar:"), written_bytes: count("wchar:") })
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn command(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn what_was_read_and_written_is_counted_while_it_lives() {
        let mut group = Group::start(command("exec cat")).await.expect("a child");
        let mut stdin = group.stdin().expect("a pipe").expect("the first time");
        let mut stdout = group.stdout().expect("a pipe").expect("the first time");
        stdin.write_all(&[1; 5000]).await.expect("it reads");
        stdout.read_exact(&mut [0; 5000]).await.expect("it writes");
        let usage = group.usage();
        assert!(usage.read_bytes >= 5000 && usage.written_bytes >= 5000, "{usage:?}");
        drop(stdin);
        group.ended().await;
        group.ended().await;
        assert!(group.reap().expect("reaped").success());
    }

    #[tokio::test]
    async fn the_leaders_end_is_the_groups() {
        // What is left behind holds the pipe open, so that its end is what closes it.
        let mut group = Group::start(command("sleep 600 & exit 3")).await.expect("a child");
        let mut stdout = group.stdout().expect("a pipe").expect("the first time");
        group.ended().await;
        assert_eq!(group.reap().expect("reaped").code(), Some(3));
        assert_eq!(stdout.read(&mut [0]).await.expect("closed"), 0);
    }

    #[tokio::test]
    async fn who_drops_it_ends_all_of_it() {
        let mut group = Group::start(command("sleep 600 & sleep 600")).await.expect("a child");
        let mut stdout = group.stdout().expect("a pipe").expect("the first time");
        drop(group);
        assert_eq!(stdout.read(&mut [0]).await.expect("closed"), 0);
    }
}
