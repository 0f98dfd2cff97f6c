//! Images of a title, which jobs render at the first request.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;

use super::{
    Error, Titles,
    artifacts::{ArtifactStatus, Artifacts},
    facts,
    opened::Opened,
    readiness::Waiting,
};
use crate::{
    extent::{Caching, Content, Extent, Extents, File, Validator, disk::Version},
    library::MediaPath,
    package::{
        stills::{self, StillsError},
        storyboard::{Geometry, ImageFormat, Storyboard, bif, display_size},
        title,
    },
    transcode::{ImageSpec, JobSpec, Operation},
};

/// The images of a title.
pub struct TitleImages<'a> {
    titles: &'a Titles,
    title: &'a MediaPath,
    opened: &'a Opened,
    /// The relative URL from the view to the title's own folder: empty, except for a set.
    prefix: &'a str,
    /// The place of the video track in the movie.
    place: usize,
    /// The display size of its frames.
    pub display: (u32, u32),
}

/// The storyboard of a title, if it has video and jobs can run here.
pub fn storyboard(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    prefix: &str,
) -> Option<Storyboard> {
    let artifacts = titles.artifacts.load_full()?;
    if artifacts.unavailable.is_some() {
        return None;
    }
    Some(TitleImages::new(titles, title, opened, prefix).ok()?.storyboard())
}

impl<'a> TitleImages<'a> {
    /// The images of a title. Fails if the title has none.
    pub fn new(
        titles: &'a Titles,
        title: &'a MediaPath,
        opened: &'a Opened,
        prefix: &'a str,
    ) -> Result<Self, Error> {
        let movie = &opened.movie;
        let track = stills::track(movie)?;
        let display = display_size(track).ok_or(StillsError::NoVideo)?;
        let place = movie.tracks.iter().position(|other| std::ptr::eq(other, track));
        let place = place.expect("a track of this movie");
        Ok(Self { titles, title, opened, prefix, place, display })
    }

    /// The geometry of the storyboard, which is known before any sheet is rendered.
    pub fn storyboard(&self) -> Storyboard {
        Storyboard {
            prefix: self.prefix.to_owned(),
            version: JobSpec::image_version(self.opened.source).to_string(),
            geometry: Geometry::new(title::duration_ms(&self.opened.movie), self.display),
        }
    }

    /// The time of the frame for a thumbnail at this time: the frame itself if `exact`, else the key frame
    /// at the start of its segment. So an image has one name, for all times that select its frame, and a
    /// title has few images, however many times are requested.
    pub async fn frame_ms(&self, time_ms: u64, exact: bool) -> Result<u64, Error> {
        let (movie, place) = (Arc::clone(&self.opened.movie), self.place);
        if !exact {
            return Ok(stills::segment_start_ms(&movie.tracks[place], time_ms));
        }
        let found = self.opened.file.run_in_pool(move |open| {
            let stills = stills::exact(&movie.tracks[place], time_ms, &open.blocking_reader())?;
            Ok::<_, StillsError>(stills.times_ms.get(stills.second as usize).copied())
        });
        found.await??.ok_or(Error::NotFound)
    }

    /// The file `name` of an image's artifact; `None` if its job does not end within the timeout.
    pub async fn image(
        &self,
        image: ImageSpec,
        name: &str,
        format: ImageFormat,
        caching: Caching,
        wait_timeout: Duration,
    ) -> Result<Option<Content>, Error> {
        rendered(&artifacts(self.titles)?, self.spec(image), name, format, caching, wait_timeout)
            .await
    }

