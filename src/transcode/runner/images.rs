//! Renders images from a small movie of the needed samples.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Failure, JobContext, JobRunner, NextStep, Opened};
use crate::{
    extent::{ReadAt, ReadError, Source},
    movie::{Movie, Track},
    package::{
        stills::{self, Stills, StillsError},
        storyboard::{Geometry, ImageFormat, display_size},
        title,
    },
    transcode::{
        ImageSpec, JobSpec, Operation,
        ffmpeg::{Input, Invocation, Limits},
        images::{self, RenderPlan, SHEET_FILE, SourceVideo},
    },
};

/// The maximum size of one job's images, in bytes.
pub(super) const BYTES_MAX: u64 = 16 << 20;

/// The maximum time to render an image.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

impl JobRunner {
    /// Lists the sheets of a storyboard that do not exist yet.
    pub(super) async fn plan_storyboard(
        &self,
        title: &Opened,
        spec: &JobSpec,
    ) -> Result<NextStep, Failure> {
        let track = stills::track(&title.movie)?;
        let display = display_size(track).ok_or(StillsError::NoVideo)?;
        let geometry = Geometry::new(title::duration_ms(&title.movie), display);
        let mut missing = Vec::new();
        for number in 1..=geometry.sheets() {
            let operation = Operation::Image(ImageSpec::Sheet { number });
            let sheet = JobSpec { operation, ..spec.clone() };
            if self.open_artifact(&sheet.key(), SHEET_FILE).await?.is_none() {
                missing.push(sheet);
            }
        }
        Ok(if missing.is_empty() { NextStep::Finish } else { NextStep::Split(missing) })
    }

    /// Renders an image.
    pub(super) async fn render_image(
        &self,
        title: &Opened,
        image: &ImageSpec,
        folder: &Path,
        context: JobContext,
    ) -> Result<(), Failure> {
        let (image, movie) = (image.clone(), Arc::clone(&title.movie));
        let source: Arc<dyn Source> = Arc::clone(&title.file) as _;
        let prepare = title.file.run_in_pool(move |open| {
            let track = stills::track(&movie)?;
            let (stills, plan) = plan(&movie, track, &image, &open.blocking_reader())?;
            let extents = stills.movie(track, &source)?;
            Ok::<_, StillsError>((extents, plan))
        });
        let (extents, plan) = prepare.await.map_err(ReadError::from)??;
        self.render(plan, Input::Extents(extents), folder, context.cancel).await
    }

    /// Runs ffmpeg on the small movie, or on a file, and checks the images.
    pub(super) async fn render(
        &self,
        plan: RenderPlan,
        input: Input,
        folder: &Path,
        cancel: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let run = Invocation {
            arguments: plan.arguments.clone(),
            input,
            output_dir: folder.to_owned(),
            limits: Limits { file_bytes: BYTES_MAX, deadline: DEADLINE, ..self.limits() },
        };
        self.ffmpeg.run(run, |_| {}, cancel).await?;
        let folder = folder.to_owned();
        let verify = tokio::task::spawn_blocking(move || plan.verify(&folder));
        verify.await.map_err(Failure::transient)?.map_err(Failure::from)
    }
}

/// Finds the samples that an image needs, and plans how to render it.
fn plan<R: ReadAt + ?Sized>(
    movie: &Movie,
    track: &Track,
    image: &ImageSpec,
    reader: &R,
) -> Result<(Stills, RenderPlan), StillsError> {
    let source = SourceVideo::from_track(track);
    let duration_ms = title::duration_ms(movie);
    let nearest = |times_ms: &[u64]| stills::nearest(track, times_ms, reader);
    Ok(match *image {
        ImageSpec::Poster { size } => {
            let stills = nearest(&images::poster_times_ms(duration_ms))?;
            (stills, images::plan_poster(source, size, ImageFormat::Jpg))
        }
        ImageSpec::Thumbnail { time_ms, exact, size, format } => {
            let stills = match exact {
                true => stills::exact(track, time_ms, reader)?,
                false => nearest(&[time_ms])?,
            };
            let second = stills.second;
            (stills, images::plan_thumbnail(source, size, format, second))
        }
        ImageSpec::Overview => {
            let display = display_size(track).ok_or(StillsError::NoVideo)?;
            let geometry = Geometry::overview(duration_ms, display);
            let sheet = geometry.sheet(1).ok_or(StillsError::NoVideo)?;
            let stills = nearest(&geometry.times_ms(sheet))?;
            (stills, images::plan_sheet(source, &geometry, sheet))
        }
        ImageSpec::Sheet { number } => {
            let display = display_size(track).ok_or(StillsError::NoVideo)?;
            let geometry = Geometry::new(duration_ms, display);
            let sheet = geometry.sheet(number).ok_or(StillsError::NoVideo)?;
            let stills = nearest(&geometry.times_ms(sheet))?;
            (stills, images::plan_sheet(source, &geometry, sheet))
        }
        ImageSpec::Preview { size } => {
            let stills = nearest(&images::preview_times_ms(duration_ms))?;
            (stills, images::plan_preview(source, size))
        }
    })
}
