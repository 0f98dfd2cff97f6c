//! What is told of one track.

use super::{
    orientation::Orientation,
    report::{
        Audio, BitRate as ReportedBitRate, FrameRate, KeyFrames, Kind, Segments, Timing, Track,
        Video,
    },
    survey::Survey,
    verdicts, words,
};
use crate::{
    movie::{self, codec},
    package::{bit_rate::BitRate, presentation},
};

/// What is told of a track. `offered` is its folder in URLs, and `described` what manifests are made of
/// for it.
pub(super) fn report(
    track: &movie::Track,
    folder: Option<&str>,
    described: &presentation::Track,
    survey: &Survey,
) -> Track {
    let rate = BitRate::of(described);
    let entry = &track.entry;
    Track {
        id: track.id,
        kind: kind(track),
        folder: folder.map(str::to_owned),
        not_offered: folder.is_none().then(|| verdicts::not_offered(track)),
        codec: words::codec(entry),
        codecs: entry.codecs.clone(),
        format: entry.format.to_string(),
        language: track.language.clone(),
        name: track.name.clone(),
        is_enabled: track.is_enabled,
        encryption: entry.encryption.map(|encryption| match encryption.scheme {
            Some(scheme) => format!("encrypted by the scheme {scheme}"),
            None => "encrypted".to_owned(),
        }),
        video: match &entry.media {
            codec::Media::Video(of) => Some(video(track, of, survey)),
            _ => None,
        },
        audio: match &entry.media {
            codec::Media::Audio(of) => Some(Audio {
                channels: of.channels,
                sample_rate_hz: of.sample_rate,
                sample_bits: of.sample_size,
            }),
            _ => None,
        },
        bit_rate: ReportedBitRate { average_bits_s: rate.average, peak_bits_s: rate.peak },
        timing: timing(track, survey),
        samples: survey.samples,
        size_bytes: track.index.bytes,
        average_extent_bytes: survey.average_extent(),
        segments: Segments {
            count: track.index.segments.len(),
            longest_s: words::seconds(longest_segment(track), track.timescale),
        },
    }
}

/// What a track is.
pub(super) fn kind(track: &movie::Track) -> Kind {
    match &track.entry.media {
        codec::Media::Video(_) => Kind::Video,
        codec::Media::Audio(_) => Kind::Audio,
        codec::Media::Text => Kind::Text,
        codec::Media::Other if track.entry.codec == codec::Codec::VobSub => Kind::Text,
        codec::Media::Other => Kind::Data,
    }
}

/// How long the longest segment lasts, in ticks.
fn longest_segment(track: &movie::Track) -> i64 {
    let segments = &track.index.segments;
    let lasts = segments.iter().enumerate().map(|(number, segment)| {
        let end = track.segment_end_time(number).unwrap_or(segment.start);
        end.saturating_sub(segment.start)
    });
    lasts.max().unwrap_or(0)
}

fn video(track: &movie::Track, of: &codec::Video, survey: &Survey) -> Video {
    let orientation = Orientation::of(track);
    let aspect = presentation::Ratio::new(of.sample_aspect.h_spacing, of.sample_aspect.v_spacing);
    let aspect = aspect.unwrap_or(presentation::Ratio::ONE);
    let wide = u32::try_from(aspect.of(u32::from(of.width))).unwrap_or(u32::MAX);
    let (shown_width, shown_height) = match orientation.is_rotated_by_quarter() {
        true => (u32::from(of.height), wide),
        false => (wide, u32::from(of.height)),
    };
    let rate_of = |ticks: Option<u32>| words::per_second(1, i64::from(ticks?), track.timescale);
    let gaps = i64::try_from(survey.syncs.saturating_sub(1)).unwrap_or(i64::MAX);
    Video {
        width: of.width,
        height: of.height,
        shown_width,
        shown_height,
        rotation_degrees: orientation.degrees,
        is_mirrored: orientation.is_mirrored,
        pixel_aspect: format!("{}:{}", aspect.numerator(), aspect.denominator()),
        frame_rate: FrameRate {
            average: words::per_second(survey.samples, survey.lasts, track.timescale),
            is_variable: survey.is_variable(),
            lowest: rate_of(survey.longest),
            highest: rate_of(survey.shortest),
        },
        bit_depth: of.bit_depth,
        range: of.range.as_str(),
        colour: words::colour(of),
        dolby_vision: words::dolby_vision(of),
        key_frames: KeyFrames {
            count: survey.syncs,
            average_distance_s: survey
                .lasts
                .checked_div(gaps.saturating_add(1))
                .filter(|_| gaps > 0)
                .map(|ticks| words::seconds(ticks, track.timescale)),
            longest_distance_s: words::seconds(survey.longest_gop, track.timescale),
        },
    }
}

/// What is decoded before the first thing that is seen or heard, in ticks.
pub(super) fn hidden(track: &movie::Track, survey: &Survey) -> i64 {
    let first = survey.first_presented.unwrap_or(track.timeline.from);
    track.timeline.from.saturating_sub(first).max(0)
}

fn timing(track: &movie::Track, survey: &Survey) -> Timing {
    let timescale = track.timescale;
    let timeline = &track.timeline;
    let hidden = hidden(track, survey);
    let first = track.index.segments.first().map_or(0, |segment| segment.start);
    let (start_s, end_s) =
        (words::seconds(first, timescale), words::seconds(track.index.end, timescale));
    let hidden_s = words::seconds(hidden, timescale);
    let mut said = Vec::new();
    if timeline.from > 0 {
        let from_s = words::seconds(timeline.from, timescale);
        said.push(format!("begins {from_s:.3} s after the movie does"));
    }
    if hidden > 0 {
        said.push(match kind(track) {
            Kind::Audio => {
                format!("the first {hidden_s:.3} s are for the decoder and are not heard")
            }
            Kind::Video => format!("the first {hidden_s:.3} s are decoded and not shown"),
            _ => format!("the first {hidden_s:.3} s are not shown"),
        });
    }
    if timeline.jumps > 0 {
        said.push(format!("{} further edits are not followed", timeline.jumps));
    }
    if said.is_empty() {
        said.push("plays as it is, without edits".to_owned());
    }
    Timing { start_s, end_s, hidden_s, words: said.join("; ") }
}
