//! A title as one MP4 that plays from its first bytes on: whole, or a clip.

use std::sync::Arc;

use futures::FutureExt as _;

use super::{Error, Titles, movie_index::MovieIndex, opened::Opened, readiness::Waiting, segments};
use crate::{
    extent::{Caching, Content, Extent, Extents, Validator},
    library::MediaPath,
    package::{
        clip::{self, Clip},
        faststart::{Faststart, faststart},
        title,
    },
};

/// The most bytes of a file without sample tables in which a request looks for the samples of a clip. For more a
/// job writes tables.
const WALK_BYTES_MAX: u64 = 256 << 20;

/// The most samples, about, of such a clip: some 110 bytes of memory for each, because each block of Matroska is
/// a chunk.
const WALK_SAMPLES_MAX: u64 = 256 << 10;

/// The requested part of a title.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// The start of the part.
    pub start_ms: u64,
    /// The end of the part; `None` for the end of the title.
    pub end_ms: Option<u64>,
    /// The folders of the tracks; empty for all.
    pub tracks: Vec<String>,
}

/// A title, or a part of it, as one MP4, of its own bytes: see [`Titles::progressive`].
pub async fn content(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    selection: Selection,
    waiting: Waiting,
) -> Result<Content, Error> {
    let version = opened.version;
    let (tag, extents) = if selection == Selection::default() && !opened.movie.needs_new_tables() {
        (format!("{version}-play"), whole(titles, opened, waiting).await?)
    } else {
        let clip = resolve(selection, opened)?;
        let places = clip.tracks.iter().map(|place| format!("-{place}")).collect::<String>();
        let (start_ms, end_ms) = (clip.start_ms, clip.end_ms.unwrap_or(0));
        let tag = format!("{version}-play-{start_ms}-{end_ms}{places}");
        (tag, clip_extents(titles, title, opened, clip, waiting).await?)
    };
    Ok(Content {
        extents,
        validator: Some(Validator::new(&tag)),
        last_modified: Some(opened.file.identity().modified()),
        media_type: "video/mp4",
        caching: Caching::File,
    })
}

/// The whole file, with its index in front: read at once if its tables are in memory, else in the disk
/// pool.
async fn whole(titles: &Titles, opened: &Opened, waiting: Waiting) -> Result<Extents, Error> {
    let Opened { file, movie, .. } = opened;
    let cached = titles.cache.faststart(file.identity());
    let kept = match cached.or_else(|| faststart_inline(titles, opened)) {
        Some(kept) => kept,
        None => {
            waiting.begin().await;
            let movie = Arc::clone(movie);
            let read = file.run_in_pool(move |open| {
                let faststart = faststart(&movie, &open.blocking_reader())?;
                open.check().map(|()| faststart)
            });
            titles.cache.keep_faststart(*file.identity(), read.await??)
        }
    };
    match &*kept {
        Some(faststart) => Ok(faststart.extents(file)?),
        None => Ok(Extents::from(Extent::whole(Arc::clone(file) as _))),
    }
}

fn faststart_inline(titles: &Titles, opened: &Opened) -> Option<Arc<Option<Faststart>>> {
    let faststart = faststart(&opened.movie, &opened.file.nonblocking_reader()).ok()?;
    // The cached form is of this state of the file, or of none.
    opened.file.check().ok()?;
    Some(titles.cache.keep_faststart(*opened.file.identity(), faststart))
}

/// A clip of a title. If its samples are in no table, they are found in the file if the clip is short; else an index
/// lists them.
async fn clip_extents(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    clip: Clip,
    waiting: Waiting,
) -> Result<Extents, Error> {
    let Opened { file, movie, .. } = opened;
    let media = clip::media_range(movie, &clip);
    let is_long = media.end.saturating_sub(media.start) > WALK_BYTES_MAX
        || clip::approximate_samples(movie, &clip) > WALK_SAMPLES_MAX;
    let index = match clip::whole(movie) {
        Some(whole) if is_long => {
            let index = MovieIndex::open(titles, title, opened, &whole, waiting);
            let index = index.boxed_local().await?;
            if clip == whole {
                return index.extents(file);
            }
            Some(index)
        }
        _ => None,
    };
    titles.clips.extents(opened, clip, index, waiting).await
}

/// Resolves a selection into a clip of a title.
fn resolve(selection: Selection, opened: &Opened) -> Result<Clip, Error> {
    let movie = &opened.movie;
    let is_encrypted = |place: &usize| movie.tracks[*place].entry.encryption.is_some();
    let has_media = |place: &usize| {
        let track = &movie.tracks[*place];
        track.is_video() || track.is_audio()
    };
    let mut tracks: Vec<usize> = match clip::whole(movie) {
        Some(whole) => whole.tracks,
        None => (0..movie.tracks.len()).collect(),
    };
    if !tracks.iter().any(has_media) {
        return Err(segments::unsupported(movie));
    }
    if !selection.tracks.is_empty() {
        let offered = title::offered(movie);
        let place = |folder: &String| {
            let found = offered.iter().find(|offered| offered.folder == *folder);
            found.map(|offered| offered.place).ok_or_else(|| {
                let known: Vec<&str> =
                    offered.iter().map(|offered| offered.folder.as_str()).collect();
                Error::InvalidParameter(format!(
                    "tracks must be from this list: {}",
                    known.join(", ")
                ))
            })
        };
        tracks = selection.tracks.iter().map(place).collect::<Result<_, _>>()?;
        tracks.sort_unstable();
        tracks.dedup();
    }
    tracks.retain(|place| has_media(place) || !is_encrypted(place));
    // A clip would lose the description of the encryption, which is stored beside the samples.
    if let Some(place) = tracks.iter().find(|place| is_encrypted(place)) {
        let id = movie.tracks[*place].id;
        return Err(Error::Unprocessable(format!(
            "track {id} is encrypted: it cannot be clipped, nor sent unfragmented if it is \
             fragmented; use HLS, DASH or the file itself"
        )));
    }
    Ok(Clip { start_ms: selection.start_ms, end_ms: selection.end_ms, tracks })
}
