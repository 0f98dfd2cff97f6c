//! The remuxed movie of a title whose own file does not play, or the progress of the job.
//!
//! The first request for a playlist, manifest or movie enqueues the job. A request for an image does not: a
//! page that lists a library must not cause a transcode of all its titles.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt as _;

use super::{
    Error, Titles,
    artifacts::{ArtifactStatus, Artifacts},
    opened::{Opened, playable},
    readiness::Waiting,
    short_file::read_all,
};
use crate::{
    extent::{Extent, Extents, File, Source as _, disk::Version},
    library::{MediaPath, media_type},
    movie::{Movie, MovieRefused},
    package::inspect::remux::Progress,
    transcode::{
        JobSpec, Operation,
        ffmpeg::{
            demuxer::{self, FIRST_BYTES, UnsupportedFormat},
            feed,
        },
        renditions::{
            remux::REMUX_FILE,
            remux_description::{DESCRIPTION_BYTES_MAX, DESCRIPTION_FILE, RemuxDescription},
        },
    },
};

/// Whether a request starts the remux of its title.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RemuxStart {
    /// A request for a playlist, manifest or movie starts the remux.
    Enqueue,
    /// A request for an image does not.
    Never,
}

/// A remuxed movie.
pub struct Remuxed {
    /// The folder of its artifact.
    pub folder: Arc<Path>,
    /// The movie.
    pub file: Arc<File>,
    /// Its index.
    pub movie: Arc<Movie>,
}

/// Opens the remuxed movie of a file that was refused as a movie itself, or that is a movie which no MP4 can be
/// made of in place: then without a refusal.
pub async fn open(
    titles: &Titles,
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    refused: Option<&MovieRefused>,
    start: RemuxStart,
    waiting: Waiting,
) -> Result<Remuxed, Error> {
    let spec = JobSpec::new(title, version, Operation::Remux);
    let available = titles.artifacts.load_full();
    // During playback a request reads neither the file nor the database.
    let known = available.as_ref().and_then(|artifacts| artifacts.known(&spec.key()));
    let (artifacts, folder) = match (available, known) {
        (Some(artifacts), Some(folder)) => (artifacts, folder),
        (available, _) => {
            waiting.begin().await;
            if let Some(refused) = refused {
                check_convertible(title, file, refused).boxed().await?;
            }
            let artifacts = available.ok_or(Error::DatabaseUnavailable(
                "cannot transcode this title: no database; see the server's log",
            ))?;
            let folder = artifact_folder(&artifacts, spec, start).boxed().await?;
            // The movie tells more of the title than its own file did.
            titles.library.catalog.want_facts(std::iter::once(title.clone()));
            (artifacts, folder)
        }
    };
    let movie = artifacts.open(&folder, REMUX_FILE, waiting).await?;
    let index = titles.file_index(&movie, waiting).await?;
    Ok(Remuxed { folder: folder.into(), file: movie, movie: playable(index)? })
}

/// Reads the description of a title's remuxed movie; `None` if the title's own file plays, or if the
/// description cannot be read: the movie plays without it.
pub async fn description(titles: &Titles, opened: &Opened) -> Option<RemuxDescription> {
    let folder = opened.remuxed.as_ref()?;
    let artifacts = titles.artifacts.load_full()?;
    let read = async {
        let file = artifacts.open(folder, DESCRIPTION_FILE, Waiting::Allowed).await?;
        if file.len() > DESCRIPTION_BYTES_MAX {
            return Err(Error::Unprocessable("its description is too long".to_owned()));
        }
        let json = read_all(&file).await?;
        serde_json::from_slice(&json).map_err(|error| Error::Internal(error.into()))
    };
    match read.boxed().await {
        Ok(description) => Some(description),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot read what a remux left out");
            None
        }
    }
}

/// Opens a file beside a title's remuxed movie.
pub async fn open_beside(titles: &Titles, opened: &Opened, name: &str) -> Result<Arc<File>, Error> {
    let folder = opened.remuxed.as_ref().ok_or(Error::NotFound)?;
    let artifacts = titles.artifacts.load_full().ok_or(Error::NotFound)?;
    artifacts.open(folder, name, Waiting::Allowed).await
}

