//! ffmpeg, run as a child that is not trusted.
//!
//! Who wants something made says [which arguments](Run) it takes, which files it reads and which
//! folder it writes. Everything else is here: [`arguments`] adds what every run needs and forces the
//! demuxer that [`sniff`] found, so that no file can pass as a playlist of others; [`Ffmpeg::run`]
//! feeds it, listens to it, watches it and ends it; the [sandbox](super::sandbox) holds it. Its companion
//! ffprobe, which says what a file is, runs [in the same way](Ffmpeg::report).

pub mod arguments;
pub mod feed;
mod pipes;
mod probe;
pub mod progress;
mod report;
mod run;
pub mod sniff;
pub mod tail;
mod watchdog;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

pub use progress::Progress;
pub use report::ReportError;

use super::sandbox::Policy;
use crate::sys::sandbox;
use crate::{
    extent::{Extents, ReadError},
    transcode::program::find_program,
};

/// The program, and how it is confined.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    program: PathBuf,
    helper: PathBuf,
    policy: Policy,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    /// ffmpeg's arguments from the first input's options on. What every run needs is added: whether
    /// to overwrite, what to print, which protocols and which demuxer. The sandbox's folder is the
    /// working directory, so that outputs are plain names.
    pub args: Vec<OsString>,
    /// What comes by the input `pipe:0`.
    pub stdin: Input,
    /// The files that are read, by their whole paths; each `-i` is one of them.
    pub reads: Vec<PathBuf>,
    /// The folder that is written. It exists.
    pub writes: PathBuf,
    /// How much it may use up.
    pub limits: Limits,
}

/// What is fed to the program.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: what it reads are files.
    #[default]
    Nothing,
    /// These bytes, as it asks for them.
    Extents(Extents),
}

/// How much one run may use up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most memory.
    pub memory_bytes: u64,
    /// Most bytes of one file; and all that is written together, what is written twice included,
    /// may be twice that.
    pub file_bytes: u64,
    /// Most pixels of a picture.
    pub pixels_max: u64,
    /// Threads of each decoder and filter graph; `None` leaves it to ffmpeg. Those of encoders are the
    /// arguments' business.
    pub threads: Option<u32>,
    /// How long it may take.
    pub deadline: Duration,
    /// How long nothing may come forward: neither the output's time, nor its size, nor what was read.
    pub stall: Duration,
    /// Whether it has the processor only while nobody else wants it.
    pub only_spare: bool,
}

impl Default for Limits {
    /// Enough for a picture of a film of 8K: 1 GiB of memory, 256 MiB of output, 2 minutes.
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            file_bytes: 256 << 20,
            pixels_max: 8192 * 8192,
            threads: None,
            deadline: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            only_spare: false,
        }
    }
}

/// How a run ended that did what it was to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ended {
    /// The last lines of what it complained about.
    pub tail: String,
    /// How far it came.
    pub progress: Progress,
    /// Processor time of all its threads.
    pub cpu: Duration,
    /// Bytes that it read, libraries included.
    pub read_bytes: u64,
    /// Bytes that it wrote.
    pub written_bytes: u64,
}

/// What a machine has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probed {
    /// ffmpeg's version, as it says itself.
    pub version: String,
    /// What confines it: `landlock`, `seccomp`, both with a space between, or nothing.
    pub enforced: String,
}

/// There is no ffmpeg on this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ffmpeg is not installed: pictures and renditions need it, all else does not")]
pub struct Missing;

