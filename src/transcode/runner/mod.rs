//! Runs jobs: opens the title, runs ffmpeg, checks the output.

mod audio;
mod chunk_input;
mod failure;
mod images;
mod index;
mod local_copy;
mod piped;
mod remux;
mod renditions;
mod source_poster;

use std::{num::NonZeroU64, os::fd::AsFd as _, path::Path, sync::Arc, time::Duration};

use tokio::sync::watch;

pub use audio::AUDIO_FILE;
pub use failure::Failure;
pub use local_copy::LocalCopies;
pub use renditions::RENDITION_FILE;

use super::{
    JobSpec, Operation,
    ffmpeg::{Ffmpeg, Input, InputFile, Limits},
    renditions::remux::REMUX_FILE,
};
use crate::{
    extent::{File, Place, disk::OpenError},
    library::{Library, MediaPath},
    movie::Movie,
    package::title,
    queue::{Progress, Queue, Retry},
    store::artifacts::{ArtifactStore, Key, artifact_dir},
};

/// Runs jobs.
#[derive(Debug)]
pub struct JobRunner {
    /// The titles.
    pub library: Arc<Library>,
    /// The database of artifacts: a rendition is joined from earlier chunks.
    pub queue: Queue,
    /// The storage of artifacts.
    pub artifacts: ArtifactStore,
    /// The same as a root, to read remuxed movies and chunks as titles are read.
    pub artifact_root: Place,
    /// The maximum size of all artifacts together, in bytes.
    pub artifacts_max_bytes: u64,
    /// The decoder and encoder.
    pub ffmpeg: Ffmpeg,
    /// The maximum memory of one run of ffmpeg.
    pub memory_bytes: u64,
    /// The maximum time without progress.
    pub stall: Duration,
    /// The maximum duration of a run that encodes or remuxes.
    pub deadline: Duration,
    /// The approximate duration of a chunk, in milliseconds.
    pub chunk_ms: NonZeroU64,
    /// Whether chunks are encoded with idle scheduling (`SCHED_IDLE`).
    pub idle_scheduling: bool,
    /// Copies of objects of buckets.
    pub local_copies: LocalCopies,
}

/// The connection between a running job and its caller.
#[derive(Debug)]
pub struct JobContext {
    /// The progress of the job.
    pub progress: watch::Sender<Progress>,
    /// Becomes true to cancel the job.
    pub cancel: watch::Receiver<bool>,
}

/// The caller's next step after a run.
#[derive(Debug)]
pub enum NextStep {
    /// Publish the output: it is complete.
    Publish,
    /// End the job: earlier jobs have produced all outputs.
    Finish,
    /// Run these jobs first.
    Split(Vec<JobSpec>),
}

/// A title in the version of the job.
struct Opened {
    source: Source,
    /// The playable file: the source file, or the movie that was remuxed from it.
    file: Arc<File>,
    movie: Arc<Movie>,
}

/// The source file of a title in the version of the job.
struct Source {
    path: MediaPath,
    file: Arc<File>,
}

impl Opened {
    /// The playable file for ffmpeg, which runs in a folder.
    async fn input(&self, runner: &JobRunner, folder: &Path) -> Result<Input, Failure> {
        Ok(Input::File(self.source.name_input(runner, &self.file, folder).await?))
    }
}

impl Source {
    /// The source file for ffmpeg, which runs in a folder.
    async fn input(&self, runner: &JobRunner, folder: &Path) -> Result<InputFile, Failure> {
        self.name_input(runner, &self.file, folder).await
    }

    /// A file for ffmpeg, which messages call by the title's name. An object is copied first.
    async fn name_input(
        &self,
        runner: &JobRunner,
        file: &Arc<File>,
        folder: &Path,
    ) -> Result<InputFile, Failure> {
        let fd = match file.changeable() {
            Some(file) => file.as_fd().try_clone_to_owned().map_err(Failure::transient)?,
            None => runner.local_copies.copy_of(file, folder, &runner.artifacts).await?,
        };
        let name = self.path.display_name();
        Ok(InputFile { fd, name })
    }
}

impl JobRunner {
    /// The approximate disk space that a job needs, in bytes.
    pub async fn needed_bytes(&self, spec: &JobSpec) -> Result<u64, Failure> {
        match &spec.operation {
            Operation::Rendition { rendition } | Operation::Chunk { rendition, .. } => {
                let opened = self.open(spec).await?;
                Ok(self.rendition_bytes(&opened, &spec.operation, rendition))
            }
            Operation::Image(_) | Operation::Storyboard | Operation::SourcePoster { .. } => {
                Ok(images::BYTES_MAX)
            }
            Operation::Audio { track } => audio::bytes_max(&self.open(spec).await?, *track),
            Operation::Remux => self.remux_bytes(&self.open_source(spec).await?),
            Operation::Index { .. } => Ok(index::BYTES_MAX),
        }
    }

