//! The three pipes of a run, and their output so far.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use super::{FfmpegError, Progress, feed, tail::Tail};
use crate::{
    extent::Extents,
    transcode::process_group::{ProcessGroup, Usage},
};

/// The progress, resource usage and last lines of a run, shared by the pipes and the watchdog.
pub(super) struct Output {
    progress: Mutex<Progress>,
    usage: Mutex<Usage>,
    tail: Mutex<Tail>,
}

impl Output {
    pub(super) fn new(tail: Tail) -> Self {
        Self { progress: Mutex::default(), usage: Mutex::default(), tail: Mutex::new(tail) }
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates and returns the resource usage. The kernel no longer shows all values of a dead process,
    /// so earlier values count too.
    pub(super) fn update_usage(&self, group: &ProcessGroup) -> Usage {
        let mut known = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.max(group.usage());
        *known
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pipes to stdin and from stdout and stderr.
pub(super) struct Pipes {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
}

impl Pipes {
    pub(super) fn take_from(group: &mut ProcessGroup) -> io::Result<Self> {
        Ok(Self {
            stdin: group.take_stdin()?,
            stdout: group.take_stdout()?,
            stderr: group.take_stderr()?,
        })
    }

    /// Writes stdin and reads stdout and stderr until all are closed. Passes stdout to `on_stdout`.
    pub(super) async fn pump(
        self,
        stdin: Option<Extents>,
        mut on_stdout: impl FnMut(&[u8]) + Send,
        output: &Output,
        group: &ProcessGroup,
    ) -> Result<(), FfmpegError> {
        let write_stdin = async {
            match (stdin, self.stdin) {
                (Some(extents), Some(pipe)) => Ok(feed::write_extents(extents, pipe).await?),
                _ => Ok(()),
            }
        };
        let read_stdout = read_to_end(self.stdout, |bytes| {
            output.update_usage(group);
            on_stdout(bytes);
        });
        let read_stderr = read_to_end(self.stderr, |bytes| output.tail().push(bytes));
        tokio::try_join!(write_stdin, read_stdout, read_stderr).map(|_| ())
    }
}

pub(super) async fn read_to_end(
    pipe: Option<pipe::Receiver>,
    mut on_bytes: impl FnMut(&[u8]) + Send,
) -> Result<(), FfmpegError> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer).await? {
            0 => return Ok(()),
            length => on_bytes(&buffer[..length]),
        }
    }
}
