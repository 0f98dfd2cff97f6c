//! What makes things of titles.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    MOVIE, Make, Task,
    ffmpeg::{Ffmpeg, FfmpegError, Input, Limits, Run},
    pictures::{self, Look, Recipe, Unfinished},
};
use crate::{
    extent::{
        Extents, ReadError, Source,
        disk::{File, OpenError, Root},
    },
    jobs::queue::{Progress, Queue, QueueError, Retry},
    library::{Library, MediaPath},
    movie::{Movie, MovieRefused, Track},
    package::{
        stills::{self, Stills, StillsRefused},
        storyboard::{Geometry, display_size},
        title,
    },
    store::artifacts::{Artifacts, folder_of},
};

/// What pictures take on disk at most, in bytes.
const PICTURES_BYTES: u64 = 16 << 20;

/// How long a picture may take.
const PICTURE_DEADLINE: Duration = Duration::from_secs(60);

/// Why nothing is made of a file that is not the one that was asked for.
pub(super) const REPLACED: &str = "the file was replaced since this was asked for";

/// Makes things of titles.
#[derive(Debug)]
pub struct Maker {
    /// Where titles are.
    pub library: Arc<Library>,
    /// What decodes and encodes, or why there is none.
    pub ffmpeg: Result<Ffmpeg, super::ffmpeg::Missing>,
    /// Memory that one run of it may take.
    pub memory_bytes: u64,
    /// How long it may show no progress.
    pub stall: Duration,
    /// How long a run for a film may take.
    pub deadline: Duration,
    /// Where it is known what was made before.
    pub queue: Queue,
    /// Where that is.
    pub artifacts: Artifacts,
    /// The same, to read it.
    pub made: Arc<Root>,
    /// What all that is made may take together, in bytes.
    pub budget_bytes: u64,
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

/// A title as it was when a task was asked for.
struct Opened {
    file: Arc<File>,
    movie: Arc<Movie>,
}

impl Maker {
    /// About how many bytes a task needs on disk.
    pub async fn needed_bytes(&self, task: &Task) -> Result<u64, Failure> {
        Ok(match task.make {
            Make::Poster { .. }
            | Make::Thumbnail { .. }
            | Make::Sheet { .. }
            | Make::Overview
            | Make::Preview { .. } => PICTURES_BYTES,
            Make::Movie => self.movie_bytes(task).await?,
        })
    }

    /// Makes what a task says into a folder.
    pub async fn make(
        &self,
        task: &Task,
        _has_pieces: bool,
        folder: &Path,
        watch: Watch,
    ) -> Result<Next, Failure> {
        if task.make == Make::Movie {
            return self.movie(task, folder, watch).await;
        }
        let opened = self.open(task).await?;
        self.picture(&opened, &task.make, folder, watch).await?;
        opened.file.check().map_err(Failure::for_good)?;
        Ok(Next::Publish)
    }

    /// The file of a task's title, if it is the one that the task is about.
    pub(super) async fn source(&self, task: &Task) -> Result<(MediaPath, Arc<File>), Failure> {
        let path = MediaPath::decode(&task.title).map_err(Failure::for_good)?;
        let file = self.library.open(&path).await?;
        let grid_ms = self.library.indices.grid_ms().get();
        let version = title::version(file.identity().version(), grid_ms);
        if version.to_string() != task.version {
            return Err(Failure::for_good(REPLACED));
        }
        Ok((path, file))
    }

    /// The movie that plays: the file itself, or else what was made of it.
    async fn open(&self, task: &Task) -> Result<Opened, Failure> {
        let (_, file) = self.source(task).await?;
        match self.library.indices.index(&file).await.map_err(Failure::passing)? {
            Ok(movie) => Ok(Opened { movie, file }),
            Err(refused) => self.open_made(task, &refused).await,
        }
    }