/// The remux job of a file that was refused as a movie itself, or as [`open`] has it.
pub async fn spec(
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    refused: Option<&MovieRefused>,
) -> Result<JobSpec, Error> {
    if let Some(refused) = refused {
        check_convertible(title, file, refused).await?;
    }
    Ok(JobSpec::new(title, version, Operation::Remux))
}

/// Whether a file that was refused as a movie itself has no remuxed video: it is not remuxed yet, or is audio,
/// whose cover art a remux leaves out. Enqueues no job.
///
/// Fails if no job can remux it.
pub async fn lacks_video(
    titles: &Titles,
    title: &MediaPath,
    (file, refused): (&Arc<File>, &MovieRefused),
) -> Result<bool, Error> {
    let version = titles.version(file);
    if progress(titles, title, (file, version), refused).await?.is_some() {
        return Ok(true);
    }
    let (start, waiting) = (RemuxStart::Never, Waiting::Allowed);
    let remuxed = open(titles, title, (file, version), Some(refused), start, waiting).await?;
    Ok(remuxed.movie.leading_video().is_none())
}

/// How far the remux of a file is, which was refused as a movie itself. Enqueues no job.
///
/// Fails if no job can remux it.
pub async fn progress(
    titles: &Titles,
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    refused: &MovieRefused,
) -> Result<Option<Progress>, Error> {
    check_convertible(title, file, refused).boxed().await?;
    let Some(artifacts) = titles.artifacts.load_full() else {
        return Ok(Some(Progress::Unavailable("the server has no database".to_owned())));
    };
    let spec = JobSpec::new(title, version, Operation::Remux);
    Ok(match artifacts.look_up(&spec).await {
        Ok(None) => Some(Progress::NotStarted),
        Ok(Some(ArtifactStatus::Ready(_))) => None,
        Ok(Some(ArtifactStatus::Pending(job))) => Some(Progress::Running(job.progress.permille)),
        Ok(Some(ArtifactStatus::Failed(why))) => Some(Progress::Failed(why)),
        Ok(Some(ArtifactStatus::Unavailable(what))) | Err(Error::Unavailable(what)) => {
            Some(Progress::Unavailable(what))
        }
        Err(error) => return Err(error),
    })
}

/// Refuses a file that no job can remux.
async fn check_convertible(
    title: &MediaPath,
    file: &Arc<File>,
    refused: &MovieRefused,
) -> Result<(), Error> {
    let unsupported = |why: &dyn std::fmt::Display| Err(Error::Unprocessable(why.to_string()));
    if !media_type::is_title(title.file_name()) {
        return unsupported(refused);
    }
    let extents = Extents::from(Extent::whole(Arc::clone(file) as _));
    let first =
        feed::read_first_bytes(&extents, file.identity().size.min(FIRST_BYTES as u64)).await?;
    match demuxer::detect(&first) {
        // ffmpeg inflates a compressed index.
        Ok("mov") if matches!(refused, MovieRefused::Compressed) => Ok(()),
        // Any other playable MOV would be a movie itself.
        Ok("mov") => unsupported(refused),
        Ok(_) => Ok(()),
        Err(why @ UnsupportedFormat::References(_)) => {
            unsupported(&format_args!("{refused}: {why}"))
        }
        Err(UnsupportedFormat::Unrecognized | UnsupportedFormat::Empty) => {
            unsupported(&format_args!("{refused}, and not in another supported format"))
        }
    }
}

/// The folder of an artifact without which a title does not play.
pub(super) async fn artifact_folder(
    artifacts: &Arc<Artifacts>,
    spec: JobSpec,
    start: RemuxStart,
) -> Result<PathBuf, Error> {
    let status = match start {
        RemuxStart::Enqueue => artifacts.obtain(spec, Duration::ZERO).await?,
        // The title has no images before it was played once.
        RemuxStart::Never => artifacts.look_up(&spec).await?.ok_or(Error::NotFound)?,
    };
    match status {
        ArtifactStatus::Ready(folder) => Ok(folder),
        ArtifactStatus::Pending(job) => {
            Err(Error::Pending { job: job.id, permille: job.progress.permille })
        }
        ArtifactStatus::Failed(why) => {
            Err(Error::Unprocessable(format!("transcoding failed: {why}")))
        }
        ArtifactStatus::Unavailable(what) => {
            Err(Error::Unavailable(format!("cannot transcode this title now: {what}")))
        }
    }
}
