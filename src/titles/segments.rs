//! Init segments, media segments and I-frames of a track.

use std::sync::Arc;

use super::{Error, Titles, gathered_cache::GatheredCache, opened::Opened, readiness::Waiting};
use crate::{
    extent::{Caching, Content, Extent, Extents, File, ReadAt, ReadError, Source, Validator},
    movie::{Movie, Track, WalkedSegment},
    package::{cmaf, title},
};

/// Media types of segments (ISO/IEC 23000-19 section 7.3; HTTP.md, C2).
const VIDEO: &str = "video/mp4";
const AUDIO: &str = "audio/mp4";

/// The most samples of a segment whose header an I/O thread writes, which takes some hundred microseconds.
const INLINE_SAMPLES_MAX: u32 = 8192;

/// A file of a track. Segments are numbered from 0.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SegmentFile {
    /// The init segment.
    Init,
    /// A media segment.
    Media(usize),
    /// The key frame of a media segment.
    IFrame(usize),
}

/// A file of the track with this folder: from the cache of gathered segments if there is one, else written at once
/// if what it is written from is in memory, else in the disk pool.
pub async fn content(
    titles: &Titles,
    opened: &Opened,
    gathered: Option<&GatheredCache>,
    folder: &str,
    file: SegmentFile,
    waiting: Waiting,
) -> Result<Content, Error> {
    let track = title::find_track(&opened.movie, folder).ok_or(Error::NotFound)?;
    let extents = match (file, gathered) {
        (SegmentFile::Media(number), Some(gathered)) => {
            media(titles, opened, gathered, track, number, waiting).await?
        }
        _ => packaged(titles, opened, track, file, waiting).await?,
    };
    let version = opened.version;
    let tag = match file {
        SegmentFile::Init => format!("{version}-{folder}-init"),
        SegmentFile::Media(index) => format!("{version}-{folder}-{}", index + 1),
        SegmentFile::IFrame(index) => format!("{version}-{folder}-i-{}", index + 1),
    };
    Ok(Content {
        extents,
        validator: Some(Validator::new(&tag)),
        last_modified: Some(opened.file.identity().modified()),
        media_type: if track.is_video() { VIDEO } else { AUDIO },
        caching: Caching::Immutable,
    })
}

/// A media segment, from the cache or for it.
async fn media(
    titles: &Titles,
    opened: &Opened,
    gathered: &GatheredCache,
    track: &Track,
    number: usize,
    waiting: Waiting,
) -> Result<Extents, Error> {
    let key = (*opened.file.identity(), opened.place(track), number);
    if let Some(extents) = gathered.get(&opened.file, &key) {
        return Ok(extents);
    }
    let extents = packaged(titles, opened, track, SegmentFile::Media(number), waiting).await?;
    Ok(gathered.admit(&opened.file, key, extents))
}

/// A file of a track, written from its movie.
async fn packaged(
    titles: &Titles,
    opened: &Opened,
    track: &Track,
    file: SegmentFile,
    waiting: Waiting,
) -> Result<Extents, Error> {
    let walked = match file {
        SegmentFile::IFrame(_) if !track.is_video() => return Err(Error::NotFound),
        SegmentFile::Media(number) | SegmentFile::IFrame(number) => {
            titles.walked.segment(opened, track, number, waiting).await?
        }
        SegmentFile::Init => None,
    };
    let extents = match walked {
        Some(walked) => walked_extents(opened, track, file, walked, waiting).await?,
        None => extents(opened, track, file, waiting).await?,
    };
    let extents = extents.ok_or(Error::NotFound)?;
    if let SegmentFile::Media(number) = file {
        announce(&opened.file, track, number, &extents);
    }
    Ok(extents)
}

async fn extents(
    opened: &Opened,
    track: &Track,
    file: SegmentFile,
    waiting: Waiting,
) -> Result<Option<Extents>, Error> {
    let source: Arc<dyn Source> = Arc::clone(&opened.file) as _;
    if !is_long(track, file) {
        match write(&opened.movie, track, file, &source, &opened.file.nonblocking_reader()) {
            Err(error) if error.would_wait() => {}
            written => return Ok(written?),
        }
    }
    waiting.begin().await;
    let (movie, place) = (Arc::clone(&opened.movie), opened.place(track));
    let written = opened.file.run_in_pool(move |open| {
        write(&movie, &movie.tracks[place], file, &source, &open.blocking_reader())
    });
    Ok(written.await??)
}

