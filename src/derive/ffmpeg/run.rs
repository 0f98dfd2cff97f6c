//! One run: fed, listened to, watched, and ended.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    process::{Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use rustix::process::Signal;
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    Ended, Ffmpeg, FfmpegError, Input, Limits, Progress, Run, arguments, feed, progress::Reader,
    sniff::FIRST_BYTES, tail::Tail,
};
use crate::{
    derive::{
        child::{Group, Usage},
        sandbox::{Confinement, EXIT_REFUSED, PREFIX},
    },
    extent::Extents,
};

/// How long it may put things in order after it was asked to end, and how long killing may take: a
/// process that waits for a disk is not dead before the disk answers.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Written beside the outputs themselves: what is printed.
const PRINTED: u64 = 16 << 20;

impl Ffmpeg {
    /// Runs ffmpeg to its end. `watch` hears how far it has come, twice a second; `cancel` ends it
    /// when it becomes true. Dropped midway, nothing of it is left either.
    pub async fn run(
        &self,
        run: Run,
        mut watch: impl FnMut(&Progress) + Send,
        cancel: watch::Receiver<bool>,
    ) -> Result<Ended, FfmpegError> {
        let (run, arguments, fed) = prepare(run).await?;
        let heard = Heard::of(&run);
        let mut reader = Reader::default();
        let hear = |printed: &[u8]| {
            reader.take(printed, |block| {
                *heard.progress() = *block;
                watch(block);
            });
        };
        self.conduct(
            Part { program: &self.program, run: &run, arguments, fed },
            hear,
            &heard,
            cancel,
        )
        .await
    }

    /// Runs one of ffmpeg's programs to its end. `hear` is told what it prints.
    pub(super) async fn conduct(
        &self,
        part: Part<'_>,
        hear: impl FnMut(&[u8]) + Send,
        heard: &Heard,
        mut cancel: watch::Receiver<bool>,
    ) -> Result<Ended, FfmpegError> {
        let command = self.command(&part);
        let Part { run, fed, .. } = part;
        let mut group = Group::start(command).await?;
        let ears = Ears::of(&mut group)?;
        let stopped = {
            let end = async {
                ears.attend(fed, hear, heard).await?;
                group.ended().await;
                Ok(())
            };
            let mut end = pin!(end.fuse());
            let stopped = tokio::select! {
                ended = &mut end => ended.err(),
                why = watch_over(&run.limits, &group, heard) => Some(why),
                () = cancelled(&mut cancel) => Some(FfmpegError::Cancelled),
            };
            if stopped.is_some() {
                terminate(&group, end).await;
            }
            stopped
        };
        let usage = group.usage();
        let status = reap(group).await?;
        match (stopped, status) {
            (Some(why), _) => Err(why),
            (None, Some(status)) => self.judge(status, heard, usage, &run.limits),
            (None, None) => unreachable!("it has ended by itself"),
        }
    }

    /// What its end means.
    fn judge(
        &self,
        status: ExitStatus,
        heard: &Heard,
        usage: Usage,
        limits: &Limits,
    ) -> Result<Ended, FfmpegError> {
        let Usage { cpu, read_bytes, written_bytes } = usage;
        let tail = heard.tail().text();
        // An input that wants too much memory is, to ffmpeg, one that ends there: it writes what it
        // has, and ends well.
        if heard.tail().wanted_memory() {
            return Err(FfmpegError::Memory { tail });
        }
        if status.success() {
            let progress = *heard.progress();
            return Ok(Ended { tail, progress, cpu, read_bytes, written_bytes });
        }
        if status.code() == Some(EXIT_REFUSED.into())
            && let Some(why) = tail.strip_prefix(PREFIX)
        {
            return Err(FfmpegError::Sandbox(why.to_owned()));
        }
        let signal = status.signal();
        let by = |named: Signal| signal == Some(named.as_raw());
        Err(match () {
            () if by(Signal::XFSZ) => FfmpegError::TooLarge { limit: limits.file_bytes },
            // ffmpeg hears the signal, puts things in order, and ends by itself.
            () if cpu.as_secs() >= cpu_s(limits) => FfmpegError::Deadline(limits.deadline),
            () if by(Signal::KILL) => FfmpegError::Killed,
            () => FfmpegError::Failed { status, tail },
        })
    }

