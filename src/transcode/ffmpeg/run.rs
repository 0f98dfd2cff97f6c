//! One run: prepares the arguments, starts the program, supervises it, classifies its end.

use std::{
    ffi::OsString,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    pin::pin,
    process::{Command, ExitStatus, Stdio},
};

use futures::FutureExt as _;
use rustix::process::Signal;
use tokio::sync::watch;

use super::{
    Ffmpeg, FfmpegError, Input, Invocation, Limits, Progress, RunSummary, arguments,
    demuxer::FIRST_BYTES,
    feed,
    pipes::{Output, Pipes},
    progress::Parser,
    tail::Tail,
    watchdog::{enforce_limits, reap, terminate, wait_for_cancel},
};
use crate::{
    extent::Extents,
    transcode::{
        process_group::{ProcessGroup, Usage},
        sandbox::{Confinement, ERROR_PREFIX, EXIT_REFUSED},
    },
};

impl Ffmpeg {
    /// Runs ffmpeg to its end. Calls `on_progress` twice a second; ends ffmpeg when `cancel` becomes
    /// true. Dropping the future kills it as well.
    pub async fn run(
        &self,
        run: Invocation,
        mut on_progress: impl FnMut(&Progress) + Send,
        cancel: watch::Receiver<bool>,
    ) -> Result<RunSummary, FfmpegError> {
        let (run, arguments, stdin) = prepare(run).await?;
        let output = self.output(&run);
        let mut parser = Parser::default();
        let on_stdout = |printed: &[u8]| {
            parser.push(printed, |block| {
                *output.progress() = *block;
                on_progress(block);
            });
        };
        let launch = Launch { program: &self.program, run, arguments, stdin };
        self.supervise(launch, on_stdout, &output, cancel).await
    }

    /// Runs ffmpeg or ffprobe to its end, and passes its stdout to `on_stdout`.
    pub(super) async fn supervise(
        &self,
        launch: Launch<'_>,
        on_stdout: impl FnMut(&[u8]) + Send,
        output: &Output,
        mut cancel: watch::Receiver<bool>,
    ) -> Result<RunSummary, FfmpegError> {
        let Launch { program, run, arguments, stdin } = launch;
        let limits = run.limits;
        let command = self.command(program, run, arguments, stdin.is_some());
        let mut group = ProcessGroup::spawn(command).await?;
        let pipes = Pipes::take_from(&mut group)?;
        let stopped = {
            let end = async {
                pipes.pump(stdin, on_stdout, output, &group).await?;
                group.wait().await;
                Ok(())
            };
            let mut end = pin!(end.fuse());
            let stopped = tokio::select! {
                ended = &mut end => ended.err(),
                error = enforce_limits(&limits, &group, output) => Some(error),
                () = wait_for_cancel(&mut cancel) => Some(FfmpegError::Cancelled),
            };
            if stopped.is_some() {
                terminate(&group, end).await;
            }
            stopped
        };
        let usage = output.update_usage(&group);
        let status = reap(group).await?;
        match (stopped, status) {
            (Some(error), _) => Err(error),
            (None, Some(status)) => classify(status, output, usage, &limits),
            (None, None) => unreachable!("the leader has ended"),
        }
    }

    /// The output of a run, which will show the names of its files and programs, and no path.
    pub(super) fn output(&self, run: &Invocation) -> Output {
        let input = match &run.input {
            Input::File(file) => Some(file.name.as_str()),
            Input::Null | Input::Extents(_) => None,
        };
        Output::new(Tail::hiding(input, &[&self.program, &self.helper], &run.output_dir))
    }

    pub(super) fn confinement(
        &self,
        reads_stdin: bool,
        writable: Option<&Path>,
        limits: &Limits,
    ) -> Confinement {
        Confinement {
            policy: self.policy,
            reads_stdin,
            writable: writable.map(Into::into),
            memory_bytes: limits.memory_bytes,
            file_bytes: limits.file_bytes,
            cpu_s: cpu_s(limits),
            idle_scheduling: limits.idle_scheduling,
            parent: std::process::id().try_into().ok(),
            program: Vec::new(),
        }
    }

