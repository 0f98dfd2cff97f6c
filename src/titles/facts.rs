//! What lists tell of a title's media: kind, duration, size, dynamic range.

use std::{sync::Arc, time::Instant};

use super::{Error, Titles, readiness::Waiting, remux::RemuxStart};
use crate::{
    library::{
        Facts, MediaPath, TitleKind,
        media_type::{self, Kind},
        sidecars::is_set,
    },
    movie::{
        Movie, Track,
        codec::{Media, VideoRange},
    },
    package::{
        inspect::{self, foreign::Foreign},
        storyboard::display_size,
    },
};

/// Reads the facts of a title; of a set, those of its leading member. Starts no job: of a file in another
/// container that is not remuxed, only what its head tells is known.
///
/// Fails if the file cannot be read now.
pub async fn read(titles: &Titles, title: &MediaPath) -> Result<Facts, Error> {
    let facts =
        if is_set(title) { of_set(titles, title).await } else { of_file(titles, title).await };
    match facts {
        Err(
            error @ (Error::Growing
            | Error::StorageUnavailable(_)
            | Error::Busy
            | Error::NotReady(_)),
        ) => Err(error),
        Err(_not_readable) => Ok(from_name(title)),
        Ok(facts) => Ok(facts),
    }
}

async fn of_set(titles: &Titles, title: &MediaPath) -> Result<Facts, Error> {
    let set = titles.open_set(title).await?.ok_or(Error::NotFound)?;
    Ok(from_movie(&set.leading.opened.movie))
}

async fn of_file(titles: &Titles, title: &MediaPath) -> Result<Facts, Error> {
    let (file, index) = titles.index(title, Waiting::Allowed).await?;
    let is_refused = index.is_err();
    let (start, begun) = (RemuxStart::Never, Instant::now());
    let indexed = (Arc::clone(&file), index);
    match titles.open_indexed(title, indexed, start, begun, Waiting::Allowed).await {
        Ok(opened) => Ok(from_movie(&opened.movie)),
        Err(_no_movie) if is_refused => {
            let reading = file.run_in_pool(|open| {
                let foreign = Foreign::read(&open.blocking_reader())?;
                open.check().map(|()| foreign)
            });
            let foreign = reading.await??;
            Ok(foreign.as_ref().and_then(from_head).unwrap_or_else(|| from_name(title)))
        }
        Err(error) => Err(error),
    }
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
        duration_ms: Some(inspect::duration_ms(movie)).filter(|duration_ms| *duration_ms > 0),
        size: video.and_then(display_size),
        is_hdr: range.map(|range| range != VideoRange::Sdr),
    }
}

/// The facts in the head of a file in another container; `None` if it does not tell whether there is video.
pub fn from_head(foreign: &Foreign) -> Option<Facts> {
    let kind = if foreign.has_video? { TitleKind::Video } else { TitleKind::Audio };
    let Foreign { duration_ms, size, is_hdr, .. } = *foreign;
    Some(Facts { kind, duration_ms, size, is_hdr })
}

/// What the name of a file that does not play tells.
fn from_name(title: &MediaPath) -> Facts {
    let kind = match media_type::lookup(title.file_name()) {
        Some((_, Kind::Audio)) => TitleKind::Audio,
        _ => TitleKind::Video,
    };
    Facts { kind, duration_ms: None, size: None, is_hdr: None }
}
