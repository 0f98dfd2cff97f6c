//! Invariants of any movie file, its segments and its clips.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use headwater::{
    extent::{Extent, Extents, ReadAt as _, ReadError, Source},
    movie::{Movie, Track},
    package::{
        clip::{self, Clip, ClipRefused, Layout},
        cmaf,
    },
};

/// Segment grid, in milliseconds: fine enough that small files have several segments.
const GRID_MS: NonZeroU32 = NonZeroU32::new(500).expect("not zero");

/// The largest index, in bytes of memory.
const INDEX_BYTES_MAX: usize = 32 << 20;

/// The largest response header in memory, in bytes.
const HEADER_BYTES_MAX: usize = 32 << 20;

/// The most segments built per track. Each walks over all earlier samples of its fragment.
const SEGMENTS_CHECKED_MAX: usize = 50;

/// A file in memory.
#[derive(Debug)]
struct Memory(Bytes);

impl Source for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let at = |offset| usize::try_from(offset).expect("an offset in memory");
        Ok(Some(self.0.slice(at(range.start)..at(range.end))))
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        Box::pin(async move { self.read_now(range).map(|bytes| bytes.expect("in memory")) })
    }
}

/// Checks a file.
pub fn check_movie(input: &[u8]) {
    // Reads from memory cannot fail inside the file.
    let read = Movie::read(input, GRID_MS).expect("all reads are inside the file");
    let movie = match read {
        Ok(movie) => movie,
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
            return;
        }
    };
    assert!(!movie.tracks.is_empty() && movie.bytes() <= INDEX_BYTES_MAX, "{}", movie.bytes());
    let file: Arc<dyn Source> = Arc::new(Memory(Bytes::copy_from_slice(input)));
    for track in &movie.tracks {
        match track.text_blocks() {
            Some(blocks) => drop(blocks.read(input).expect("all reads are inside the file")),
            None => check_segments(&movie, track, input, &file),
        }
    }
    if movie.mp4().is_none() {
        return;
    }
    let all: Vec<usize> = (0..movie.tracks.len()).collect();
    for (start_ms, end_ms, tracks) in [
        (0, None, &all[..]),
        (1000, Some(2000), &all[..]),
        (300, Some(900), &all[..1]),
        (u64::MAX - 1, Some(u64::MAX), &all[..]),
    ] {
        let wanted = Clip { start_ms, end_ms, tracks: tracks.to_vec() };
        // Near the latest valid time, rounding to the movie's milliseconds exceeds it.
        let is_late = movie.tracks.iter().any(|track| track.index.end > 1 << 59);
        let refused_early = clip::check(&movie, &wanted).is_err();
        match clip::select(&movie, &wanted, input) {
            Ok(selection) => {
                assert!(!refused_early, "{wanted:?}");
                check_clip(&selection.layout(&movie), &file, input, is_late);
            }
            Err(ClipRefused::Read(error)) => panic!("{wanted:?}: {error}"),
            Err(refused) => assert!(!refused.to_string().is_empty()),
        }
    }
}

fn check_segments(movie: &Movie, track: &Track, input: &[u8], file: &Arc<dyn Source>) {
    let init = cmaf::init(track, &movie.protection);
    assert_eq!(kinds(&init), ["ftyp", "moov"]);
    let silence = track.silence().map(|frame| &frame[..]);
    let segments = &track.index.segments;
    assert!(!segments.is_empty());
    assert!(
        segments.windows(2).all(|two| two[0].start < two[1].start),
        "a segment without duration"
    );
    assert!(segments[0].start >= 0);
    let measured = &track.index.measured;
    if measured.is_empty() {
        return check_cuts(track, input, file);
    }
    assert_eq!(measured.len(), segments.len());
    let payload: u64 = measured.iter().map(|segment| segment.totals.payload_bytes).sum();
    assert!(payload <= track.index.bytes, "the segments exceed the samples");
    // A sanitizer takes seconds for all of very many.
    let step = segments.len().div_ceil(SEGMENTS_CHECKED_MAX);
    for (number, segment) in segments.iter().enumerate().step_by(step) {
        let end = track.segment_end_time(number).expect("an existing segment");
        assert!(end > segment.start, "segment {number} has no duration");
        let media = cmaf::segment(track, number, file, input)
            .expect("all reads are inside the file")
            .expect("an existing segment");
        assert_eq!(Some(media.len()), cmaf::segment_len(track, number), "segment {number}");
        check_fragment(&media, measured[number].totals.payload_bytes, silence);
        let key_frame = cmaf::iframe(track, number, file, input)
            .expect("all reads are inside the file")
            .expect("an existing segment");
        assert_eq!(Some(key_frame.len()), cmaf::iframe_len(track, number), "key frame {number}");
        check_fragment(&key_frame, u64::from(measured[number].totals.first_bytes), silence);
    }
    let end = segments.len();
    assert!(cmaf::segment(track, end, file, input).expect("nothing is read").is_none());
    assert!(cmaf::segment_len(track, end).is_none());
}

