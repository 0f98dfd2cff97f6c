//! The URLs that a playlist names (RFC 8216bis section 4): lines, and `URI` attributes of tags.

/// All URLs of a playlist, relative to it, in their order.
pub fn of(playlist: &str) -> impl Iterator<Item = &str> {
    playlist.lines().filter_map(|line| match line.strip_prefix('#') {
        Some(tag) => tag.split_once("URI=\"")?.1.split_once('"').map(|(uri, _)| uri),
        None => Some(line).filter(|line| !line.is_empty()),
    })
}

/// The path that a relative URL means in the document at `base`. Only what a playlist of ours
/// names is understood: names below its own folder.
pub fn resolve(base: &str, relative: &str) -> String {
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{relative}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_attributes_name_urls_and_other_tags_do_not() {
        let playlist = "#EXTM3U\n#EXT-X-VERSION:7\n\n\
                        #EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a\",URI=\"~v/audio-1/media.m3u8\"\n\
                        #EXT-X-STREAM-INF:BANDWIDTH=1\n~v/video-1/media.m3u8\n";
        let expected = ["~v/audio-1/media.m3u8", "~v/video-1/media.m3u8"];
        assert_eq!(of(playlist).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_name_is_looked_for_beside_what_names_it() {
        assert_eq!(resolve("/v/a.mp4/index.m3u8", "~v/media.m3u8"), "/v/a.mp4/~v/media.m3u8");
        assert_eq!(resolve("/v/a.mp4/~v/media.m3u8", "1.m4s"), "/v/a.mp4/~v/1.m4s");
    }
}
