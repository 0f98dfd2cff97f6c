//! A child process in its own process group, killed as a whole: when the leader ends, when the caller
//! drops it, and when the server is killed.
//!
//! The child leads the group, and all signals go to the group. `tokio::process` would kill the leader
//! only, and would reap it before the group could be killed: from then on the kernel may give the group's
//! id to another process. Here a thread waits for the end without reaping (`WNOWAIT`), the group is
//! killed while the dead leader still holds the id, and then the leader is reaped.

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

/// A process group and its leader. Dropping it kills the group.
#[derive(Debug)]
pub struct ProcessGroup {
    /// `None` once it is reaped.
    leader: Option<Child>,
    id: Pid,
    /// Closed when the leader ends.
    end: watch::Receiver<()>,
}

/// The resources that a process has used so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// Bytes read, from files and pipes.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

impl Usage {
    /// The maximum of each value.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            read_bytes: self.read_bytes.max(other.read_bytes),
            written_bytes: self.written_bytes.max(other.written_bytes),
        }
    }
}

type SpawnRequest = (Command, oneshot::Sender<io::Result<Child>>);

/// Spawns a command from a thread that lives as long as the server. On Linux `PR_SET_PDEATHSIG` fires
/// when the parent *thread* ends: a runtime's thread may end at any time and would kill its children.
async fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<SpawnRequest>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<SpawnRequest>();
        let serve = move || {
            for (mut command, reply) in requests {
                if let Err(Ok(abandoned)) = reply.send(command.spawn()) {
                    kill(abandoned);
                }
            }
        };
        // If the thread cannot start, the channel is closed and every spawn fails.
        let _ = thread::Builder::new().name("spawner".into()).spawn(serve);
        Mutex::new(sender)
    });
    let (reply, spawned) = oneshot::channel();
    let sent = spawner.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply));
    let no_spawner = || io::Error::other("the spawner thread has ended");
    sent.map_err(|_| no_spawner())?;
    spawned.await.map_err(|_| no_spawner())?
}

/// Kills the group of a leader that is not reaped yet, and reaps the leader.
fn kill(mut leader: Child) {
    signal_group(Pid::from_child(&leader), Signal::KILL);
    // A process that hangs in a disk call dies when the disk responds, so a thread waits for it.
    let reaper = thread::Builder::new().name("reaper".into());
    let _ = reaper.spawn(move || leader.wait());
}

/// Signals a group. The error (no process left, or none that may be signalled) does not matter.
fn signal_group(id: Pid, signal: Signal) {
    let _ = kill_process_group(id, signal);
}

/// Waits for the end without reaping. Children are few, so each may have a thread.
fn wait_without_reaping(id: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(Errno::INTR) = waitid(WaitId::Pid(id), options) {}
}

impl ProcessGroup {
    /// Spawns a command as the leader of a new group.
    pub async fn spawn(mut command: Command) -> io::Result<Self> {
        command.process_group(0);
        let leader = spawn(command).await?;
        let id = Pid::from_child(&leader);
        let (open, end) = watch::channel(());
        let wait = move || {
            wait_without_reaping(id);
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

    /// Takes the write end of the leader's stdin pipe, if the command has one.
    pub fn take_stdin(&mut self) -> io::Result<Option<pipe::Sender>> {
        let stdin = self.leader.as_mut().and_then(|leader| leader.stdin.take());
        stdin.map(|end| pipe::Sender::from_owned_fd(end.into())).transpose()
    }

    /// Takes the read end of the leader's stdout pipe.
    pub fn take_stdout(&mut self) -> io::Result<Option<pipe::Receiver>> {
        let stdout = self.leader.as_mut().and_then(|leader| leader.stdout.take());
        stdout.map(|end| pipe::Receiver::from_owned_fd(end.into())).transpose()
    }

    /// Takes the read end of the leader's stderr pipe.
    pub fn take_stderr(&mut self) -> io::Result<Option<pipe::Receiver>> {
        let stderr = self.leader.as_mut().and_then(|leader| leader.stderr.take());
        stderr.map(|end| pipe::Receiver::from_owned_fd(end.into())).transpose()
    }

    /// The id of the leader and of the group.
    pub fn id(&self) -> u32 {
        self.id.as_raw_pid().unsigned_abs()
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) {
        signal_group(self.id, signal);
    }

    /// Waits until the leader has ended. Cancel safe.
    pub async fn wait(&self) {
        // No value is ever sent: `changed` returns when the channel is closed.
        let _ = self.end.clone().changed().await;
    }

    /// The resources that the leader has used so far. A value is 0 if the kernel does not count it, or
    /// shows it of a dead process to root only.
    pub fn usage(&self) -> Usage {
        read_usage(self.id()).unwrap_or_default()
    }

    /// Kills the rest of the group, and returns how the leader ended. To be called after
    /// [`wait`](Self::wait): otherwise it kills the leader as well.
    pub fn reap(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        let mut leader = self.leader.take().expect("reaped once, by value");
        leader.wait()
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.leader.take() {
            kill(leader);
        }
    }
}

fn read_usage(id: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name is in parentheses and may contain parentheses. Fields 14 and 15 are ticks of user and
    // system time, and the first field after the name is field 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = field(14)?.saturating_add(field(15)?);
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let cpu = Duration::from_millis(ticks.saturating_mul(1000) / per_second);
    let counters = fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
    let counter = |name: &str| {
        let value = counters.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    Some(Usage { cpu, read_bytes: counter("rchar:"), written_bytes: counter("wchar:") })
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
    async fn read_and_written_bytes_are_counted_while_the_child_runs() {
        let mut group = ProcessGroup::spawn(command("exec cat")).await.expect("a child");
        let mut stdin = group.take_stdin().expect("a pipe").expect("the first time");
        let mut stdout = group.take_stdout().expect("a pipe").expect("the first time");
        stdin.write_all(&[1; 5000]).await.expect("it reads");
        stdout.read_exact(&mut [0; 5000]).await.expect("it writes");
        let usage = group.usage();
        assert!(usage.read_bytes >= 5000 && usage.written_bytes >= 5000, "{usage:?}");
        drop(stdin);
        group.wait().await;
        group.wait().await;
        assert!(group.reap().expect("reaped").success());
    }

    #[tokio::test]
    async fn the_group_ends_with_its_leader() {
        // The process left behind holds the pipe open, so its end closes the pipe.
        let mut group = ProcessGroup::spawn(command("sleep 600 & exit 3")).await.expect("a child");
        let mut stdout = group.take_stdout().expect("a pipe").expect("the first time");
        group.wait().await;
        assert_eq!(group.reap().expect("reaped").code(), Some(3));
        assert_eq!(stdout.read(&mut [0]).await.expect("closed"), 0);
    }

    #[tokio::test]
    async fn dropping_the_group_kills_all_of_it() {
        let mut group =
            ProcessGroup::spawn(command("sleep 600 & sleep 600")).await.expect("a child");
        let mut stdout = group.take_stdout().expect("a pipe").expect("the first time");
        drop(group);
        assert_eq!(stdout.read(&mut [0]).await.expect("closed"), 0);
    }
}
