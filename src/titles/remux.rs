//! The movie of a title whose own file is none: what a job made of it, or how far that is.
//!
//! It is begun by the first who asks for what plays. Whoever asks for a picture only looks: a page that
//! lists a library must not have all of it encoded.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    extent::{
        Extent, Extents,
        disk::{File, Version},
    },
    http::{Error, Site},
    library::{MediaPath, media_type},
    movie::{Movie, MovieRefused},
    titles::artifacts::{ArtifactStatus, Artifacts},
    transcode::{
        JobSpec, Operation, REMUX_FILE,
        ffmpeg::{
            demuxer::{self, FIRST_BYTES, UnsupportedFormat},
            feed,
        },
    },
};

/// Whether a request begins what it takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asking {
    /// It plays: the movie is made.
    Begins,
    /// It shows what there is.
    Looks,
}

/// Opens the movie that was made of a file, which has been refused as one itself.
pub async fn open(
    site: &Site,
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    refused: &MovieRefused,
    asking: Asking,
) -> Result<(Arc<File>, Arc<Movie>), Error> {
    let spec = JobSpec::new(title, version, Operation::Remux);
    let artifacts = site.artifacts.load_full();
    // While it plays, neither the file nor the database is asked.
    let known = artifacts.as_ref().and_then(|artifacts| artifacts.known(&spec.key()));
    let (artifacts, folder) = match (artifacts, known) {
        (Some(artifacts), Some(folder)) => (artifacts, folder),
        (artifacts, _) => {
            can_be_made(title, file, refused).await?;
            let artifacts = artifacts.ok_or(Error::NotReady(
                "this cannot be made playable, because there is no database; the log says why",
            ))?;
            let folder = made(&artifacts, spec, asking).await?;
            (artifacts, folder)
        }
    };
    let movie = artifacts.open(&folder, REMUX_FILE).await?;
    let index = site.library.indices.index(&movie).await?;
    Ok((movie, index.map_err(|refused| Error::Unprocessable(refused.to_string()))?))
}

/// The task that makes the movie of a file, which has been refused as one itself.
pub async fn spec(
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    refused: &MovieRefused,
) -> Result<JobSpec, Error> {
    can_be_made(title, file, refused).await?;
    Ok(JobSpec::new(title, version, Operation::Remux))
}

/// As [`open`], if that needs no waiting.
pub fn open_now(
    site: &Site,
    title: &MediaPath,
    version: Version,
) -> Option<(Arc<File>, Arc<Movie>)> {
    let artifacts = site.artifacts.load_full()?;
    let folder = artifacts.known(&JobSpec::new(title, version, Operation::Remux).key())?;
    let file = artifacts.file_now(&folder.join(REMUX_FILE))?;
    let movie = site.library.indices.get(&file)?.ok()?;
    Some((file, movie))
}

/// Refuses at once what no job could make a movie of.
async fn can_be_made(
    title: &MediaPath,
    file: &Arc<File>,
    refused: &MovieRefused,
) -> Result<(), Error> {
    let no = |why: &dyn std::fmt::Display| Err(Error::Unprocessable(why.to_string()));
    if !media_type::is_title(title.file_name()) {
        return no(refused);
    }
    let extents = Extents::from(Extent::whole(Arc::clone(file) as _));
    let first =
        feed::read_first_bytes(&extents, file.identity().size.min(FIRST_BYTES as u64)).await?;
    match demuxer::detect(&first) {
        // If it were playable, it would be a movie itself.
        Ok("mov") => no(refused),
        Ok(_) => Ok(()),
        Err(why @ UnsupportedFormat::References(_)) => no(&format_args!("{refused}: {why}")),
        Err(UnsupportedFormat::Unrecognized | UnsupportedFormat::Empty) => {
            no(&format_args!("{refused}, and of no other kind that is read"))
        }
    }
}

async fn made(artifacts: &Arc<Artifacts>, spec: JobSpec, asking: Asking) -> Result<PathBuf, Error> {
    let stands = match asking {
        Asking::Begins => artifacts.obtain(spec, Duration::ZERO).await?,
        // There will be something, when somebody has played it.
        Asking::Looks => artifacts.look(&spec).await?.ok_or(Error::NotFound)?,
    };
    match stands {
        ArtifactStatus::Ready(folder) => Ok(folder),
        ArtifactStatus::Pending(job) => {
            Err(Error::BeingMade { job: job.id, permille: job.progress.permille })
        }
        ArtifactStatus::Failed(why) => {
            Err(Error::Unprocessable(format!("this cannot be made playable: {why}")))
        }
        ArtifactStatus::Unavailable(what) => {
            Err(Error::Lacking(format!("this cannot be made playable at the moment: {what}")))
        }
    }
}