    /// Runs a job, with its output in a folder.
    ///
    /// A failure blames the title only if ffmpeg works: see [`Ffmpeg::self_test`].
    pub async fn run(
        &self,
        spec: &JobSpec,
        folder: &Path,
        context: JobContext,
    ) -> Result<NextStep, Failure> {
        if matches!(spec.operation, Operation::Index { .. }) {
            // It runs no ffmpeg.
            return self.run_operation(spec, folder, context).await;
        }
        self.ffmpeg.check_if_broken(folder).await?;
        let cancel = context.cancel.clone();
        let result = self.run_operation(spec, folder, context).await;
        if let Err(failure) = &result
            && failure.retry != Retry::Unavailable
            && !*cancel.borrow()
        {
            self.ffmpeg.self_test(folder).await?;
        }
        result
    }

    async fn run_operation(
        &self,
        spec: &JobSpec,
        folder: &Path,
        context: JobContext,
    ) -> Result<NextStep, Failure> {
        let (source, next) = match &spec.operation {
            Operation::Remux => {
                let source = self.open_source(spec).await?;
                self.remux(&source, folder, context).await?;
                (source, NextStep::Publish)
            }
            Operation::Index { start, end } => {
                let source = self.open_source(spec).await?;
                self.write_index(&source, *start..*end, folder, context).await?;
                (source, NextStep::Publish)
            }
            Operation::SourcePoster { width } => {
                let source = self.open_source(spec).await?;
                self.render_source_poster(&source, *width, folder, context).await?;
                (source, NextStep::Publish)
            }
            Operation::Rendition { rendition } => {
                let opened = self.open(spec).await?;
                let next = self.join_rendition(&opened, spec, rendition, folder, context).await?;
                (opened.source, next)
            }
            Operation::Chunk { rendition, number } => {
                let opened = self.open(spec).await?;
                self.encode_chunk(&opened, rendition, *number, folder, context).await?;
                (opened.source, NextStep::Publish)
            }
            Operation::Audio { track } => {
                let opened = self.open(spec).await?;
                self.encode_audio(&opened, *track, folder, context).await?;
                (opened.source, NextStep::Publish)
            }
            Operation::Storyboard => {
                let opened = self.open(spec).await?;
                let next = self.plan_storyboard(&opened, spec).await?;
                (opened.source, next)
            }
            Operation::Image(image) => {
                let opened = self.open(spec).await?;
                self.render_image(&opened, image, folder, context).await?;
                (opened.source, NextStep::Publish)
            }
        };
        self.check_unchanged(&source).await?;
        Ok(next)
    }

    /// Checks that the file did not change while ffmpeg read it, and that the title is still this file.
    async fn check_unchanged(&self, source: &Source) -> Result<(), Failure> {
        source.file.check().map_err(|_| Failure::replaced())?;
        match self.library.identity(&source.path).await? {
            Some(current) if current == *source.file.identity() => Ok(()),
            _ => Err(Failure::replaced()),
        }
    }

    /// Opens a file of an artifact; `None` if there is no such artifact, or it was just removed.
    async fn open_artifact(&self, key: &Key, name: &str) -> Result<Option<Arc<File>>, Failure> {
        let Some(artifact) = self.queue.artifact(key.as_str()).await? else {
            return Ok(None);
        };
        let path = artifact_dir(key, artifact.token).join(name);
        let mut opened = self.artifact_root.open_file(&path).await;
        if matches!(opened, Err(OpenError::NotFound))
            // A user may have deleted the folder of artifacts, and a worker has created another one.
            && matches!(self.artifact_root.reopen().await, Ok(Ok(true)))
        {
            opened = self.artifact_root.open_file(&path).await;
        }
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(OpenError::NotFound) => Ok(None),
            Err(error) => Err(Failure::unavailable(error)),
        }
    }

    async fn open_source(&self, spec: &JobSpec) -> Result<Source, Failure> {
        let path = MediaPath::decode(&spec.title).map_err(Failure::permanent)?;
        let file = self.library.open(&path).await?;
        let grid_ms = self.library.indices.grid_ms().get();
        let version = title::version(file.identity().version(), grid_ms);
        if version.to_string() != spec.version {
            return Err(Failure::replaced());
        }
        Ok(Source { path, file })
    }

    /// Opens the playable file of a title: its source file, or the movie that was remuxed from it.
    async fn open(&self, spec: &JobSpec) -> Result<Opened, Failure> {
        let source = self.open_source(spec).await?;
        let indices = &self.library.indices;
        match indices.index(&source.file).await? {
            Ok(movie) => Ok(Opened { file: Arc::clone(&source.file), source, movie }),
            Err(refused) => {
                let key = spec.remux().key();
                let artifact = self.queue.artifact(key.as_str()).await?;
                let token = artifact.ok_or_else(|| Failure::permanent(refused))?.token;
                // The artifact may just have been evicted, so a failure is transient.
                let file = self
                    .artifact_root
                    .open_file(&artifact_dir(&key, token).join(REMUX_FILE))
                    .await
                    .map_err(Failure::transient)?;
                let movie = indices.index(&file).await?.map_err(Failure::permanent)?;
                Ok(Opened { source, file, movie })
            }
        }
    }

    /// The limits of a run that encodes or remuxes, but for the size of its output.
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
