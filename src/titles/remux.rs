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
    titles::artifacts::{Gallery, Stands},
    transcode::{
        MOVIE, Make, Task,
        ffmpeg::{
            feed,
            sniff::{self, FIRST_BYTES, Unknown},
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
    let task = Task::new(title, version, Make::Movie);
    let gallery = site.gallery.load_full();
    // While it plays, neither the file nor the database is asked.
    let known = gallery.as_ref().and_then(|gallery| gallery.known(&task.key()));
    let (gallery, folder) = match (gallery, known) {
        (Some(gallery), Some(folder)) => (gallery, folder),
        (gallery, _) => {
            can_be_made(title, file, refused).await?;
            let gallery = gallery.ok_or(Error::NotReady(
                "this cannot be made playable, because there is no database; the log says why",
            ))?;
            let folder = made(&gallery, task, asking).await?;
            (gallery, folder)
        }
    };
    let movie = gallery.open(&folder, MOVIE).await?;
    let index = site.library.indices.index(&movie).await?;
    Ok((movie, index.map_err(|refused| Error::Unprocessable(refused.to_string()))?))
}

/// The task that makes the movie of a file, which has been refused as one itself.
pub async fn task(
    title: &MediaPath,
    (file, version): (&Arc<File>, Version),
    refused: &MovieRefused,
) -> Result<Task, Error> {
    can_be_made(title, file, refused).await?;
    Ok(Task::new(title, version, Make::Movie))
}

/// As [`open`], if that needs no waiting.
pub fn open_now(
    site: &Site,
    title: &MediaPath,
    version: Version,
) -> Option<(Arc<File>, Arc<Movie>)> {
    let gallery = site.gallery.load_full()?;
    let folder = gallery.known(&Task::new(title, version, Make::Movie).key())?;
    let file = gallery.file_now(&folder.join(MOVIE))?;
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
    let extents = Extents::of(Extent::whole(Arc::clone(file) as _));
    let first = feed::first_bytes(&extents, file.identity().size.min(FIRST_BYTES as u64)).await?;
    match sniff::demuxer(&first) {
        // If it were playable, it would be a movie itself.
        Ok("mov") => no(refused),
        Ok(_) => Ok(()),
        Err(why @ Unknown::Refers(_)) => no(&format_args!("{refused}: {why}")),
        Err(Unknown::Other | Unknown::Empty) => {
            no(&format_args!("{refused}, and of no other kind that is read"))
        }
    }
}

async fn made(gallery: &Arc<Gallery>, task: Task, asking: Asking) -> Result<PathBuf, Error> {
    let stands = match asking {
        Asking::Begins => gallery.obtain(task, Duration::ZERO).await?,
        // There will be something, when somebody has played it.
        Asking::Looks => gallery.look(&task).await?.ok_or(Error::NotFound)?,
    };
    match stands {
        Stands::Made(folder) => Ok(folder),
        Stands::Making(job) => {
            Err(Error::BeingMade { job: job.id, permille: job.progress.permille })
        }
        Stands::Failed(why) => {
            Err(Error::Unprocessable(format!("this cannot be made playable: {why}")))
        }
        Stands::Lacking(what) => {
            Err(Error::Lacking(format!("this cannot be made playable at the moment: {what}")))
        }
    }
}