    /// Whether this machine can run it as the policy demands: what confines it, or what is missing.
    pub async fn probe(&self) -> Result<String, FfmpegError> {
        let mut confinement = self.confinement(&[], None, &Limits::default());
        confinement.parent = None;
        let mut command = confinement.command(&self.helper);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.map_err(io::Error::other)??;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(said(&output.stdout))
        } else {
            let why = said(&output.stderr);
            Err(FfmpegError::Sandbox(why.strip_prefix(PREFIX).unwrap_or(&why).to_owned()))
        }
    }

    fn confinement(
        &self,
        reads: &[PathBuf],
        writes: Option<&Path>,
        limits: &Limits,
    ) -> Confinement {
        Confinement {
            policy: self.policy,
            reads: reads.to_vec(),
            writes: writes.map(Into::into),
            memory_bytes: limits.memory_bytes,
            file_bytes: limits.file_bytes,
            cpu_s: cpu_s(limits),
            parent: std::process::id().try_into().ok(),
            program: Vec::new(),
        }
    }

    fn command(&self, part: &Part<'_>) -> Command {
        let run = part.run;
        let mut confinement = self.confinement(&run.reads, Some(&run.writes), &run.limits);
        confinement.program.push(part.program.into());
        confinement.program.extend(part.arguments.iter().cloned());
        let mut command = confinement.command(&self.helper);
        command
            .current_dir(&run.writes)
            .env("LC_ALL", "C")
            .env("AV_LOG_FORCE_NOCOLOR", "1")
            .stdin(if part.fed.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// One of ffmpeg's programs, and all that it is given.
pub(super) struct Part<'a> {
    pub(super) program: &'a Path,
    pub(super) run: &'a Run,
    pub(super) arguments: Vec<OsString>,
    pub(super) fed: Option<Extents>,
}

/// Looks at what is read, off the workers of the runtime, and makes the arguments.
async fn prepare(mut run: Run) -> Result<(Run, Vec<OsString>, Option<Extents>), FfmpegError> {
    let (fed, first) = match std::mem::take(&mut run.stdin) {
        Input::Nothing => (None, None),
        Input::Extents(extents) => {
            let first = feed::first_bytes(&extents, FIRST_BYTES as u64).await?;
            (Some(extents), Some(first))
        }
    };
    let assembled = tokio::task::spawn_blocking(move || {
        let arguments = arguments::assemble(&run, first.as_deref());
        arguments.map(|arguments| (run, arguments))
    });
    let (run, arguments) = assembled.await.map_err(io::Error::other)??;
    Ok((run, arguments, fed))
}

/// What was heard so far, for those who listen and those who look.
pub(super) struct Heard {
    progress: Mutex<Progress>,
    tail: Mutex<Tail>,
}

impl Heard {
    pub(super) fn of(run: &Run) -> Self {
        let tail = Tail::hiding(&run.reads, &run.writes);
        Self { progress: Mutex::default(), tail: Mutex::new(tail) }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The three pipes.
struct Ears {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
}

impl Ears {
    fn of(group: &mut Group) -> io::Result<Self> {
        Ok(Self { stdin: group.stdin()?, stdout: group.stdout()?, stderr: group.stderr()? })
    }

    /// Feeds and listens until all of it is said.
    async fn attend(
        self,
        fed: Option<Extents>,
        hear: impl FnMut(&[u8]) + Send,
        heard: &Heard,
    ) -> Result<(), FfmpegError> {
        let feeding = async {
            match (fed, self.stdin) {
                (Some(extents), Some(stdin)) => Ok(feed::feed(extents, stdin).await?),
                _ => Ok(()),
            }
        };
        let listening = listen(self.stdout, hear);
        let complaining = listen(self.stderr, |printed| heard.tail().take(printed));
        tokio::try_join!(feeding, listening, complaining).map(|_| ())
    }
}

async fn listen(
    from: Option<pipe::Receiver>,
    mut hear: impl FnMut(&[u8]) + Send,
) -> Result<(), FfmpegError> {
    let Some(mut from) = from else { return Ok(()) };
    let mut printed = [0; 4096];
    loop {
        match from.read(&mut printed).await? {
            0 => return Ok(()),
            length => hear(&printed[..length]),
        }
    }
}

/// Returns when it must not go on, and says why.
async fn watch_over(limits: &Limits, group: &Group, heard: &Heard) -> FfmpegError {
    let begun = Instant::now();
    let mut looks = interval(LOOK.min(limits.stall).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    let mut since = begun;
    loop {
        looks.tick().await;
        let usage = group.usage();
        if usage.written_bytes > limits.file_bytes.saturating_mul(2).saturating_add(PRINTED) {
            return FfmpegError::TooLarge { limit: limits.file_bytes };
        }
        if begun.elapsed() >= limits.deadline {
            return FfmpegError::Deadline(limits.deadline);
        }
        let now = *heard.progress();
        let now = Some((now.out_time, now.frames, now.total_size, usage.read_bytes));
        if now != before {
            before = now;
            since = Instant::now();
        } else if since.elapsed() >= limits.stall {
            return FfmpegError::Stalled(limits.stall);
        }
    }
}

/// Returns when it is cancelled. Who can no longer say so does not want to.
async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|is_cancelled| *is_cancelled).await.is_err() {
        std::future::pending().await
    }
}

/// Asks it to end, and makes it end. Listens meanwhile, so that nothing waits for a full pipe.
async fn terminate(group: &Group, mut end: Pin<&mut impl Future>) {
    for signal in [Signal::TERM, Signal::KILL] {
        group.signal(signal);
        let ended = async {
            tokio::select! {
                () = group.ended() => {}
                _ = &mut end => {}
            }
        };
        if timeout(GRACE, ended).await.is_ok() {
            return;
        }
    }
}

/// How it ended, if it has. Else it is left to be killed when it can be.
async fn reap(group: Group) -> Result<Option<ExitStatus>, FfmpegError> {
    match timeout(GRACE, group.ended()).await {
        Ok(()) => Ok(Some(group.reap()?)),
        Err(_) => Ok(None),
    }
}

/// Processor time that fits into the deadline when all processors are at work.
fn cpu_s(limits: &Limits) -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    limits.deadline.as_secs().saturating_add(1).saturating_mul(processors)
}
