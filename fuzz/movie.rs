//! What must hold for any file that is taken for a movie.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use headwater::{
    extent::{Extent, Extents, ReadAt as _, ReadError, Source},
    movie::{Movie, Track},
    package::{
        clip::{Clip, ClipRefused, clip},
        cmaf,
    },
};

/// Segments begin this often, in milliseconds: small files are to have several.
const GRID_MS: NonZeroU32 = NonZeroU32::new(500).expect("not zero");

/// An index that takes more than this in memory is too long, in bytes.
const INDEX_BYTES_MAX: usize = 32 << 20;

/// What is made for one request takes less than this in memory, in bytes.
const MADE_BYTES_MAX: usize = 32 << 20;

/// Segments of one track that are made. Each walks over all samples of its fragment that are before it.
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
        Box::pin(async move { self.read_now(range).map(|bytes| bytes.expect("it is in memory")) })
    }
}

/// The input is a file.
pub fn movie(input: &[u8]) {
    // What lies in memory can be read, so that whatever is wrong must have been understood.
    let read = Movie::read(input, GRID_MS).expect("no read reaches out of the file");
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
        segments(&movie, track, input, &file);
    }
    let all: Vec<usize> = (0..movie.tracks.len()).collect();
    for (start_ms, end_ms, tracks) in [
        (0, None, &all[..]),
        (1000, Some(2000), &all[..]),
        (300, Some(900), &all[..1]),
        (u64::MAX - 1, Some(u64::MAX), &all[..]),
    ] {
        let wanted = Clip { start_ms, end_ms, tracks: tracks.to_vec() };
        // At the latest time that there may be, the movie's milliseconds are rounded beyond it.
        let is_late = movie.tracks.iter().any(|track| track.index.end > 1 << 59);
        match clip(&movie, &wanted, &file, input) {
            Ok(made) => clipped(&made, input, is_late),
            Err(ClipRefused::Read(error)) => panic!("{wanted:?}: {error}"),
            Err(refused) => assert!(!refused.to_string().is_empty()),
        }
    }
}

fn segments(movie: &Movie, track: &Track, input: &[u8], file: &Arc<dyn Source>) {
    let init = cmaf::init(track, &movie.protection);
    assert_eq!(kinds(&init), ["ftyp", "moov"]);
    let found = &track.index.segments;
    assert!(!found.is_empty());
    assert!(found.windows(2).all(|two| two[0].start < two[1].start), "segments that last no time");
    assert!(found[0].start >= 0);
    let payload: u64 = found.iter().map(|segment| segment.payload_bytes).sum();
    assert!(payload <= track.index.bytes, "more than all samples");
    // All of them, unless there are so many that a sanitizer takes seconds.
    let step = found.len().div_ceil(SEGMENTS_CHECKED_MAX);
    for (number, segment) in found.iter().enumerate().step_by(step) {
        let end = track.segment_end_time(number).expect("it is one");
        assert!(end > segment.start, "segment {number} lasts no time");
        let made = cmaf::segment(track, number, file, input);
        let made = made.expect("no read reaches out of the file").expect("it is one");
        assert_eq!(Some(made.len()), cmaf::segment_len(track, number), "segment {number}");
        fragment(&made, segment.payload_bytes);
        let alone = cmaf::iframe(track, number, file, input);
        let alone = alone.expect("no read reaches out of the file").expect("it is one");
        assert_eq!(Some(alone.len()), cmaf::iframe_len(track, number), "key frame {number}");
        fragment(&alone, u64::from(segment.first_bytes));
    }
    let behind = found.len();
    assert!(cmaf::segment(track, behind, file, input).expect("nothing is read").is_none());
    assert!(cmaf::segment_len(track, behind).is_none());
}

/// A `moof` and the header of an `mdat` in memory, and then the samples.
fn fragment(made: &Extents, payload: u64) {
    let mut extents = made.iter();
    let Some(Extent::Memory(header)) = extents.next() else {
        panic!("a segment begins with a header that was made");
    };
    assert!(extents.all(|extent| matches!(extent, Extent::Source { .. })));
    assert!(made.bytes_in_memory() <= MADE_BYTES_MAX, "{}", made.bytes_in_memory());
    assert_eq!(header.len() as u64 + payload, made.len());
    let (boxes, left) = walk(header, made.len());
    assert_eq!(boxes.iter().map(|part| part.0).collect::<Vec<_>>(), [*b"moof", *b"mdat"]);
    assert_eq!(left, made.len(), "what the sizes say is not what is sent");
    let moof = &header[boxes[0].1.clone()];
    let (inside, end) = walk(&moof[8..], moof.len() as u64 - 8);
    assert_eq!(inside.iter().map(|part| part.0).collect::<Vec<_>>(), [*b"mfhd", *b"traf"]);
    assert_eq!(end, moof.len() as u64 - 8);
}

/// What was made is a movie itself, as long as it says.
fn clipped(made: &Extents, input: &[u8], is_late: bool) {
    assert!(made.bytes_in_memory() <= MADE_BYTES_MAX, "{}", made.bytes_in_memory());
    if made.len() > 4 << 20 {
        return;
    }
    let mut whole = Vec::new();
    for extent in made.iter() {
        match extent {
            Extent::Memory(bytes) => whole.extend_from_slice(bytes),
            Extent::Source { range, .. } => {
                let at = |offset| usize::try_from(offset).expect("an offset in memory");
                whole.extend_from_slice(&input[at(range.start)..at(range.end)]);
            }
        }
    }
    assert_eq!(whole.len() as u64, made.len());
    assert_eq!(kinds(&whole), ["ftyp", "moov", "mdat"]);
    let again = Movie::read(&whole[..], GRID_MS).expect("no read reaches out of the file");
    if is_late {
        return;
    }
    let again = again.expect("what is made of a movie is one");
    assert_eq!(again.left_out, [], "every track of a clip can be played");
    assert!(again.tracks.iter().all(|track| track.index.fault.is_none()));
}

/// The names of boxes that fill these bytes exactly.
fn kinds(bytes: &[u8]) -> Vec<String> {
    let (boxes, end) = walk(bytes, bytes.len() as u64);
    assert_eq!(end, bytes.len() as u64, "sizes do not add up");
    boxes.iter().map(|part| String::from_utf8_lossy(&part.0).into_owned()).collect()
}

/// A box's name, and where its contents are.
type Found = ([u8; 4], Range<usize>);

/// The boxes at the front of something so long, of which these bytes are the beginning; and where the
/// last of them ends.
fn walk(bytes: &[u8], length: u64) -> (Vec<Found>, u64) {
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
