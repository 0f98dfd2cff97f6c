//! Pictures: of a small movie of the samples that they take.

use std::{path::Path, sync::Arc, time::Duration};

use super::{Failure, JobContext, JobRunner, Next, Opened};
use crate::{
    extent::{Extents, ReadAt, ReadError, Source},
    movie::{Movie, Track},
    package::{
        stills::{self, Stills, StillsRefused},
        storyboard::{Geometry, ImageFormat, display_size},
        title,
    },
    transcode::{
        ImageSpec, JobSpec, Operation,
        ffmpeg::{Input, Limits, Run},
        images::{self, Look, Recipe},
    },
};

/// What pictures take on disk at most, in bytes.
pub(super) const BYTES_MAX: u64 = 16 << 20;

/// How long a picture may take.
const DEADLINE: Duration = Duration::from_secs(60);

impl JobRunner {
    /// Says which sheets of a storyboard have to be made first: all that are not there yet.
    pub(super) async fn storyboard(
        &self,
        opened: &Opened,
        spec: &JobSpec,
    ) -> Result<Next, Failure> {
        let track = stills::track(&opened.movie)?;
        let display = display_size(track).ok_or(StillsRefused::NoPictures)?;
        let geometry = Geometry::new(title::duration_ms(&opened.movie), display);
        let mut missing = Vec::new();
        for number in 1..=geometry.sheets() {
            let operation = Operation::Image(ImageSpec::Sheet { number });
            let sheet = JobSpec { operation, ..spec.clone() };
            if self.find(&sheet.key()).await?.is_none() {
                missing.push(sheet);
            }
        }
        Ok(if missing.is_empty() { Next::Nothing } else { Next::Split(missing) })
    }

    pub(super) async fn picture(
        &self,
        opened: &Opened,
        wanted: &ImageSpec,
        folder: &Path,
        watch: JobContext,
    ) -> Result<(), Failure> {
        let (wanted, movie) = (wanted.clone(), Arc::clone(&opened.movie));
        let source: Arc<dyn Source> = Arc::clone(&opened.file) as _;
        let prepared = opened.file.run_in_pool(move |open| {
            let track = stills::track(&movie)?;
            let (stills, recipe) = picture(&movie, track, &wanted, &open.blocking_reader())?;
            let extents = stills.movie(track, &source)?;
            Ok::<_, StillsRefused>((extents, recipe))
        });
        let (extents, recipe) = prepared.await.map_err(ReadError::from)??;
        self.render(&recipe, extents, folder, watch).await?;
        let (checked, folder) = (recipe.clone(), folder.to_owned());
        let checked = tokio::task::spawn_blocking(move || checked.check(&folder)).await;
        checked.map_err(Failure::passing)?.map_err(Failure::from)
    }

    /// Runs ffmpeg on such a movie.
    async fn render(
        &self,
        recipe: &Recipe,
        extents: Extents,
        folder: &Path,
        watch: JobContext,
    ) -> Result<(), Failure> {
        let run = Run {
            args: recipe.arguments.clone(),
            stdin: Input::Extents(extents),
            reads: Vec::new(),
            writes: folder.to_owned(),
            limits: Limits {
                memory_bytes: self.memory_bytes,
                file_bytes: BYTES_MAX,
                threads: Some(1),
                deadline: DEADLINE,
                stall: self.stall,
                ..Limits::default()
            },
        };
        self.ffmpeg.run(run, |_| {}, watch.halted).await?;
        Ok(())
    }
}

/// The pictures that a task takes, and what is made of them.
fn picture<R: ReadAt + ?Sized>(
    movie: &Movie,
    track: &Track,
    wanted: &ImageSpec,
    reader: &R,
) -> Result<(Stills, Recipe), StillsRefused> {
    let look = Look::of(track);
    let duration_ms = title::duration_ms(movie);
    let near = |times_ms: &[u64]| stills::nearest(track, times_ms, reader);
    Ok(match *wanted {
        ImageSpec::Poster { size } => {
            let stills = near(&images::poster_times_ms(duration_ms))?;
            (stills, images::poster(look, size, ImageFormat::Jpg))
        }
        ImageSpec::Thumbnail { time_ms, exact, size, coding } => {
            let stills = match exact {
                true => stills::exact(track, time_ms, reader)?,
                false => near(&[time_ms])?,
            };
            let second = stills.second;
            (stills, images::thumbnail(look, size, coding, second))
        }
        ImageSpec::Overview => {
            let display = display_size(track).ok_or(StillsRefused::NoPictures)?;
            let geometry = Geometry::overview(duration_ms, display);
            let sheet = geometry.sheet(1).ok_or(StillsRefused::NoPictures)?;
            (near(&geometry.times_ms(sheet))?, images::sheet(look, &geometry, sheet))
        }
        ImageSpec::Sheet { number } => {
            let display = display_size(track).ok_or(StillsRefused::NoPictures)?;
            let geometry = Geometry::new(duration_ms, display);
            let sheet = geometry.sheet(number).ok_or(StillsRefused::NoPictures)?;
            (near(&geometry.times_ms(sheet))?, images::sheet(look, &geometry, sheet))
        }
        ImageSpec::Preview { size } => {
            (near(&images::preview_times_ms(duration_ms))?, images::preview(look, size))
        }
    })
}
