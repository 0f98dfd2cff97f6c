//! A container without sample tables: the segments of a track that is cut are those of a measured one, byte for
//! byte.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use headwater::{
    extent::{Extent, Extents, ReadAt, ReadError, Source},
    movie::{CutSamples, CutTrack, Indexed, Movie, Sample, SegmentReader, Track, WalkedSegment},
    package::cmaf,
};

use crate::support::{ffmpeg, folder::Folder, made_titles::make};

const GRID_MS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// A file in memory.
#[derive(Debug)]
struct Memory(Bytes);

impl Source for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        Ok(Some(self.0.slice(place(range.start)..place(range.end))))
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        Box::pin(async move { self.read_now(range).map(|bytes| bytes.expect("in memory")) })
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset in memory")
}

/// Reads the segments of the only track of a container from memory, by what is known of them.
#[derive(Debug)]
struct Known(Vec<Vec<Sample>>);

impl SegmentReader for Known {
    fn read(&self, _source: &dyn ReadAt, segment: usize) -> Result<WalkedSegment, ReadError> {
        let samples = self.0.get(segment).cloned().unwrap_or_default();
        Ok(WalkedSegment::new(&[samples]).expect("they are near each other"))
    }

    fn span(&self, _segment: usize) -> Range<u64> {
        0..0
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

/// The samples of each segment of a track.
fn samples(track: &Track, file: &[u8]) -> Vec<Vec<Sample>> {
    let of_segment = |number| {
        let mut walk = track.walk_segment(file, number);
        std::iter::from_fn(|| walk.next_sample().expect("in memory")).collect()
    };
    (0..track.index.segments.len()).map(of_segment).collect()
}

/// The same track with these samples, of which the index only knows the cuts.
fn cut(track: &Track, samples: Vec<Vec<Sample>>, prefix: Bytes) -> Track {
    let track = track.clone();
    Track::from(CutTrack {
        id: track.id,
        handler: track.handler,
        timescale: track.timescale,
        language: track.language,
        name: track.name,
        kinds: track.kinds,
        is_enabled: track.is_enabled,
        display: track.display,
        carried: track.carried,
        entry: track.entry,
        timeline: track.timeline,
        index: Indexed { measured: Vec::new(), end_sample: 0, ..track.index },
        whole: track.whole,
        prefix,
        samples: CutSamples::Segments { reader: Arc::new(Known(samples)), place: 0, first: 0 },
    })
}

/// The bytes of a segment, from one read of the file and from an earlier one.
fn bytes(segment: Option<Extents>, file: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for extent in segment.expect("an existing segment").iter() {
        match extent {
            Extent::Memory(bytes) => all.extend_from_slice(bytes),
            Extent::Source { range, .. } => {
                all.extend_from_slice(&file[place(range.start)..place(range.end)]);
            }
        }
    }
    all
}

fn with_each_track(check: impl Fn(&Track, &[u8], &Arc<dyn Source>)) {
    let folder = Folder::new();
    let how = "-f lavfi -i testsrc2=size=64x36:rate=25:duration=6 -f lavfi -i sine=duration=6 \
               -c:v libx264 -bf 3 -g 25 -c:a aac";
    let file = std::fs::read(make(&folder, "film.mp4", how)).expect("a file");
    let source: Arc<dyn Source> = Arc::new(Memory(Bytes::from(file.clone())));
    let movie = Movie::read(&file[..], GRID_MS).expect("in memory").expect("a movie");
    assert_eq!(movie.tracks.len(), 2);
    for track in &movie.tracks {
        assert!(track.index.segments.len() >= 6);
        check(track, &file, &source);
    }
}

#[test]
fn the_segments_of_a_cut_track_are_those_of_a_measured_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    with_each_track(|track, file, source| {
        let cut = cut(track, samples(track, file), Bytes::new());
        assert_eq!(cmaf::init(&cut, &[]), cmaf::init(track, &[]));
        for number in 0..track.index.segments.len() {
            let segment = |track: &Track| {
                bytes(cmaf::segment(track, number, source, file).expect("in memory"), file)
            };
            let iframe = |track: &Track| {
                bytes(cmaf::iframe(track, number, source, file).expect("in memory"), file)
            };
            assert_eq!(segment(&cut), segment(track), "segment {number}");
            assert_eq!(iframe(&cut), iframe(track), "key frame {number}");
            let walked = cut.read_segment(file, number).expect("in memory").expect("it is cut");
            let again = cmaf::walked_segment(&cut, number, source, &walked).expect("in memory");
            assert_eq!(bytes(again, file), segment(track), "segment {number} from memory");
        }
        let beyond = cut.index.segments.len();
        assert!(cmaf::segment(&cut, beyond, source, file).expect("in memory").is_none());
    });
}

#[test]
fn what_the_file_lacks_of_each_sample_is_put_in_front_of_it() {
    if !ffmpeg::is_installed() {
        return;
    }
    with_each_track(|track, file, source| {
        // All samples that begin like the first one.
        let start = |sample: &Sample| file[place(sample.offset)..][..2].to_vec();
        let all = samples(track, file);
        let prefix = start(&all[0][0]);
        let number = 0;
        let same = all[number].iter().take_while(|sample| start(sample) == prefix);
        let whole: Vec<Sample> = same.copied().collect();
        let stripped = whole.iter().map(|it| Sample { offset: it.offset + 2, ..*it }).collect();
        let expected = cut(track, vec![whole], Bytes::new());
        let found = cut(track, vec![stripped], prefix.into());
        let segment = |track: &Track| {
            bytes(cmaf::segment(track, number, source, file).expect("in memory"), file)
        };
        assert_eq!(segment(&found), segment(&expected));
    });
}

#[test]
fn a_segment_without_a_sample_is_a_fragment_of_none() {
    if !ffmpeg::is_installed() {
        return;
    }
    with_each_track(|track, file, source| {
        let mut samples = samples(track, file);
        samples[2].clear();
        let cut = cut(track, samples, Bytes::new());
        let bytes = bytes(cmaf::segment(&cut, 2, source, file).expect("in memory"), file);
        assert_eq!(&bytes[4..8], b"moof");
        let count = bytes.windows(4).position(|found| found == b"trun").expect("a run") + 8;
        assert_eq!(bytes[count..count + 4], [0; 4], "no sample");
        assert_eq!(&bytes[bytes.len() - 8..], b"\0\0\0\x08mdat");
    });
}