/// Announces a segment to a file in a bucket, and the next one if the client plays the track in order: then the
/// bytes in front of this one are there.
fn announce(file: &File, track: &Track, number: usize, extents: &Extents) {
    if file.changeable().is_some() {
        return;
    }
    let Some(span) = cmaf::samples_span(extents) else { return };
    let is_in_order = file.can_begin(span.start.saturating_sub(1));
    file.expect(&span);
    if is_in_order && let Some(next) = cmaf::next_samples_span(track, number, &span) {
        file.expect(&next);
    }
}

/// Whether a segment's header takes too long to write for an I/O thread.
fn is_long(track: &Track, file: SegmentFile) -> bool {
    let (SegmentFile::Media(number) | SegmentFile::IFrame(number)) = file else {
        return false;
    };
    let (Some(measured), Some(end)) = (track.measured(number), track.segment_end(number)) else {
        return false;
    };
    let samples = end.saturating_sub(measured.first_sample);
    samples.saturating_add(measured.samples_before()) > INLINE_SAMPLES_MAX
}

fn write<R: ReadAt + ?Sized>(
    movie: &Movie,
    track: &Track,
    file: SegmentFile,
    source: &Arc<dyn Source>,
    reader: &R,
) -> Result<Option<Extents>, ReadError> {
    match file {
        SegmentFile::Init => {
            let init = cmaf::init(track, &movie.protection);
            Ok(Some(Extents::from(Extent::Memory(init.into()))))
        }
        SegmentFile::Media(number) => cmaf::segment(track, number, source, reader),
        SegmentFile::IFrame(number) if track.is_video() => {
            cmaf::iframe(track, number, source, reader)
        }
        SegmentFile::IFrame(_) => Ok(None),
    }
}

/// A segment whose samples are in memory: written at once if they are few, else on a thread for computing.
async fn walked_extents(
    opened: &Opened,
    track: &Track,
    file: SegmentFile,
    walked: Arc<WalkedSegment>,
    waiting: Waiting,
) -> Result<Option<Extents>, Error> {
    let source: Arc<dyn Source> = Arc::clone(&opened.file) as _;
    if track.walked_count(&walked) <= INLINE_SAMPLES_MAX as usize {
        return Ok(write_walked(track, file, &source, &walked)?);
    }
    waiting.begin().await;
    let (movie, place) = (Arc::clone(&opened.movie), opened.place(track));
    let written =
        opened.file.compute(move |_| write_walked(&movie.tracks[place], file, &source, &walked));
    Ok(written.await??)
}

fn write_walked(
    track: &Track,
    file: SegmentFile,
    source: &Arc<dyn Source>,
    walked: &WalkedSegment,
) -> Result<Option<Extents>, ReadError> {
    match file {
        SegmentFile::Media(number) => cmaf::walked_segment(track, number, source, walked),
        SegmentFile::IFrame(number) if track.is_video() => {
            cmaf::walked_iframe(track, number, source, walked)
        }
        SegmentFile::IFrame(_) | SegmentFile::Init => Ok(None),
    }
}

/// The error for a movie without a track that can be sent in segments.
pub fn unsupported(movie: &Movie) -> Error {
    let reason = |track: &Track| {
        let why = track.entry.packageable().err()?;
        Some(format!("track {}: {why}", track.id))
    };
    let read = movie.tracks.iter().filter_map(reason);
    let left_out = movie.left_out.iter().map(|track| format!("track {}: {}", track.id, track.why));
    let reasons: Vec<String> = read.chain(left_out).collect();
    if reasons.is_empty() {
        // All tracks can be sent, so the requested one does not exist.
        return Error::NotFound;
    }
    Error::Unprocessable(format!("no track can be sent in segments: {}", reasons.join("; ")))
}