    /// All tiles of all sheets in one BIF file; `None` if a sheet's job does not end within the timeout.
    pub async fn bif(&self, wait_timeout: Duration) -> Result<Option<Content>, Error> {
        let (artifacts, storyboard) = (artifacts(self.titles)?, self.storyboard());
        let geometry = storyboard.geometry;
        // Enqueues all jobs before it waits for any.
        let sheets = (1..=geometry.sheets())
            .map(|number| artifacts.obtain(self.spec(ImageSpec::Sheet { number }), wait_timeout));
        let mut tiles = Vec::new();
        for (number, status) in (1..).zip(try_join_all(sheets).await?) {
            let Some(folder) = folder_if_ready(status)? else {
                return Ok(None);
            };
            let sheet = geometry.sheet(number).ok_or(Error::NotFound)?;
            for tile in 1..=sheet.tiles {
                let name = format!("{tile}.jpg");
                let file = artifacts.open(&folder, &name, Waiting::Allowed).await?;
                tiles.push(Extent::whole(file));
            }
        }
        let extents = bif::build(geometry.interval_ms, tiles);
        Ok(Some(Content {
            extents: extents.map_err(|error| Error::Unprocessable(error.to_string()))?,
            validator: Some(Validator::new(&format!("{}-bif", storyboard.version))),
            last_modified: Some(self.opened.file.identity().modified()),
            media_type: "application/octet-stream",
            caching: Caching::File,
        }))
    }

    fn spec(&self, image: ImageSpec) -> JobSpec {
        JobSpec::new(self.title, self.opened.source, Operation::Image(image))
    }
}

/// The poster of a file that is no movie itself; `None` if its job does not end within the timeout.
pub async fn source_poster(
    titles: &Titles,
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    width: u32,
    wait_timeout: Duration,
) -> Result<Option<Content>, Error> {
    let spec = JobSpec::new(title, version, Operation::SourcePoster { width });
    let artifacts = artifacts(titles)?;
    // A folder of broken files must not occupy the image slots.
    if !artifacts.is_known(&spec.key())
        && facts::foreign(file).await?.is_some_and(|head| head.is_broken())
    {
        return Err(not_rendered("its head names no tracks"));
    }
    let (format, caching) = (ImageFormat::Jpg, Caching::File);
    rendered(&artifacts, spec, "poster.jpg", format, caching, wait_timeout).await
}

fn not_rendered(why: &str) -> Error {
    Error::Unprocessable(format!("cannot render this image: {why}"))
}

fn artifacts(titles: &Titles) -> Result<Arc<Artifacts>, Error> {
    let none =
        Error::DatabaseUnavailable("cannot render this image: no database; see the server's log");
    titles.artifacts.load_full().ok_or(none)
}

/// The file `name` of a job's artifact; `None` if the job does not end within the timeout.
async fn rendered(
    artifacts: &Arc<Artifacts>,
    spec: JobSpec,
    name: &str,
    format: ImageFormat,
    caching: Caching,
    wait_timeout: Duration,
) -> Result<Option<Content>, Error> {
    let tag = format!("{}-{}", spec.key(), name.replace('.', "-"));
    let status = artifacts.obtain(spec, wait_timeout).await?;
    let Some(file) = open_if_ready(artifacts, status, name).await? else {
        return Ok(None);
    };
    Ok(Some(Content {
        validator: Some(Validator::new(&tag)),
        last_modified: Some(file.identity().modified()),
        extents: Extents::from(Extent::whole(file)),
        media_type: match format {
            ImageFormat::Jpg => "image/jpeg",
            ImageFormat::Webp => "image/webp",
        },
        caching,
    }))
}

async fn open_if_ready(
    artifacts: &Artifacts,
    status: ArtifactStatus,
    name: &str,
) -> Result<Option<Arc<File>>, Error> {
    match folder_if_ready(status)? {
        Some(folder) => artifacts.open(&folder, name, Waiting::Allowed).await.map(Some),
        None => Ok(None),
    }
}

/// The folder of an image's artifact; `None` while its job is pending.
fn folder_if_ready(status: ArtifactStatus) -> Result<Option<std::path::PathBuf>, Error> {
    match status {
        ArtifactStatus::Ready(folder) => Ok(Some(folder)),
        ArtifactStatus::Pending(_) => Ok(None),
        ArtifactStatus::Failed(why) => Err(not_rendered(&why)),
        ArtifactStatus::Unavailable(what) => {
            Err(Error::Unavailable(format!("cannot render this image now: {what}")))
        }
    }
}
