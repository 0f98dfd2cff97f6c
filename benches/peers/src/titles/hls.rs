//! The segments of a title, as a player finds them: from playlists (RFC 8216bis, section 4).

use anyhow::{Context, Result, ensure};

use crate::cell::Track;
use crate::verify::Client;

/// Longest playlist or segment, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// The paths of the init segment and the segments of a title's track, in this order.
pub fn segments(client: &mut Client, title: &str, track: Track) -> Result<Vec<String>> {
    let media = links(client, &format!("/v/{title}/index.m3u8"))?;
    let is_of_track =
        |path: &&String| path.contains(&format!("/{track}-")) && path.ends_with("/media.m3u8");
    let media = media.iter().find(is_of_track);
    let segments = links(client, media.with_context(|| format!("a playlist without {track}"))?)?;
    ensure!(segments.len() > 1, "a playlist without segments");
    Ok(segments)
}

/// The paths of all URLs in the playlist at `path`. Headwater's playlists name files below their own
/// folder only.
fn links(client: &mut Client, path: &str) -> Result<Vec<String>> {
    let playlist = String::from_utf8(client.whole(path, LIMIT)?)?;
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    Ok(urls(&playlist).map(|url| format!("{folder}/{url}")).collect())
}

/// All URLs of a playlist: lines, and `URI` attributes of tags.
fn urls(playlist: &str) -> impl Iterator<Item = &str> {
    playlist.lines().filter_map(|line| match line.strip_prefix('#') {
        Some(tag) => tag.split_once("URI=\"")?.1.split_once('"').map(|(uri, _)| uri),
        None => Some(line).filter(|line| !line.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_lines_and_uri_attributes() {
        let playlist = "#EXTM3U\n#EXT-X-VERSION:7\n\n\
                        #EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a\",URI=\"~v/audio-1/media.m3u8\"\n\
                        #EXT-X-STREAM-INF:BANDWIDTH=1\n~v/video-1/media.m3u8\n";
        let expected = ["~v/audio-1/media.m3u8", "~v/video-1/media.m3u8"];
        assert_eq!(urls(playlist).collect::<Vec<_>>(), expected);
    }
}
