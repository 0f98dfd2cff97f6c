//! Text subtitles as tracks: they have blocks instead of samples.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use bytes::Bytes;

use super::{
    entries::boxed,
    movie::{kinds, track_id},
    texts::{TextTrack, Texts},
    tracks::TrackEntry,
};
use crate::movie::{
    BlockFormat, Carried, Corrections, CutSamples, CutTrack, EditSummary, FourCc, Indexed,
    SegmentStart, TextBlocks, TextReader, Timeline, Track, codec,
};

/// Ticks per second of the times of blocks.
const TIMESCALE: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// So many blocks are read before manifests list their track.
const FEW: usize = 8;

/// The text tracks of a file, of which the cues name so many blocks, by the numbers of tracks, and which `texts` reads.
pub(super) fn build(
    subtitles: Vec<TrackEntry>,
    counts: &BTreeMap<u64, usize>,
    mut texts: Texts,
) -> Vec<Track> {
    let mut tracks = Vec::new();
    for track in subtitles {
        if let Some((text, format)) = TextTrack::new(&track) {
            texts.tracks.push(text);
            tracks.push((track, format));
        }
    }
    let reader: Arc<dyn TextReader> = Arc::new(texts);
    let tracks = tracks.into_iter().enumerate();
    let track = |(place, (track, format)): (usize, (TrackEntry, BlockFormat))| {
        let are_few = counts.get(&track.number).is_some_and(|count| *count <= FEW);
        let blocks = TextBlocks {
            format,
            header: track.configuration.clone().into(),
            are_few,
            reader: Arc::clone(&reader),
            place,
        };
        to_track(track, blocks)
    };
    tracks.filter_map(track).collect()
}

fn to_track(track: TrackEntry, blocks: TextBlocks) -> Option<Track> {
    // All texts become WebVTT.
    let fields = [&[0, 0, 0, 0, 0, 0, 0, 1], &boxed(b"vttC", b"WEBVTT")[..]].concat();
    let entry = codec::read(&boxed(b"wvtt", &fields), *b"text").ok()?;
    let index = Indexed {
        segments: Vec::new(),
        measured: Vec::new(),
        end_sample: 0,
        end: 0,
        first_dts: 0,
        lead_in: 0,
        raise: 0,
        usual_duration: 0,
        presented_samples: 0,
        presented_ticks: 0,
        begins: SegmentStart::Independent,
        longest_gop: 0,
        bytes: 0,
        has_subsamples: false,
        corrections: Corrections::default(),
        fault: None,
    };
    Some(Track::from(CutTrack {
        id: track_id(&track),
        handler: FourCc(*b"text"),
        timescale: TIMESCALE,
        kinds: kinds(&track),
        is_enabled: track.is_enabled && track.is_default,
        language: track.language,
        name: track.name,
        display: [0; 44],
        carried: Carried::default(),
        entry,
        timeline: Timeline { shift: 0, from: 0, until: None, edits: EditSummary::default() },
        index,
        whole: track.whole,
        prefix: Bytes::new(),
        samples: CutSamples::Text(blocks),
    }))
}