/// Why a run did not do what it was to do. No path of the server is in the text but those of its own
/// program.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// The program could not be started, or not be listened to.
    #[error("ffmpeg could not be run: {0}")]
    Io(#[from] io::Error),
    /// The kernel could not confine it, and that is required.
    #[error("{0}")]
    Sandbox(String),
    /// An input is none that ffmpeg is given.
    #[error("{0}")]
    Refused(#[from] arguments::Refused),
    /// What was to be fed to it could not be read.
    #[error("the source could not be read: {0}")]
    Source(#[from] ReadError),
    /// It ended by itself, and not well.
    #[error("ffmpeg ended with {status}: {tail}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        tail: String,
    },
    /// It wanted more memory than it may have.
    #[error("ffmpeg needs more memory than it may have: {tail}")]
    Memory {
        /// Its last lines.
        tail: String,
    },
    /// It found no room on the disk.
    #[error("ffmpeg found no room on the disk: {tail}")]
    Full {
        /// Its last lines.
        tail: String,
    },
    /// It wrote more than it may.
    #[error("ffmpeg wrote more than the {limit} bytes that it may")]
    TooLarge {
        /// The limit of one file.
        limit: u64,
    },
    /// Nothing came forward for too long.
    #[error("ffmpeg came no further for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It took too long, on the clock or of the processor.
    #[error("ffmpeg was not done after {} s", .0.as_secs())]
    Deadline(Duration),
    /// Somebody does not want it any more.
    #[error("cancelled")]
    Cancelled,
    /// Somebody else killed it: most likely the kernel, for want of memory.
    #[error("ffmpeg was killed from outside, most likely because the machine ran out of memory")]
    Killed,
}

impl Ffmpeg {
    /// That of the search path.
    pub fn find(policy: Policy) -> Result<Self, Missing> {
        find_program("ffmpeg").map(|program| Self::new(program, policy)).ok_or(Missing)
    }

    /// That at a path.
    pub fn new(program: PathBuf, policy: Policy) -> Self {
        let helper = sandbox::helper();
        // It is started in another folder than this.
        let program = std::path::absolute(&program).unwrap_or(program);
        Self { program, helper, policy }
    }

    /// Uses another file as the helper: for programs that are not `headwater` themselves.
    #[must_use]
    pub fn with_helper(self, helper: PathBuf) -> Self {
        Self { helper, ..self }
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

impl FfmpegError {
    /// Whether the same run would end in the same way, so that trying again is of no use.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused(refused) => !matches!(refused, arguments::Refused::Unreadable { .. }),
            Self::Failed { .. } | Self::Memory { .. } | Self::TooLarge { .. } | Self::Cancelled => {
                true
            }
            // The next run may be on another machine, with another kernel.
            Self::Sandbox(_)
            | Self::Io(_)
            | Self::Source(_)
            | Self::Full { .. }
            | Self::Stalled(_)
            | Self::Deadline(_)
            | Self::Killed => false,
        }
    }

    /// Whether something was lacking on this machine, whatever it was that was to be made. Of what took
    /// too long nobody can tell.
    pub fn is_lacking(&self) -> bool {
        let is_unavailable = |error: &ReadError| matches!(error, ReadError::Unavailable(_));
        match self {
            Self::Sandbox(_) | Self::Io(_) | Self::Full { .. } | Self::Killed => true,
            Self::Source(error) => is_unavailable(error),
            Self::Refused(_)
            | Self::Failed { .. }
            | Self::Memory { .. }
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
    fn what_is_wrong_with_a_file_stays_wrong_and_what_is_wrong_with_a_machine_may_pass() {
        let (status, tail) = (ExitStatus::from_raw(0x100), String::new());
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let unreadable = arguments::Refused::Unreadable { name: "a.mkv".into(), error: missing() };
        let long = Duration::from_secs(1);
        for (error, is_final, is_lacking) in [
            (FfmpegError::Failed { status, tail: tail.clone() }, true, false),
            (FfmpegError::Memory { tail: tail.clone() }, true, false),
            (FfmpegError::TooLarge { limit: 1 }, true, false),
            (arguments::Refused::NotRegular("a.mkv".into()).into(), true, false),
            (unreadable.into(), false, false),
            (missing().into(), false, true),
            (ReadError::Truncated.into(), false, false),
            (FfmpegError::Sandbox("no Landlock".into()), false, true),
            (FfmpegError::Full { tail }, false, true),
            (FfmpegError::Stalled(long), false, false),
            (FfmpegError::Deadline(long), false, false),
            (FfmpegError::Killed, false, true),
        ] {
            assert_eq!((error.is_final(), error.is_lacking()), (is_final, is_lacking), "{error}");
        }
    }
}
