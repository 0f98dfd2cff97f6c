//! ffmpeg as an untrusted child process.
//!
//! The caller gives the [arguments, the input and the output folder](Invocation). Everything else
//! is here: [`arguments`] adds what every run needs and forces the demuxer that [`demuxer`] detects, so
//! that no file can pass as a playlist of other files; [`Ffmpeg::run`] feeds its stdin, reads its output,
//! enforces the limits and ends it; the [sandbox](super::sandbox) confines it. ffprobe, which reports the
//! streams of a file, runs [the same way](Ffmpeg::probe). When a run fails, a
//! [self-test](Ffmpeg::self_test) shows whether the program or its input is at fault.

pub mod arguments;
mod capabilities;
pub mod demuxer;
pub mod feed;
mod pipes;
mod probe;
pub mod probe_report;
pub mod progress;
mod run;
mod self_test;
pub mod tail;
mod watchdog;

use std::{
    ffi::OsString,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use self::self_test::LastTest;

pub use probe::ProbeError;
pub use progress::Progress;

use super::sandbox::Policy;
use crate::{
    extent::{Extents, ReadError},
    sys::sandbox,
    transcode::program::find_program,
};

/// The program and its sandbox policy.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    program: PathBuf,
    helper: PathBuf,
    policy: Policy,
    last_test: Arc<LastTest>,
}

/// One run of ffmpeg.
#[derive(Debug)]
pub struct Invocation {
    /// ffmpeg's arguments from the options of the first input on. [`arguments`] adds those that every run
    /// needs: overwriting, logging, protocols, demuxers. The working directory is the output folder, so
    /// outputs are plain names.
    pub arguments: Vec<OsString>,
    /// What it reads.
    pub input: Input,
    /// The folder that it writes, which must exist.
    pub output_dir: PathBuf,
    /// The resources that it may use.
    pub limits: Limits,
}

/// The input of a run.
#[derive(Debug, Default)]
pub enum Input {
    /// None.
    #[default]
    Null,
    /// A file, by the name [`arguments::FILE`].
    File(InputFile),
    /// The content of these extents, by the name [`arguments::PIPE`].
    Extents(Extents),
}

/// An open file, the standard input of a run. ffmpeg opens the descriptor again, and never a name: by then
/// another file may have the name, even one outside of the library.
#[derive(Debug)]
pub struct InputFile {
    /// The file.
    pub fd: OwnedFd,
    /// Its name, for messages.
    pub name: String,
}

/// The resources that one run may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Maximum memory.
    pub memory_bytes: u64,
    /// Maximum size of one file. All writes together, rewrites included, may be twice that.
    pub file_bytes: u64,
    /// Maximum pixels of a frame.
    pub pixels_max: u64,
    /// Threads of each decoder and filter graph; `None` is ffmpeg's default. The arguments set the
    /// threads of encoders.
    pub threads: Option<u32>,
    /// Maximum duration of the run.
    pub deadline: Duration,
    /// Maximum time without progress of the output's time, its size, or the bytes read.
    pub stall: Duration,
    /// Whether to use idle scheduling (`SCHED_IDLE`).
    pub idle_scheduling: bool,
}

impl Default for Limits {
    /// Enough for an image from 8K video: 1 GiB of memory, 256 MiB of output, 2 minutes.
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            file_bytes: 256 << 20,
            pixels_max: 8192 * 8192,
            threads: None,
            deadline: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            idle_scheduling: false,
        }
    }
}

/// The result of a successful run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RunSummary {
    /// The last lines of stderr.
    pub tail: String,
    /// The last reported progress.
    pub progress: Progress,
    /// CPU time of all threads.
    pub cpu: Duration,
    /// Bytes read, libraries included.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// The ffmpeg and the sandbox of this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// ffmpeg's version, as it prints it.
    pub version: String,
    /// The enforced mechanisms: `landlock`, `seccomp`, both separated by a space, or none.
    pub enforced: String,
}

/// ffmpeg is not installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ffmpeg is not installed; install it for images and renditions, all else works without")]
pub struct NotInstalled;

