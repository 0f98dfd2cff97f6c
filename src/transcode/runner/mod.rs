//! What makes things of titles.

mod audio;
mod images;
mod remux;
mod renditions;

use std::{
    fmt,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::spawn_blocking};

pub use audio::AUDIO_FILE;
pub use remux::REMUX_FILE;
pub use renditions::RENDITION_FILE;

use super::{
    JobSpec, Operation,
    ffmpeg::{Ffmpeg, FfmpegError, Limits},
    images::Unfinished,
};
use crate::{
    extent::{
        ReadError,
        disk::{File, OpenError, Root},
    },
    library::{Library, MediaPath},
    movie::Movie,
    package::{stills::StillsRefused, title},
    queue::{Progress, Queue, QueueError, Retry},
    store::artifacts::{ArtifactStore, Key, artifact_dir},
};

/// Makes things of titles.
#[derive(Debug)]
pub struct JobRunner {
    /// Where titles are.
    pub library: Arc<Library>,
    /// What was made before, and where that is: renditions are made of their pieces.
    pub queue: Queue,
    /// The folder of it.
    pub artifacts: ArtifactStore,
    /// The same folder, to read it as titles are read.
    pub made: Arc<Root>,
    /// What all that is made may take together, in bytes.
    pub budget_bytes: u64,
    /// What decodes and encodes.
    pub ffmpeg: Ffmpeg,
    /// Memory that one run of it may take.
    pub memory_bytes: u64,
    /// How long it may show no progress.
    pub stall: Duration,
    /// How long a film, or a piece of one, may take.
    pub deadline: Duration,
    /// About how long a piece of a film is, in milliseconds.
    pub piece_ms: NonZeroU64,
    /// Whether pieces of films are encoded only while nobody else wants the processor.
    pub yields: bool,
}

/// By what is heard how far a task is, and what is told to end it.
#[derive(Debug)]
pub struct JobContext {
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
    Split(Vec<JobSpec>),
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

    /// It may go well the next time, and it is not the title because of which it did not.
    pub fn lacking(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), retry: Retry::Unavailable }
    }
}

/// What was asked for is not to be had any more.
const REPLACED: fn() -> Failure =
    || Failure::for_good("the file was replaced or changed since this was asked for");

/// A title as it was when a task was asked for.
struct Opened {
    source: Source,
    /// What plays: the source, or the movie that was made of it.
    file: Arc<File>,
    movie: Arc<Movie>,
    /// Where that is, for a program that can only be given a name.
    on_disk: PathBuf,
}

/// A title's own file as it was when a task was asked for.
struct Source {
    path: MediaPath,
    file: Arc<File>,
}

impl JobRunner {
    /// About how many bytes a task needs on disk.
    pub async fn needed_bytes(&self, spec: &JobSpec) -> Result<u64, Failure> {
        match &spec.operation {
            Operation::Rendition { rendition } | Operation::Chunk { rendition, .. } => {
                let opened = self.open(spec).await?;
                Ok(self.rendition_bytes(&opened, &spec.operation, rendition))
            }
            Operation::Image(_) | Operation::Storyboard => Ok(images::BYTES_MAX),
            Operation::Audio { track } => audio::bytes(&self.open(spec).await?, *track),
            Operation::Remux => self.movie_bytes(&self.source(spec).await?),
        }
    }

    /// Makes what a task says into a folder.
    pub async fn run(
        &self,
        spec: &JobSpec,
        folder: &Path,
        watch: JobContext,
    ) -> Result<Next, Failure> {
        if spec.operation == Operation::Remux {
            let source = self.source(spec).await?;
            self.movie(&source, folder, watch).await?;
            self.is_unchanged(&source).await?;
            return Ok(Next::Publish);
        }
        let opened = self.open(spec).await?;
        let next = match &spec.operation {
            Operation::Rendition { rendition } => {
                self.rendition(&opened, spec, rendition, folder, watch).await?
            }
            Operation::Chunk { rendition, number } => {
                self.piece(&opened, rendition, *number, folder, watch).await?;
                Next::Publish
            }
            Operation::Audio { track } => {
                self.sound(&opened, *track, folder, watch).await?;
                Next::Publish
            }
            Operation::Storyboard => self.storyboard(&opened, spec).await?,
            Operation::Image(wanted) => {
                self.picture(&opened, wanted, folder, watch).await?;
                Next::Publish
            }
            Operation::Remux => return Err(Failure::for_good("it is a movie already")),
        };
        self.is_unchanged(&opened.source).await?;
        Ok(next)
    }