    async fn open_made(&self, task: &Task, refused: &MovieRefused) -> Result<Opened, Failure> {
        let key = Task { make: Make::Movie, ..task.clone() }.key();
        let made = self.queue.artifact(key.as_str()).await?;
        let token = made.ok_or_else(|| Failure::for_good(refused))?.token;
        let file = self.made.open_file(&folder_of(&key, token).join(MOVIE)).await;
        // It may have been evicted a moment ago.
        let file = file.map_err(Failure::passing)?;
        let index = self.library.indices.index(&file).await.map_err(Failure::passing)?;
        Ok(Opened { movie: index.map_err(Failure::for_good)?, file })
    }

    async fn picture(
        &self,
        opened: &Opened,
        make: &Make,
        folder: &Path,
        watch: Watch,
    ) -> Result<(), Failure> {
        let (make, movie) = (make.clone(), Arc::clone(&opened.movie));
        let source: Arc<dyn Source> = Arc::clone(&opened.file) as _;
        let prepared = opened.file.in_lane(move |open| {
            let track = stills::track(&movie)?;
            let (stills, recipe) = picture(&movie, track, &make, &open.in_turn())?;
            let extents = stills.movie(track, &source)?;
            Ok::<_, StillsRefused>((extents, recipe))
        });
        let prepared = prepared.await.map_err(|error| Failure::passing(ReadError::from(error)))?;
        let (extents, recipe) = prepared?;
        self.run(&recipe, extents, folder, watch).await?;
        let (checked, folder) = (recipe.clone(), folder.to_owned());
        let checked = tokio::task::spawn_blocking(move || checked.check(&folder)).await;
        checked.map_err(Failure::passing)?.map_err(Failure::from)
    }

    async fn run(
        &self,
        recipe: &Recipe,
        extents: Extents,
        folder: &Path,
        watch: Watch,
    ) -> Result<(), Failure> {
        let ffmpeg = self.ffmpeg.as_ref().map_err(Failure::for_good)?;
        let run = Run {
            args: recipe.arguments.clone(),
            stdin: Input::Extents(extents),
            reads: Vec::new(),
            writes: folder.to_owned(),
            limits: Limits {
                memory_bytes: self.memory_bytes,
                file_bytes: PICTURES_BYTES,
                threads: Some(1),
                deadline: PICTURE_DEADLINE,
                stall: self.stall,
                ..Limits::default()
            },
        };
        ffmpeg.run(run, |_| {}, watch.halted).await?;
        Ok(())
    }
}

/// The pictures that a task takes, and what is made of them.
fn picture<R: crate::extent::ReadAt + ?Sized>(
    movie: &Movie,
    track: &Track,
    make: &Make,
    reader: &R,
) -> Result<(Stills, Recipe), StillsRefused> {
    let look = Look::of(track);
    let duration_ms = title::duration_ms(movie);
    let near = |times_ms: &[u64]| stills::nearest(track, times_ms, reader);
    Ok(match *make {
        Make::Poster { size } => {
            let stills = near(&pictures::poster_times_ms(duration_ms))?;
            (stills, pictures::poster(look, size, crate::package::storyboard::Coding::Jpg))
        }
        Make::Thumbnail { time_ms, exact, size, coding } => {
            let stills = match exact {
                true => stills::exact(track, time_ms, reader)?,
                false => near(&[time_ms])?,
            };
            let second = stills.second;
            (stills, pictures::thumbnail(look, size, coding, second))
        }
        Make::Overview => {
            let display = display_size(track).ok_or(StillsRefused::NoPictures)?;
            let geometry = Geometry::overview(duration_ms, display);
            let sheet = geometry.sheet(1).ok_or(StillsRefused::NoPictures)?;
            (near(&geometry.times_ms(sheet))?, pictures::sheet(look, &geometry, sheet))
        }
        Make::Sheet { number } => {
            let display = display_size(track).ok_or(StillsRefused::NoPictures)?;
            let geometry = Geometry::new(duration_ms, display);
            let sheet = geometry.sheet(number).ok_or(StillsRefused::NoPictures)?;
            (near(&geometry.times_ms(sheet))?, pictures::sheet(look, &geometry, sheet))
        }
        Make::Preview { size } => {
            (near(&pictures::preview_times_ms(duration_ms))?, pictures::preview(look, size))
        }
        // It is made of the file, and not of its pictures.
        Make::Movie => return Err(StillsRefused::NoPictures),
    })
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
