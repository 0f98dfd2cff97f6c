//! What makes things of titles.

mod pictures;
mod renditions;

use std::{
    fmt,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::spawn_blocking};

pub use renditions::RENDITION;

use super::{
    Make, Task,
    ffmpeg::{Ffmpeg, FfmpegError, Missing},
    pictures::Unfinished,
};
use crate::{
    extent::disk::{File, OpenError},
    jobs::queue::{Progress, Queue, QueueError, Retry},
    library::{Library, MediaPath},
    movie::Movie,
    package::{stills::StillsRefused, title},
    store::artifacts::{Artifacts, Key},
};

/// Makes things of titles.
#[derive(Debug)]
pub struct Maker {
    /// Where titles are.
    pub library: Arc<Library>,
    /// What was made before, and where that is: renditions are made of their pieces.
    pub queue: Queue,
    /// The folder of it.
    pub artifacts: Artifacts,
    /// What decodes and encodes, or why there is none.
    pub ffmpeg: Result<Ffmpeg, Missing>,
    /// Memory that one run of it may take.
    pub memory_bytes: u64,
    /// How long it may show no progress.
    pub stall: Duration,
    /// How long a film, or a piece of one, may take.
    pub deadline: Duration,
    /// About how long a piece of a film is, in milliseconds.
    pub piece_ms: NonZeroU64,
}

/// By what is heard how far a task is, and what is told to end it.
#[derive(Debug)]
pub struct Watch {
    /// How far it is.
    pub progress: watch::Sender<Progress>,
    /// Becomes true when it is not to go on.
    pub halted: watch::Receiver<bool>,
}

/// What is to be done with what was made.
#[derive(Debug)]
pub enum Next {
    /// It is whole: publish it.
    Publish,
    /// All of it was made by others.
    Nothing,
    /// These are to be made first.
    Split(Vec<Task>),
}

/// Why a task was not done, and whether it may be done the next time.
#[derive(Debug)]
pub struct Failure {
    /// For people; no path of the server is in it.
    pub why: String,
    /// Whether to try again.
    pub retry: Retry,
}

impl Failure {
    /// It would fail again.
    pub fn for_good(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), retry: Retry::Never }
    }

    /// It may go well the next time.
    pub fn passing(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), retry: Retry::Backoff }
    }
}

/// What was asked for is not to be had any more.
const REPLACED: fn() -> Failure =
    || Failure::for_good("the file was replaced or changed since this was asked for");

/// A title as it was when a task was asked for.
struct Opened {
    path: MediaPath,
    file: Arc<File>,
    movie: Arc<Movie>,
}

impl Maker {
    /// About how many bytes a task needs on disk.
    pub async fn needed_bytes(&self, task: &Task) -> Result<u64, Failure> {
        match &task.make {
            Make::Rendition { rung } | Make::Piece { rung, .. } => {
                let opened = self.open(task).await?;
                Ok(self.rendition_bytes(&opened, &task.make, rung))
            }
            Make::Picture(_) | Make::Storyboard => Ok(pictures::BYTES_MAX),
        }
    }

    /// Makes what a task says into a folder.
    pub async fn make(&self, task: &Task, folder: &Path, watch: Watch) -> Result<Next, Failure> {
        let opened = self.open(task).await?;
        let next = match &task.make {
            Make::Rendition { rung } => self.rendition(&opened, task, rung, folder, watch).await?,
            Make::Piece { rung, number } => {
                self.piece(&opened, rung, *number, folder, watch).await?;
                Next::Publish
            }
            Make::Storyboard => self.storyboard(&opened, task).await?,
            Make::Picture(wanted) => {
                self.picture(&opened, wanted, folder, watch).await?;
                Next::Publish
            }
        };
        self.is_unchanged(&opened).await?;
        Ok(next)
    }

    /// Whether the title is still the file that it was: what is read by its name could be another's.
    async fn is_unchanged(&self, opened: &Opened) -> Result<(), Failure> {
        opened.file.check().map_err(|_| REPLACED())?;
        match self.library.identity(&opened.path).await? {
            Some(now) if now == *opened.file.identity() => Ok(()),
            _ => Err(REPLACED()),
        }
    }

    /// The folder of what was made under a key.
    async fn find(&self, key: &Key) -> Result<Option<PathBuf>, Failure> {
        let Some(artifact) = self.queue.artifact(key.as_str()).await? else {
            return Ok(None);
        };
        let folder = self.artifacts.folder(key, artifact.token);
        let there = folder.clone();
        let is_there = spawn_blocking(move || there.is_dir()).await.map_err(Failure::passing)?;
        Ok(Some(folder).filter(|_| is_there))
    }

    async fn open(&self, task: &Task) -> Result<Opened, Failure> {
        let path = MediaPath::decode(&task.title).map_err(Failure::for_good)?;
        let file = self.library.open(&path).await?;
        let indices = &self.library.indices;
        let version = title::version(file.identity().version(), indices.grid_ms().get());
        if version.to_string() != task.version {
            return Err(REPLACED());
        }
        let index = indices.index(&file).await.map_err(Failure::passing)?;
        Ok(Opened { path, movie: index.map_err(Failure::for_good)?, file })
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::for_good("the title is not there any more"),
            error => Self::passing(error),
        }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::passing(error)
    }
}

impl From<StillsRefused> for Failure {
    fn from(refused: StillsRefused) -> Self {
        match refused {
            StillsRefused::Read(error) => Self::passing(error),
            refused => Self::for_good(refused),
        }
    }
}

impl From<Unfinished> for Failure {
    fn from(unfinished: Unfinished) -> Self {
        Self::for_good(unfinished)
    }
}

impl From<FfmpegError> for Failure {
    fn from(error: FfmpegError) -> Self {
        match error {
            // What is wrong with the file stays wrong.
            FfmpegError::Failed { .. } | FfmpegError::Refused(_) | FfmpegError::TooLarge { .. } => {
                Self::for_good(error)
            }
            error => Self::passing(error),
        }
    }
}
