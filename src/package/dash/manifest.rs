//! The MPD with its period (ISO/IEC 23009-1 section 5.3.1).

use super::{
    sets::{FULL_PROFILE, adaptation_sets},
    xml::{Element, close},
};
use crate::package::{
    presentation::{Kind, Presentation, Track, microseconds},
    write::clean,
};

/// The maximum of `minBufferTime`. Clients buffer this much before playback starts (Shaka Player), and a
/// title may have a single segment of an hour.
const MIN_BUFFER_MAX_US: u64 = 10_000_000;

/// The profile of sets with segments (section 8.4).
const LIVE_PROFILE: &str = "urn:mpeg:dash:profile:isoff-live:2011";

/// The MPD of a title. URLs are relative to the folder of the title.
pub fn manifest(presentation: &Presentation) -> String {
    let tracks = &presentation.tracks;
    let mut text = String::with_capacity(1024 + tracks.len() * 1024);
    text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let is_supplemented =
        |track: &Track| track.video().is_some_and(|video| video.supplemental_codecs.is_some());
    let is_protected = |track: &Track| track.protection.is_some();
    let scte214 = "urn:scte:dash:scte214-extensions";
    Element::new(&mut text, "MPD")
        .attribute("xmlns", "urn:mpeg:dash:schema:mpd:2011")
        .attribute_if("xmlns:scte214", tracks.iter().any(is_supplemented).then_some(scte214))
        .attribute_if("xmlns:cenc", tracks.iter().any(is_protected).then_some("urn:mpeg:cenc:2013"))
        .attribute("profiles", &profiles(tracks))
        .attribute("type", "static")
        .duration("mediaPresentationDuration", presentation.duration_us)
        .duration("minBufferTime", longest_segment_us(tracks).min(MIN_BUFFER_MAX_US))
        .open();
    if clean(&presentation.title).any(|character| character != ' ') {
        Element::new(&mut text, "ProgramInformation").open();
        Element::new(&mut text, "Title").text(&presentation.title);
        close(&mut text, "ProgramInformation");
    }
    Element::new(&mut text, "Period").number("id", 0).attribute("start", "PT0S").open();
    adaptation_sets(&mut text, tracks, presentation.storyboard.as_ref());
    close(&mut text, "Period");
    close(&mut text, "MPD");
    text
}

/// The profiles of the sets: a client that knows the first one only leaves out text (section 8.1).
fn profiles(tracks: &[Track]) -> String {
    let has_text = tracks.iter().any(|track| track.text().is_some());
    if has_text { format!("{LIVE_PROFILE},{FULL_PROFILE}") } else { LIVE_PROFILE.to_owned() }
}

/// A client that buffers this much keeps playing at the bandwidths of the MPD, however unevenly the bytes
/// of a segment are distributed.
fn longest_segment_us(tracks: &[Track]) -> u64 {
    let segmented = tracks.iter().filter(|track| !matches!(track.kind, Kind::Text(_)));
    let longest = |track: &Track| {
        let ticks = track.segments.iter().map(|segment| segment.duration).max().unwrap_or(0);
        microseconds(ticks, track.timescale)
    };
    segmented.map(longest).max().unwrap_or(0)
}
