//! One run, from its arguments to what its end means.

use std::{
    ffi::OsString,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, ExitStatus, Stdio},
};

use futures::FutureExt as _;
use rustix::process::Signal;
use tokio::sync::watch;

use super::{
    Ended, Ffmpeg, FfmpegError, Input, Limits, Progress, Run, arguments, feed,
    pipes::{Output, Pipes},
    progress::Reader,
    sniff::FIRST_BYTES,
    tail::Tail,
    watchdog::{cancelled, reap, terminate, watch_over},
};
use crate::{
    extent::Extents,
    transcode::{
        child::{Group, Usage},
        sandbox::{Confinement, EXIT_REFUSED, PREFIX},
    },
};

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
        let heard = Output::new(Tail::hiding(&run.reads, &run.writes));
        let mut reader = Reader::default();
        let hear = |printed: &[u8]| {
            reader.take(printed, |block| {
                *heard.progress() = *block;
                watch(block);
            });
        };
        let part = Part { program: &self.program, run: &run, arguments, fed };
        self.supervise(part, hear, &heard, cancel).await
    }

    /// Runs one of ffmpeg's programs to its end. `hear` is told what it prints.
    pub(super) async fn supervise(
        &self,
        part: Part<'_>,
        hear: impl FnMut(&[u8]) + Send,
        heard: &Output,
        mut cancel: watch::Receiver<bool>,
    ) -> Result<Ended, FfmpegError> {
        let command = self.command(&part);
        let Part { run, fed, .. } = part;
        let mut group = Group::start(command).await?;
        let ears = Pipes::of(&mut group)?;
        let stopped = {
            let end = async {
                ears.pump(fed, hear, heard, &group).await?;
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
        let usage = heard.usage(&group);
        let status = reap(group).await?;
        match (stopped, status) {
            (Some(why), _) => Err(why),
            (None, Some(status)) => classify(status, heard, usage, &run.limits),
            (None, None) => unreachable!("it has ended by itself"),
        }
    }

    pub(super) fn confinement(
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
            only_spare: limits.only_spare,
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
    let (run, arguments) = assembled.await.map_err(std::io::Error::other)??;
    Ok((run, arguments, fed))
}

/// What its end means.
fn classify(
    status: ExitStatus,
    heard: &Output,
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
    // Likewise a file whose end it could not write.
    if heard.tail().wanted_room() {
        return Err(FfmpegError::Full { tail });
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

/// Processor time that fits into the deadline when all processors are at work.
fn cpu_s(limits: &Limits) -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    limits.deadline.as_secs().saturating_add(1).saturating_mul(processors)
}
