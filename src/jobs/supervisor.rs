//! Starts the server's worker process, monitors it, and restarts it when it ends.
//!
//! The worker is its own process, so that no crash, leak or load of media work reaches a stream. Two
//! pipes connect them: the server writes to the worker's standard input to wake it, and the end of that
//! pipe stops the worker. The worker writes keepalives to its standard output; the supervisor kills one
//! that is silent for too long.

use std::{
    convert::Infallible,
    ffi::OsString,
    fmt,
    future::pending,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::stopped;

/// Interval of a worker's keepalives.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Time for a worker to release its jobs when the server ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A worker that ran for so long resets the restart delay.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The command that starts a worker.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program, which is this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its timeouts.
    pub timeouts: Timeouts,
}

/// Timeouts of a supervised worker.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Time without a keepalive after which the supervisor kills the worker. A worker sends one each
    /// [`KEEPALIVE_INTERVAL`].
    pub silence: Duration,
    /// Delay before a restart; it doubles with each end of a worker that is not stable.
    pub restart_delay: Duration,
    /// Maximum of that delay.
    pub restart_delay_max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(60),
            restart_delay: Duration::from_secs(1),
            restart_delay_max: Duration::from_secs(30),
        }
    }
}

/// State of the worker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WorkerState {
    /// The server runs none.
    Off,
    /// Running, with this process identifier.
    Running(u32),
    /// Ended for this reason; the server restarts it.
    Restarting(String),
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Running(process) => write!(f, "running as process {process}"),
            Self::Restarting(reason) => write!(f, "restarting: {reason}"),
        }
    }
}

/// The server's handle of its worker. Clones share it.
#[derive(Clone, Debug)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: watch::Sender<WorkerState>,
    wake: Notify,
    stop: watch::Sender<bool>,
}

impl Default for Supervisor {
    fn default() -> Self {
        let (state, stop) = (watch::Sender::new(WorkerState::Off), watch::Sender::new(false));
        Self(Arc::new(Inner { state, wake: Notify::new(), stop }))
    }
}

impl Supervisor {
    /// The current state of the worker.
    pub fn state(&self) -> WorkerState {
        self.0.state.borrow().clone()
    }

    /// Wakes the worker, because there may be a job.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Stops the worker for good. Returns once it has ended.
    pub async fn stop(&self) {
        self.0.stop.send_replace(true);
        let mut state = self.0.state.subscribe();
        // The sender is in this struct, so the wait cannot fail.
        let _ = state.wait_for(|state| *state == WorkerState::Off).await;
    }

    /// Keeps a worker running until [`stop`](Self::stop).
    pub async fn keep_running(self, command: WorkerCommand) {
        let mut stop = self.0.stop.subscribe();
        let timeouts = command.timeouts;
        let mut delay = timeouts.restart_delay;
        while !*stop.borrow_and_update() {
            let started = Instant::now();
            let reason = match start(&command) {
                Ok(mut child) => self.monitor(&mut child, timeouts.silence, &mut stop).await,
                Err(error) => format!("could not start: {error}"),
            };
            if *stop.borrow() {
                break;
            }
            if started.elapsed() > STABLE_AFTER {
                delay = timeouts.restart_delay;
            }
            tracing::warn!(reason, restart_in = ?delay, "worker ended");
            self.0.state.send_replace(WorkerState::Restarting(reason));
            tokio::select! {
                () = sleep(delay) => {}
                _ = stop.changed() => {}
            }
            delay = (delay * 2).min(timeouts.restart_delay_max);
        }
        self.0.state.send_replace(WorkerState::Off);
    }

    /// Monitors a worker until it ends. Returns the reason.
    async fn monitor(
        &self,
        child: &mut Child,
        silence: Duration,
        stop: &mut watch::Receiver<bool>,
    ) -> String {
        let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return "no pipes".to_owned();
        };
        let process = child.id().unwrap_or_default();
        tracing::info!(process, "worker started");
        self.0.state.send_replace(WorkerState::Running(process));
        let reason = tokio::select! {
            // The pipes end with the process; its status is the better reason.
            biased;
            status = child.wait() => return exit_reason(status),
            () = silent(&mut output, silence) => {
                format!("killed: no keepalive for {} s", silence.as_secs_f32())
            }
            never = self.forward_wakes(&mut input) => match never {},
            () = stopped(stop) => {
                drop(input);
                match timeout(STOP_TIMEOUT, child.wait()).await {
                    Ok(status) => return exit_reason(status),
                    Err(_late) => "killed: did not stop in time".to_owned(),
                }
            }
        };
        kill(child).await;
        reason
    }

    /// Writes to the worker's standard input to wake it. A worker that closed it has ended, or polls.
    async fn forward_wakes(&self, input: &mut ChildStdin) -> Infallible {
        loop {
            self.0.wake.notified().await;
            if input.write_all(b"\n").await.is_err() {
                return pending().await;
            }
        }
    }
}

fn start(command: &WorkerCommand) -> io::Result<Child> {
    Command::new(&command.program)
        .args(&command.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Its own process group: a signal of the terminal to the server must not end the worker before
        // it has released its jobs.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Returns once a worker has sent no keepalive for `silence`. One that closed its output has most likely
/// ended, or is about to; otherwise it hangs.
async fn silent(output: &mut ChildStdout, silence: Duration) {
    let mut buffer = [0; 256];
    while let Ok(Ok(length)) = timeout(silence, output.read(&mut buffer)).await {
        if length == 0 {
            return sleep(silence).await;
        }
    }
}

async fn kill(child: &mut Child) {
    let process = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(process) = process {
        // Fails if it has ended meanwhile.
        let _ = kill_process_group(process, Signal::KILL);
    }
    let _ = child.wait().await;
}

fn exit_reason(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended with {status}"),
        Err(error) => error.to_string(),
    }
}
