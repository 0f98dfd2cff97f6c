//! The report about one track.

use super::{
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

/// Reports about a track. `folder` is its folder in URLs, and `described` is the track as manifests
/// describe it.
pub(super) fn report(
    track: &movie::Track,
    folder: Option<&str>,
    described: &presentation::Track,
    survey: &Survey,
) -> Track {
    let rate = BitRate::from_track(described);
    let is_measured = !track.index.measured.is_empty();
    let average_bits_s =
        if rate.average_is_known { rate.average } else { survey.average_bits_s(track.timescale) };
    let entry = &track.entry;
    Track {
        id: track.id,
        kind: kind(track),
        folder: folder.map(str::to_owned),
        not_offered: folder.is_none().then(|| match survey.is_without_cues {
            true => "it has no cue".to_owned(),
            false => verdicts::not_offered(track),
        }),
        codec: words::codec(entry),
        codecs: entry.codecs.clone(),
        format: entry.format.to_string(),
        language: track.language.clone(),
        name: track.name.clone(),
        is_enabled: track.is_enabled,
        encryption: entry.encryption.map(|encryption| match encryption.scheme {
            Some(scheme) => format!("encrypted with scheme {scheme}"),
            None => "encrypted".to_owned(),
        }),
        video: match &entry.media {
            codec::Media::Video(config) => Some(video(track, config, described, survey)),
            _ => None,
        },
        audio: match &entry.media {
            codec::Media::Audio(config) => Some(Audio {
                channels: config.channels,
                sample_rate_hz: config.sample_rate,
                sample_bits: config.sample_size,
            }),
            _ => None,
        },
        text: None,
        bit_rate: ReportedBitRate { average_bits_s, peak_bits_s: rate.peak },
        timing: timing(track, survey),
        samples: survey.samples,
        size_bytes: if is_measured { track.index.bytes } else { survey.bytes },
        average_extent_bytes: survey.average_extent(),
        segments: Segments {
            count: track.index.segments.len(),
            longest_s: words::seconds(longest_segment(track), track.timescale),
        },
    }
}

/// Kind of a track.
pub(super) fn kind(track: &movie::Track) -> Kind {
    match &track.entry.media {
        codec::Media::Video(_) => Kind::Video,
        codec::Media::Audio(_) => Kind::Audio,
        codec::Media::Text => Kind::Text,
        codec::Media::Other if track.entry.codec == codec::Codec::VobSub => Kind::Text,
        codec::Media::Other => Kind::Data,
    }
}

/// Duration of the longest segment, in ticks.
fn longest_segment(track: &movie::Track) -> i64 {
    let segments = &track.index.segments;
    let durations = segments.iter().enumerate().map(|(number, segment)| {
        let end = track.segment_end_time(number).unwrap_or(segment.start);
        end.saturating_sub(segment.start)
    });
    durations.max().unwrap_or(0)
}

fn video(
    track: &movie::Track,
    config: &codec::Video,
    described: &presentation::Track,
    survey: &Survey,
) -> Video {
    let displayed = track.shape.and_then(|shape| shape.displayed());
    let (shown_width, shown_height) = displayed.unwrap_or_default();
    let orientation = track.shape.map(|shape| shape.orientation);
    let aspect = track.shape.map_or(codec::SampleAspect::SQUARE, |shape| shape.aspect);
    let rate = |ticks: Option<u32>| words::per_second(1, i64::from(ticks?), track.timescale);
    let gaps = i64::try_from(survey.syncs.saturating_sub(1)).unwrap_or(i64::MAX);
    Video {
        width: config.width,
        height: config.height,
        shown_width,
        shown_height,
        rotation_degrees: orientation.and_then(|orientation| orientation.degrees),
        is_mirrored: orientation.is_some_and(|orientation| orientation.is_mirrored),
        pixel_aspect: format!("{}:{}", aspect.h_spacing, aspect.v_spacing),
        frame_rate: FrameRate {
            average: described
                .video()
                .and_then(|video| video.frame_rate)
                .map(|rate| rate.scale(1000) as f64 / 1000.0),
            is_variable: survey.is_variable(),
            lowest: rate(survey.longest),
            highest: rate(survey.shortest),
        },
        scan: match config.scan {
            codec::Scan::Progressive => Some("progressive"),
            codec::Scan::Interlaced => Some("interlaced"),
            codec::Scan::Mixed => Some("mixed"),
            codec::Scan::Unknown => None,
        },
        bit_depth: config.bit_depth,
        range: config.range.as_str(),
        colour: words::colour(config),
        dolby_vision: words::dolby_vision(config),
        captions: track.captions.names(),
        key_frames: KeyFrames {
            count: survey.syncs,
            average_distance_s: survey
                .duration
                .checked_div(gaps.saturating_add(1))
                .filter(|_| gaps > 0)
                .map(|ticks| words::seconds(ticks, track.timescale)),
            longest_distance_s: words::seconds(survey.longest_gop, track.timescale),
        },
    }
}

/// Duration that is decoded before the presentation starts, in ticks.
pub(super) fn hidden_ticks(track: &movie::Track, survey: &Survey) -> i64 {
    let first = survey.first_presented.unwrap_or(track.timeline.from);
    // Frames that pieces squeeze into the moment before the start last longer in the file.
    track.timeline.from.saturating_sub(first).max(track.index.lead_in).max(0)
}

fn timing(track: &movie::Track, survey: &Survey) -> Timing {
    let timescale = track.timescale;
    let timeline = &track.timeline;
    let hidden = hidden_ticks(track, survey);
    let first = track.index.segments.first().map_or(0, |segment| segment.start);
    let (start_s, end_s) =
        (words::seconds(first, timescale), words::seconds(track.index.end, timescale));
    let hidden_s = words::seconds(hidden, timescale);
    let mut effects = Vec::new();
    if timeline.from > 0 {
        let from_s = words::seconds(timeline.from, timescale);
        effects.push(format!("starts {from_s:.3} s after the movie"));
    }
    if hidden > 0 {
        effects.push(match kind(track) {
            Kind::Audio => format!("the first {hidden_s:.3} s are decoded and not played"),
            Kind::Video => format!("the first {hidden_s:.3} s are decoded and not shown"),
            _ => format!("the first {hidden_s:.3} s are not shown"),
        });
    }
    if timeline.edits.pieces > 0 {
        effects.push(format!("{} pieces of the media play in turn", timeline.edits.pieces));
    }
    if effects.is_empty() {
        effects.push("no edits".to_owned());
    }
    Timing { start_s, end_s, hidden_s, words: effects.join("; ") }
}