    /// Whether the title is still the file that it was: what is read by its name could be another's.
    async fn is_unchanged(&self, source: &Source) -> Result<(), Failure> {
        source.file.check().map_err(|_| REPLACED())?;
        match self.library.identity(&source.path).await? {
            Some(now) if now == *source.file.identity() => Ok(()),
            _ => Err(REPLACED()),
        }
    }

    /// The folder of what was made under a key.
    async fn find(&self, key: &Key) -> Result<Option<PathBuf>, Failure> {
        let Some(artifact) = self.queue.artifact(key.as_str()).await? else {
            return Ok(None);
        };
        let folder = self.artifacts.dir(key, artifact.token);
        let there = folder.clone();
        let is_there = spawn_blocking(move || there.is_dir()).await.map_err(Failure::passing)?;
        Ok(Some(folder).filter(|_| is_there))
    }

    async fn source(&self, spec: &JobSpec) -> Result<Source, Failure> {
        let path = MediaPath::decode(&spec.title).map_err(Failure::for_good)?;
        let file = self.library.open(&path).await?;
        let grid_ms = self.library.indices.grid_ms().get();
        let version = title::version(file.identity().version(), grid_ms);
        if version.to_string() != spec.version {
            return Err(REPLACED());
        }
        Ok(Source { path, file })
    }

    /// Opens what plays of a title: its own file, or the movie that was made of that.
    async fn open(&self, spec: &JobSpec) -> Result<Opened, Failure> {
        let source = self.source(spec).await?;
        let indices = &self.library.indices;
        match indices.index(&source.file).await? {
            Ok(movie) => {
                let (file, on_disk) = (Arc::clone(&source.file), self.on_disk(&source)?);
                Ok(Opened { source, file, movie, on_disk })
            }
            Err(refused) => {
                let key = spec.movie().key();
                let made = self.queue.artifact(key.as_str()).await?;
                let token = made.ok_or_else(|| Failure::for_good(refused))?.token;
                // It may have been evicted a moment ago.
                let file = self.made.open_file(&artifact_dir(&key, token).join(REMUX_FILE)).await;
                let file = file.map_err(Failure::passing)?;
                let movie = indices.index(&file).await?;
                let on_disk = self.artifacts.dir(&key, token).join(REMUX_FILE);
                Ok(Opened { source, file, movie: movie.map_err(Failure::for_good)?, on_disk })
            }
        }
    }

    fn on_disk(&self, source: &Source) -> Result<PathBuf, Failure> {
        self.library.path_on_disk(&source.path).ok_or_else(REPLACED)
    }

    /// What a run of ffmpeg for a film may use up, but for how much it may write.
    fn limits(&self) -> Limits {
        Limits {
            memory_bytes: self.memory_bytes,
            threads: Some(1),
            deadline: self.deadline,
            stall: self.stall,
            ..Limits::default()
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::for_good("the title is not there any more"),
            error => Self::lacking(error),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => Self::lacking(error),
            // A file that a disk cannot read is as bad as one that nobody understands.
            ReadError::Changed | ReadError::Truncated | ReadError::Io(_) => Self::passing(error),
        }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::lacking(error)
    }
}

impl From<StillsRefused> for Failure {
    fn from(refused: StillsRefused) -> Self {
        match refused {
            StillsRefused::Read(error) => error.into(),
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
            error if error.is_final() => Self::for_good(error),
            error if error.is_lacking() => Self::lacking(error),
            error => Self::passing(error),
        }
    }
}