    fn command(
        &self,
        program: &Path,
        run: Invocation,
        arguments: Vec<OsString>,
        is_piped: bool,
    ) -> Command {
        let is_file = matches!(run.input, Input::File(_));
        let mut confinement = self.confinement(is_file, Some(&run.output_dir), &run.limits);
        confinement.program.push(program.into());
        confinement.program.extend(arguments);
        let mut command = confinement.command(&self.helper);
        command
            .current_dir(&run.output_dir)
            .env("LC_ALL", "C")
            .env("AV_LOG_FORCE_NOCOLOR", "1")
            .stdin(match run.input {
                Input::File(file) => file.fd.into(),
                _ if is_piped => Stdio::piped(),
                _ => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// ffmpeg or ffprobe, with its complete arguments and its piped input.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) run: Invocation,
    pub(super) arguments: Vec<OsString>,
    pub(super) stdin: Option<Extents>,
}

/// Detects the format of the input in a blocking task, and builds the arguments. Returns the extents of the
/// piped input.
async fn prepare(
    mut run: Invocation,
) -> Result<(Invocation, Vec<OsString>, Option<Extents>), FfmpegError> {
    let (stdin, first) = match std::mem::take(&mut run.input) {
        Input::Extents(extents) => {
            let first = feed::read_first_bytes(&extents, FIRST_BYTES as u64).await?;
            (Some(extents), Some(first))
        }
        input => {
            run.input = input;
            (None, None)
        }
    };
    let assemble = tokio::task::spawn_blocking(move || {
        arguments::assemble(&run, first.as_deref()).map(|arguments| (run, arguments))
    });
    let (run, arguments) = assemble.await.map_err(std::io::Error::other)??;
    Ok((run, arguments, stdin))
}

/// Turns the exit status and the output of a run into its result.
fn classify(
    status: ExitStatus,
    output: &Output,
    usage: Usage,
    limits: &Limits,
) -> Result<RunSummary, FfmpegError> {
    let Usage { cpu, read_bytes, written_bytes } = usage;
    let tail = output.tail().text();
    // ffmpeg takes a failed allocation in an input for the end of that input: it writes what it has and
    // exits with 0.
    if output.tail().is_out_of_memory() {
        return Err(FfmpegError::OutOfMemory { tail });
    }
    // ffmpeg also exits with 0 if it could not write the end of a file.
    if output.tail().is_disk_full() {
        return Err(FfmpegError::DiskFull { tail });
    }
    if status.success() {
        let progress = *output.progress();
        return Ok(RunSummary { tail, progress, cpu, read_bytes, written_bytes });
    }
    if output.tail().is_incapable() {
        return Err(FfmpegError::Incapable { tail });
    }
    if status.code() == Some(EXIT_REFUSED.into())
        && let Some(reason) = tail.strip_prefix(ERROR_PREFIX)
    {
        return Err(FfmpegError::Sandbox(reason.to_owned()));
    }
    let is_killed_by = |signal: Signal| status.signal() == Some(signal.as_raw());
    Err(match () {
        () if is_killed_by(Signal::XFSZ) => FfmpegError::TooLarge { limit: limits.file_bytes },
        // ffmpeg handles SIGXCPU: it finishes its output and exits.
        () if cpu.as_secs() >= cpu_s(limits) => FfmpegError::Deadline(limits.deadline),
        () if is_killed_by(Signal::KILL) => FfmpegError::Killed,
        () => FfmpegError::Failed { status, tail },
    })
}

/// The CPU time of all processors within the deadline, in seconds.
fn cpu_s(limits: &Limits) -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    limits.deadline.as_secs().saturating_add(1).saturating_mul(processors)
}
