//! Clips of movies whose index only has cuts: their segments are read one after another, in the order of the file,
//! and each gives the samples of all tracks.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Clip, ClipRefused, Layout, MEMORY_MAX_BYTES, Part,
    header::write_around,
    select::{Cut, Cutting, Selection},
};
use crate::movie::{Movie, Track, WalkedSegment};

/// Memory limit for the index of a whole movie, in bytes: some eighteen hours of video and audio.
const INDEX_MEMORY_MAX_BYTES: usize = 512 << 20;

/// The most samples, about, of a movie whose index fits that memory.
const INDEX_SAMPLES_MAX: u64 = 3 << 20;

/// A segment of the file that a clip needs, as one of a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NeededSegment {
    /// The place of the track in the movie.
    pub place: usize,
    /// The number of the segment in the track.
    pub segment: usize,
}

/// The whole movie as a clip: its leading video, and all audio that MP4 has.
///
/// `None` if the index has measured its samples, so that its container has tables for that; or if some of its bytes
/// are not in the file, so that no MP4 can refer to them; or if they are too many for an index.
pub fn whole(movie: &Movie) -> Option<Clip> {
    let leading = movie.leading_video();
    let is_sent = |(place, track): &(usize, &Track)| {
        let is_offered = Some(*place) == leading || track.is_audio();
        is_offered && track.entry.packageable().is_ok()
    };
    let tracks: Vec<(usize, &Track)> = movie.tracks.iter().enumerate().filter(is_sent).collect();
    let is_possible = |(_, track): &(usize, &Track)| {
        track.segment_in_file(0).is_some() && track.prefix.is_empty()
    };
    if movie.mp4().is_some() || tracks.is_empty() || !tracks.iter().all(is_possible) {
        return None;
    }
    let tracks = tracks.into_iter().map(|(place, _)| place).collect();
    let clip = Clip { start_ms: 0, end_ms: None, tracks };
    (approximate_samples(movie, &clip) <= INDEX_SAMPLES_MAX).then_some(clip)
}

/// The number of samples of a clip, by the usual durations of its tracks.
pub fn approximate_samples(movie: &Movie, clip: &Clip) -> u64 {
    let of_track = |(_, track): (usize, &Track)| {
        let (start, end) = clip.range(track);
        let ticks = end.min(track.index.end).saturating_sub(start).max(0).unsigned_abs();
        ticks / u64::from(track.index.usual_duration.max(1))
    };
    clip.tracks(movie).map(of_track).fold(0, u64::saturating_add)
}

/// The part of the file that the segments of a clip are in, from the first one of them to the last; empty if the
/// index has measured them.
pub fn media_range(movie: &Movie, clip: &Clip) -> Range<u64> {
    let of_track = |(_, track): (usize, &Track)| {
        let segments = needed_of_track(track, clip);
        let first = track.segment_span(segments.start)?;
        let last = track.segment_span(segments.end.checked_sub(1)?)?;
        // A file may have them in any order.
        Some(first.start.min(last.start)..first.end.max(last.end))
    };
    clip.tracks(movie)
        .filter_map(of_track)
        .reduce(|all, range| all.start.min(range.start)..all.end.max(range.end))
        .unwrap_or_default()
}

/// The segments of the file that a clip needs, in its order; none if the index has measured them.
pub fn needed_segments(movie: &Movie, clip: &Clip) -> Vec<NeededSegment> {
    let mut needed = BTreeMap::new();
    for (place, track) in clip.tracks(movie) {
        for segment in needed_of_track(track, clip) {
            if let Some(in_file) = track.segment_in_file(segment) {
                needed.entry(in_file).or_insert(NeededSegment { place, segment });
            }
        }
    }
    needed.into_values().collect()
}

/// The segments of a track that a clip needs.
fn needed_of_track(track: &Track, clip: &Clip) -> Range<usize> {
    let (start, end) = clip.range(track);
    let segments = &track.index.segments;
    // Frames of the segment after the end may be presented before it.
    let after = segments.partition_point(|segment| segment.start < end) + 1;
    Cutting::new(track, start..end).first_segment()..after.min(segments.len())
}

/// The samples of a clip, from segments that were read.
#[derive(Debug)]
pub struct WalkedSelection<'a> {
    movie: &'a Movie,
    clip: &'a Clip,
    tracks: Vec<(usize, Cutting<'a>)>,
    memory_max: usize,
}

impl<'a> WalkedSelection<'a> {
    /// A clip of a movie, without samples yet.
    pub fn new(movie: &'a Movie, clip: &'a Clip) -> Self {
        let cutting = |(place, track): (usize, &'a Track)| {
            let (start, end) = clip.range(track);
            (place, Cutting::new(track, start..end))
        };
        let tracks = clip.tracks(movie).map(cutting).collect();
        Self { movie, clip, tracks, memory_max: MEMORY_MAX_BYTES }
    }

    /// The same for the index of a long movie, with more memory.
    pub fn of_index(movie: &'a Movie, clip: &'a Clip) -> Self {
        Self { memory_max: INDEX_MEMORY_MAX_BYTES, ..Self::new(movie, clip) }
    }

    /// Adds the next of the [needed](needed_segments) segments.
    ///
    /// # Errors
    /// If the samples take too much memory.
    pub fn add(&mut self, segment: &WalkedSegment) -> Result<(), ClipRefused> {
        for (place, cutting) in &mut self.tracks {
            let mut walk = self.movie.tracks[*place].walk_again::<[u8]>(segment);
            while !cutting.is_done
                && let Some(sample) = walk.next_sample()?
            {
                cutting.add(sample);
            }
        }
        let memory_bytes: usize =
            self.tracks.iter().map(|(_, cutting)| cutting.memory_bytes()).sum();
        if memory_bytes > self.memory_max { Err(ClipRefused::TooLong) } else { Ok(()) }
    }

    /// The virtual MP4 of these samples.
    ///
    /// # Errors
    /// If there are none.
    pub fn layout(self) -> Result<Layout, ClipRefused> {
        let movie = self.movie;
        Ok(self.selection()?.layout(movie))
    }

    /// Whether all samples are in this part of the file.
    pub fn is_within(&self, media: &Range<u64>) -> bool {
        let mut chunks = self.tracks.iter().flat_map(|(_, cutting)| cutting.chunks());
        chunks.all(|chunk| media.start <= chunk.offset && chunk.end <= media.end)
    }

    /// The MP4 of these samples around a part of the file, which is sent unchanged with what is between them.
    ///
    /// # Errors
    /// If there are no samples, or some outside of this part.
    pub fn layout_around(self, media: Range<u64>) -> Result<Layout, ClipRefused> {
        if !self.is_within(&media) {
            return Err(ClipRefused::OutOfOrder);
        }
        let movie = self.movie;
        let cuts = self.selection()?.into_cuts();
        let part = |(place, cut): (usize, Cut)| Part { track: &movie.tracks[place], cut };
        Ok(write_around(cuts.into_iter().map(part).collect(), media))
    }

    fn selection(self) -> Result<Selection, ClipRefused> {
        let finished = self.tracks.into_iter().map(|(place, cutting)| (place, cutting.finish().0));
        Selection::new(self.movie, self.clip, finished.collect())
    }
}