/// Checks the segments of a track whose samples are known only after a walk.
fn check_cuts(track: &Track, input: &[u8], file: &Arc<dyn Source>) {
    let step = track.index.segments.len().div_ceil(SEGMENTS_CHECKED_MAX).max(1);
    for number in (0..track.index.segments.len()).step_by(step) {
        let mut walk = track.walk_segment(input, number);
        let (mut payload, mut first_bytes) = (0, None);
        while let Some(sample) = walk.next_sample().expect("all reads are inside the file") {
            payload += u64::from(sample.size);
            first_bytes.get_or_insert(u64::from(sample.size));
        }
        let media = cmaf::segment(track, number, file, input);
        let media = media.expect("all reads are inside the file").expect("an existing segment");
        check_lengths(&media, payload);
        let key_frame = cmaf::iframe(track, number, file, input);
        let key_frame =
            key_frame.expect("all reads are inside the file").expect("an existing segment");
        check_lengths(&key_frame, first_bytes.unwrap_or(0));
    }
}

/// Checks a media segment: its boxes in memory, and the length of what follows them.
fn check_lengths(media: &Extents, payload: u64) {
    let Some(Extent::Memory(header)) = media.iter().next() else {
        panic!("a segment starts with a header in memory");
    };
    let mdat = if payload > u64::from(u32::MAX) - 8 { 16 } else { 8 };
    let moof = u32::from_be_bytes(header[..4].try_into().expect("four bytes"));
    assert_eq!(header.len() as u64, u64::from(moof) + mdat, "one moof and the header of mdat");
    assert_eq!(media.len(), header.len() as u64 + payload);
}

/// Checks a media segment: `moof` and `mdat` header in memory, then the samples, of the file or silent.
fn check_fragment(media: &Extents, payload: u64, silence: Option<&[u8]>) {
    let mut extents = media.iter();
    let Some(Extent::Memory(header)) = extents.next() else {
        panic!("a segment starts with a header in memory");
    };
    assert!(
        extents.all(|extent| match extent {
            Extent::Source { .. } => true,
            // Frames of silence, one after another.
            Extent::Memory(bytes) => silence.is_some_and(|frame| {
                let mut frames = bytes.chunks(frame.len());
                frames.all(|bytes| bytes == frame)
            }),
        }),
        "samples in memory that are no silence"
    );
    assert!(media.bytes_in_memory() <= HEADER_BYTES_MAX, "{}", media.bytes_in_memory());
    assert_eq!(header.len() as u64 + payload, media.len());
    let (boxes, end) = walk(header, media.len());
    assert_eq!(boxes.iter().map(|part| part.0).collect::<Vec<_>>(), [*b"moof", *b"mdat"]);
    assert_eq!(end, media.len(), "the box sizes differ from the length");
    let moof = &header[boxes[0].1.clone()];
    let (inside, end) = walk(&moof[8..], moof.len() as u64 - 8);
    assert_eq!(inside.iter().map(|part| part.0).collect::<Vec<_>>(), [*b"mfhd", *b"traf"]);
    assert_eq!(end, moof.len() as u64 - 8);
}

/// Checks a clip: it is a movie of the declared length.
fn check_clip(clip: &Layout, file: &Arc<dyn Source>, input: &[u8], is_late: bool) {
    assert!(clip.bytes() <= HEADER_BYTES_MAX, "{}", clip.bytes());
    if clip.len() > 4 << 20 {
        return;
    }
    let mut extents = Extents::default();
    while extents.len() < clip.len() {
        let window = clip.window(extents.len()..clip.len(), file).expect("ranges of the file");
        assert!(!window.is_empty());
        extents.append(window).expect("a short list");
    }
    let mut whole = Vec::new();
    for extent in extents.iter() {
        match extent {
            Extent::Memory(bytes) => whole.extend_from_slice(bytes),
            Extent::Source { range, .. } => {
                let at = |offset| usize::try_from(offset).expect("an offset in memory");
                whole.extend_from_slice(&input[at(range.start)..at(range.end)]);
            }
        }
    }
    assert_eq!(whole.len() as u64, clip.len());
    assert_eq!(kinds(&whole), ["ftyp", "moov", "mdat"]);
    let read = Movie::read(&whole[..], GRID_MS).expect("all reads are inside the file");
    if is_late {
        return;
    }
    let movie = read.expect("a clip is a movie");
    assert_eq!(movie.left_out, [], "all tracks of a clip are playable");
    assert!(movie.tracks.iter().all(|track| track.index.fault.is_none()));
}

/// The types of boxes that fill these bytes exactly.
fn kinds(bytes: &[u8]) -> Vec<String> {
    let (boxes, end) = walk(bytes, bytes.len() as u64);
    assert_eq!(end, bytes.len() as u64, "the sizes do not add up");
    boxes.iter().map(|part| String::from_utf8_lossy(&part.0).into_owned()).collect()
}

/// A box's type and range.
type BoxRange = ([u8; 4], Range<usize>);

/// The boxes of data of this length, of which only the first bytes are given, and the end of the last box.
fn walk(bytes: &[u8], length: u64) -> (Vec<BoxRange>, u64) {
    let (mut boxes, mut at) = (Vec::new(), 0_u64);
    while at < length
        && let Ok(start) = usize::try_from(at)
        && start < bytes.len()
    {
        let mut head = [0; 8];
        bytes.read_exact_at(at, &mut head).expect("a header");
        let [a, b, c, d, kind @ ..] = head;
        let size = match u32::from_be_bytes([a, b, c, d]) {
            1 => {
                bytes.read_exact_at(at + 8, &mut head).expect("a long header");
                u64::from_be_bytes(head)
            }
            size => u64::from(size),
        };
        assert!(size >= 8 && size <= length - at, "{kind:?} of {size} at {at} of {length}");
        at += size;
        boxes.push((
            kind,
            start..usize::try_from(at).map_or(bytes.len(), |end| end.min(bytes.len())),
        ));
    }
    (boxes, at)
}
