//! Starts a worker beside the server, watches it, and starts it again when it has ended.
//!
//! The worker is a process of its own, so that no crash, leak or load of media work can reach a stream.
//! Two pipes join them. By the one that the worker reads it is woken when there is something to do, and
//! learns that the server is gone when the pipe ends. By the other it says that it is alive; one that
//! says nothing for long hangs, and is killed.

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

use super::is_told;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

/// How often a worker says that it is alive.
pub const ALIVE: Duration = Duration::from_secs(5);

/// How long a worker is given to let its jobs go when the server ends.
const LET_GO: Duration = Duration::from_secs(5);

/// A worker that lived this long was well.
const LASTED: Duration = Duration::from_secs(60);

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program, which is this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How patient one is with it.
    pub patience: Timeouts,
}

/// How patient one is with a worker.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// How long it may say nothing before it is taken to hang. It says something every [`ALIVE`].
    pub silence: Duration,
    /// How long to wait before it is started again: twice as long each time that it did not last,
    pub pause: Duration,
    /// and so long at most.
    pub pause_max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(60),
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
        }
    }
}

/// How it is with the worker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WorkerState {
    /// None is started beside this server.
    Off,
    /// It works, as this process.
    Running(u32),
    /// It has ended and will be started again; why it ended.
    Resting(String),
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Running(process) => write!(f, "running as process {process}"),
            Self::Resting(why) => write!(f, "being started again: {why}"),
        }
    }
}

/// The server's side of its worker. A clone is the same one.
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
    /// How it is with the worker now.
    pub fn state(&self) -> WorkerState {
        self.0.state.borrow().clone()
    }

    /// Tells the worker that there is something to do.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Ends the worker, and does not start it again. Returns when it has ended.
    pub async fn stop(&self) {
        self.0.stop.send_replace(true);
        let mut state = self.0.state.subscribe();
        // The sender is in this very struct, so that this waits for nothing else.
        let _ = state.wait_for(|state| *state == WorkerState::Off).await;
    }

    /// Keeps a worker running until it is to stop.
    pub async fn keep_running(self, command: WorkerCommand) {
        let mut stop = self.0.stop.subscribe();
        let patience = command.patience;
        let mut pause = patience.pause;
        while !*stop.borrow_and_update() {
            let begun = Instant::now();
            let ended = match start(&command) {
                Ok(mut child) => self.watch(&mut child, patience.silence, &mut stop).await,
                Err(error) => format!("it cannot be started: {error}"),
            };
            if *stop.borrow() {
                break;
            }
            if begun.elapsed() > LASTED {
                pause = patience.pause;
            }
            tracing::warn!(why = ended, again_in = ?pause, "the worker has ended");
            self.0.state.send_replace(WorkerState::Resting(ended));
            tokio::select! {
                () = sleep(pause) => {}
                _ = stop.changed() => {}
            }
            pause = (pause * 2).min(patience.pause_max);
        }
        self.0.state.send_replace(WorkerState::Off);
    }

    /// Watches a worker until it has ended, and says why.
    async fn watch(
        &self,
        child: &mut Child,
        silence: Duration,
        stop: &mut watch::Receiver<bool>,
    ) -> String {
        let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return "its pipes are missing".to_owned();
        };
        let process = child.id().unwrap_or_default();
        tracing::info!(process, "the worker has started");
        self.0.state.send_replace(WorkerState::Running(process));
        let ended = tokio::select! {
            // Its pipes end with it; then that is what is to be told.
            biased;
            status = child.wait() => return told(status),
            () = is_silent(&mut output, silence) => {
                format!("it said nothing for {} s, and was killed", silence.as_secs_f32())
            }
            never = self.keep_waking(&mut input) => match never {},
            () = is_told(stop) => {
                drop(input);
                match timeout(LET_GO, child.wait()).await {
                    Ok(status) => return told(status),
                    Err(_late) => "it did not end in time, and was killed".to_owned(),
                }
            }
        };
        kill(child).await;
        ended
    }

    /// Whoever does not listen any more has ended, or looks by itself now and then.
    async fn keep_waking(&self, input: &mut ChildStdin) -> Infallible {
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
        // A group of its own: what ends the server at a terminal must not end the worker before it has
        // let its jobs go.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Returns when a worker has said nothing for so long. One that closed its side has most likely ended,
/// or is about to; if not, it hangs.
async fn is_silent(output: &mut ChildStdout, silence: Duration) {
    let mut said = [0; 256];
    while let Ok(Ok(heard)) = timeout(silence, output.read(&mut said)).await {
        if heard == 0 {
            return sleep(silence).await;
        }
    }
}

async fn kill(child: &mut Child) {
    let process = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(process) = process {
        // It may have ended meanwhile; then there is nobody to kill.
        let _ = kill_process_group(process, Signal::KILL);
    }
    let _ = child.wait().await;
}

fn told(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("it ended with {status}"),
        Err(error) => error.to_string(),
    }
}
