//! The three pipes of a run: what is fed, what is printed, and what is complained about.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use super::{FfmpegError, Progress, feed, tail::Tail};
use crate::{
    extent::Extents,
    transcode::child::{Group, Usage},
};

/// What was heard so far, for those who listen and those who look.
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

    /// What was used up by now. Of a dead process not everything can be seen any more, so what was
    /// seen before counts, too.
    pub(super) fn usage(&self, group: &Group) -> Usage {
        let mut known = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.max(group.usage());
        *known
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The three pipes.
pub(super) struct Pipes {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
}

impl Pipes {
    pub(super) fn of(group: &mut Group) -> io::Result<Self> {
        Ok(Self { stdin: group.stdin()?, stdout: group.stdout()?, stderr: group.stderr()? })
    }

    /// Feeds and listens until all of it is said. `hear` is told what is printed.
    pub(super) async fn pump(
        self,
        fed: Option<Extents>,
        mut hear: impl FnMut(&[u8]) + Send,
        heard: &Output,
        group: &Group,
    ) -> Result<(), FfmpegError> {
        let feeding = async {
            match (fed, self.stdin) {
                (Some(extents), Some(stdin)) => Ok(feed::feed(extents, stdin).await?),
                _ => Ok(()),
            }
        };
        let listening = listen(self.stdout, |printed| {
            heard.usage(group);
            hear(printed);
        });
        let complaining = listen(self.stderr, |printed| heard.tail().take(printed));
        tokio::try_join!(feeding, listening, complaining).map(|_| ())
    }
}

pub(super) async fn listen(
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
