//! What lists show of a title's media: kind, duration, size, dynamic range.

use std::{sync::Arc, time::Instant};

use super::{Error, Titles, opened::Opened, readiness::Waiting, remux::RemuxStart};
use crate::{
    extent::{File, ReadError},
    library::{Facts, MediaPath, Title, TitleKind, sidecars::is_set},
    movie::{
        Movie, Track,
        codec::{Media, VideoRange},
        heads::mp4_cover,
    },
    package::{inspect::foreign::Foreign, stills, storyboard::display_size, title},
};

/// Reads the facts of a title; of a set, those of its leading member. Starts no job: until a file in another
/// container is remuxed, they are what its head and its name tell.
///
/// Fails if the file cannot be read now, or is of another version than the title.
pub async fn read(titles: &Titles, title: &Title) -> Result<Facts, Error> {
    let path = &title.path;
    let opened = async {
        if is_set(path) {
            let set = titles.open_set(path).await?.ok_or(Error::NotFound)?;
            return Ok(set.leading.opened);
        }
        let (file, index) = titles.index(path, Waiting::Allowed).await?;
        // A file that is open still may be the one that was replaced.
        if file.identity().version() != title.version {
            return Err(Error::NotReady("the file is being replaced"));
        }
        let (start, begun) = (RemuxStart::Never, Instant::now());
        titles.open_indexed(path, (file, index), start, begun, Waiting::Allowed).await
    };
    match opened.await {
        Ok(opened) if opened.remuxed.is_none() => of_opened(&opened).await,
        Ok(opened) => Ok(from_remuxed(&opened.movie, path, read_head(titles, path).await.as_ref())),
        Err(
            error @ (Error::Growing
            | Error::Read(ReadError::Changed)
            | Error::StorageUnavailable(_)
            | Error::Busy
            | Error::NotReady(_)),
        ) => Err(error),
        Err(_not_playable) => Ok(from_head(path, read_head(titles, path).await.as_ref())),
    }
}

/// The facts of a file that is a movie itself.
pub async fn of_opened(opened: &Opened) -> Result<Facts, Error> {
    let facts = from_movie(&opened.movie);
    let has_poster = facts.has_poster || has_cover(&opened.file, &opened.movie).await?;
    Ok(Facts { has_poster, ..facts })
}

/// The facts of a movie.
pub fn from_movie(movie: &Movie) -> Facts {
    let has_audio = movie.tracks.iter().any(Track::is_audio);
    // One frame beside audio is cover art.
    let is_cover = |track: &Track| has_audio && track.index.presented_samples <= 1;
    let video =
        movie.leading_video().map(|place| &movie.tracks[place]).filter(|track| !is_cover(track));
    let range = video.and_then(|track| match &track.entry.media {
        Media::Video(video) => Some(video.range),
        _ => None,
    });
    Facts {
        kind: if video.is_some() { TitleKind::Video } else { TitleKind::Audio },
        duration_ms: Some(title::duration_ms(movie)).filter(|duration_ms| *duration_ms > 0),
        size: video.and_then(|track| track.shape?.displayed()),
        is_hdr: range.map(|range| range != VideoRange::Sdr),
        has_poster: stills::track(movie).is_ok_and(|track| display_size(track).is_some()),
    }
}

/// Whether an MP4 without video carries cover art.
pub async fn has_cover(file: &Arc<File>, movie: &Movie) -> Result<bool, Error> {
    if movie.leading_video().is_some() || movie.mp4().is_none() {
        return Ok(false);
    }
    let reading = file.run_in_pool(|open| {
        let has_cover = mp4_cover::is_there(&open.blocking_reader())?;
        open.check().map(|()| has_cover)
    });
    Ok(reading.await??)
}

/// The facts of a movie that was remuxed from a file with this head: a remux leaves out cover art.
pub fn from_remuxed(movie: &Movie, title: &MediaPath, head: Option<&Foreign>) -> Facts {
    let facts = from_movie(movie);
    Facts { has_poster: facts.has_poster || from_head(title, head).has_poster, ..facts }
}

/// Reads the head of a file in another container than MP4; `None` if it is none, or cannot be read: then the
/// name has to do.
async fn read_head(titles: &Titles, title: &MediaPath) -> Option<Foreign> {
    let file = titles.file(title, Waiting::Allowed).await.ok()?;
    foreign(&file).await.ok().flatten()
}

/// The head of a file in another container than MP4; `None` if it is none.
pub async fn foreign(file: &Arc<File>) -> Result<Option<Foreign>, Error> {
    let reading = file.run_in_pool(|open| {
        let foreign = Foreign::read(&open.blocking_reader())?;
        open.check().map(|()| foreign)
    });
    Ok(reading.await??)
}

/// What the head of a file that is no movie itself tells, and else its name.
pub fn from_head(title: &MediaPath, head: Option<&Foreign>) -> Facts {
    let named = from_name(title);
    let Some(head) = head else { return named };
    let kind = match head.has_video {
        Some(true) => TitleKind::Video,
        Some(false) => TitleKind::Audio,
        None => named.kind,
    };
    Facts {
        kind,
        duration_ms: head.duration_ms,
        size: head.size,
        is_hdr: head.is_hdr,
        has_poster: head.has_cover || kind == TitleKind::Video && !head.is_broken(),
    }
}

/// What the name of a file that does not play tells.
fn from_name(title: &MediaPath) -> Facts {
    let kind = TitleKind::from_name(title);
    Facts { kind, duration_ms: None, size: None, is_hdr: None, has_poster: false }
}

impl Titles {
    /// Whether a title with these facts has a poster: its file has what one shows, and jobs can render it.
    pub fn has_poster(&self, facts: Option<Facts>) -> bool {
        facts.is_some_and(|facts| facts.has_poster) && self.transcoding().is_ok()
    }
}
