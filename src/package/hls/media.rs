//! Media playlists: the segments of a track (RFC 8216bis section 4.4.3).

use super::{HEAD, INDEPENDENT, head, keys::keys};
use crate::package::{
    presentation::{Kind, Track},
    write::Write as _,
};

/// Approximate size of a segment's entry, so that the text is allocated once.
const ENTRY_BYTES: usize = "#EXTINF:00.000000,\ni-00000.m4s\n".len();

/// The media initialization section (section 4.4.4.5).
const MAP: &str = "#EXT-X-MAP:URI=\"init.mp4\"\n";

/// The media playlist of a track. URIs are relative to the folder of the track.
pub fn media(track: &Track) -> String {
    let (map, ending) = match track.kind {
        Kind::Video(_) | Kind::Audio(_) => (MAP, ".m4s\n"),
        // WebVTT has no initialization section (section 3.1.4).
        Kind::Text(_) => ("", ".vtt\n"),
    };
    playlist(track, track.segments.len(), head([track]), &[map], "", ending)
}

/// The I-frame playlist of a video track (section 4.4.3.6), where each key frame has the duration of its
/// segment; `None` if the track has no I-frame resources.
pub fn iframes(track: &Track) -> Option<String> {
    let count = track.video()?.iframes.len();
    let lines = ["#EXT-X-I-FRAMES-ONLY\n", MAP];
    // A key frame needs no other frame, also where those after it do.
    (count > 0).then(|| playlist(track, count, [HEAD, INDEPENDENT], &lines, "i-", ".m4s\n"))
}

/// A playlist of the first `count` segments, with files that are numbered from 1.
fn playlist(
    track: &Track,
    count: usize,
    head: [&str; 2],
    lines: &[&str],
    name: &str,
    ending: &str,
) -> String {
    let mut text = String::with_capacity(256 + count * ENTRY_BYTES);
    head.iter().for_each(|lines| text.push_str(lines));
    text.push_str("#EXT-X-TARGETDURATION:");
    text.push_number(track.target_duration_s());
    text.push_str("\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n");
    lines.iter().for_each(|line| text.push_str(line));
    // After the map: the init segment is not encrypted.
    keys(&mut text, "EXT-X-KEY", track);
    for (number, duration) in (1..).zip(track.durations_us().take(count)) {
        text.push_str("#EXTINF:");
        text.push_seconds(duration);
        text.push_str(",\n");
        text.push_str(name);
        text.push_number(number);
        text.push_str(ending);
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}