/// Why a run failed. The text contains no path of the server.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// The program could not be started, or its pipes failed.
    #[error("ffmpeg could not be run: {0}")]
    Io(#[from] io::Error),
    /// The kernel does not support the sandbox that the policy requires.
    #[error("{0}")]
    Sandbox(String),
    /// An input is not passed to ffmpeg.
    #[error("{0}")]
    Input(#[from] arguments::InputError),
    /// The piped input could not be read.
    #[error("the source could not be read: {0}")]
    Source(#[from] ReadError),
    /// ffmpeg ended with an error.
    #[error("ffmpeg ended with {status}: {tail}")]
    Failed {
        /// Its exit status.
        status: ExitStatus,
        /// The last lines of stderr.
        tail: String,
    },
    /// ffmpeg reached its memory limit.
    #[error("ffmpeg needs more memory than its limit (job_memory_mib): {tail}")]
    OutOfMemory {
        /// The last lines of stderr.
        tail: String,
    },
    /// This build of ffmpeg is too old, or lacks an encoder, a filter or an option.
    #[error("this ffmpeg lacks what the job needs; install a complete one: {tail}")]
    Incapable {
        /// The last lines of stderr.
        tail: String,
    },
    /// ffmpeg is broken: it cannot even process a movie that is known to be good.
    #[error("ffmpeg does not work on the server: {0}")]
    Broken(String),
    /// The disk is full.
    #[error("ffmpeg found no space on the disk: {tail}")]
    DiskFull {
        /// The last lines of stderr.
        tail: String,
    },
    /// ffmpeg reached the limit of its output.
    #[error("the output of ffmpeg exceeds its limit of {limit} bytes")]
    TooLarge {
        /// The limit of one file.
        limit: u64,
    },
    /// ffmpeg made no progress for too long.
    #[error("ffmpeg made no progress for {} s", .0.as_secs())]
    Stalled(Duration),
    /// ffmpeg exceeded its deadline, in elapsed or in CPU time.
    #[error("ffmpeg did not end within {} s", .0.as_secs())]
    Deadline(Duration),
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Another process killed ffmpeg: most likely the kernel's OOM killer.
    #[error("ffmpeg was killed, most likely because the machine ran out of memory")]
    Killed,
}

impl Ffmpeg {
    /// Finds ffmpeg in `$PATH`.
    pub fn find(policy: Policy) -> Result<Self, NotInstalled> {
        find_program("ffmpeg").map(|program| Self::new(program, policy)).ok_or(NotInstalled)
    }

    /// Uses the ffmpeg at a path.
    pub fn new(program: PathBuf, policy: Policy) -> Self {
        // ffmpeg starts in another working directory than this process.
        let program = std::path::absolute(&program).unwrap_or(program);
        Self { program, helper: sandbox::helper_path(), policy, last_test: Arc::default() }
    }

    /// Uses another executable as the sandbox helper: for programs other than `headwater`.
    #[must_use]
    pub fn with_helper(self, helper: PathBuf) -> Self {
        Self { helper, ..self }
    }

    /// The path of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

impl FfmpegError {
    /// Whether the same run would fail again, so that a retry is useless.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Input(error) => !matches!(error, arguments::InputError::Unreadable { .. }),
            Self::Failed { .. }
            | Self::OutOfMemory { .. }
            | Self::TooLarge { .. }
            | Self::Cancelled => true,
            // A retry may run on another machine with another kernel.
            Self::Sandbox(_)
            | Self::Incapable { .. }
            | Self::Broken(_)
            | Self::Io(_)
            | Self::Source(_)
            | Self::DiskFull { .. }
            | Self::Stalled(_)
            | Self::Deadline(_)
            | Self::Killed => false,
        }
    }

    /// Whether this machine caused the failure and not the title. A timeout may have either cause, and
    /// does not count.
    pub fn is_host_failure(&self) -> bool {
        match self {
            Self::Sandbox(_)
            | Self::Incapable { .. }
            | Self::Broken(_)
            | Self::Io(_)
            | Self::DiskFull { .. }
            | Self::Killed => true,
            Self::Source(error) => matches!(error, ReadError::Unavailable(_)),
            Self::Input(_)
            | Self::Failed { .. }
            | Self::OutOfMemory { .. }
            | Self::TooLarge { .. }
            | Self::Stalled(_)
            | Self::Deadline(_)
            | Self::Cancelled => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn failures_of_the_file_are_permanent_and_those_of_the_machine_are_not() {
        let (status, tail) = (ExitStatus::from_raw(0x100), String::new());
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let unreadable =
            arguments::InputError::Unreadable { name: "a.mkv".into(), error: missing() };
        let limit = Duration::from_secs(1);
        for (error, is_permanent, is_host_failure) in [
            (FfmpegError::Failed { status, tail: tail.clone() }, true, false),
            (FfmpegError::OutOfMemory { tail: tail.clone() }, true, false),
            (FfmpegError::TooLarge { limit: 1 }, true, false),
            (arguments::InputError::NotRegular("a.mkv".into()).into(), true, false),
            (unreadable.into(), false, false),
            (missing().into(), false, true),
            (ReadError::Truncated.into(), false, false),
            (FfmpegError::Sandbox("no Landlock".into()), false, true),
            (FfmpegError::Incapable { tail: tail.clone() }, false, true),
            (FfmpegError::Broken("exit status: 1".into()), false, true),
            (FfmpegError::DiskFull { tail }, false, true),
            (FfmpegError::Stalled(limit), false, false),
            (FfmpegError::Deadline(limit), false, false),
            (FfmpegError::Killed, false, true),
        ] {
            assert_eq!(
                (error.is_permanent(), error.is_host_failure()),
                (is_permanent, is_host_failure),
                "{error}"
            );
        }
    }
}
