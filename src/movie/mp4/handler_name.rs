//! Handler names (`hdlr`, ISO/IEC 14496-12 section 8.4.3): most of them name the program that wrote the
//! file, the codec or the kind of media, and not the track.

/// Words of programs, and of the kinds of handlers, anywhere in a name.
const PROGRAMS: [&str; 34] = [
    "handler",
    "handle",
    "core media",
    "iso media",
    "gpac",
    "mp4box",
    "mainconcept",
    "l-smash",
    "lsmash",
    "lavf",
    "lavc",
    "ffmpeg",
    "google",
    "youtube",
    "ambarella",
    "bento4",
    "gopro",
    "handbrake",
    "shaka",
    "unified streaming",
    "usp ",
    "elemental",
    "telestream",
    "dailymotion",
    "twitch",
    "muxer",
    "encoder",
    "recorder",
    "copyright",
    "(c)",
    "©",
    "quicktime",
    "adobe",
    "apple",
];

/// Words of codecs and containers. `h`, `264` are the words of `H.264`.
const CODECS: [&str; 34] = [
    "aac", "aacl", "ac3", "eac3", "alac", "amr", "av01", "av1", "avc", "avc1", "dts", "flac",
    "264", "265", "h264", "h265", "hev1", "hevc", "hvc1", "m4a", "m4v", "mov", "mp3", "mp4",
    "mp4a", "mp4v", "mpeg", "mpeg4", "opus", "pcm", "tx3g", "vp8", "vp9", "x264",
];

/// Words that name the kind of a track. A name of nothing else says nothing about it.
const KINDS: [&str; 24] = [
    "audio",
    "clcp",
    "data",
    "default",
    "main",
    "media",
    "meta",
    "metadata",
    "sbtl",
    "snd",
    "soun",
    "sound",
    "stream",
    "subt",
    "subtitle",
    "subtitles",
    "text",
    "timed",
    "track",
    "und",
    "unknown",
    "vide",
    "video",
    "visual",
];

/// Whether a handler name can be the name of a track: it has no year, no version, and no word of a program,
/// a codec or a kind of handler.
pub(super) fn names_a_track(name: &str) -> bool {
    let lower = name.to_lowercase();
    if PROGRAMS.iter().any(|program| lower.contains(program)) || has_version(&lower) {
        return false;
    }
    let mut says_something = false;
    for word in
        lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
    {
        if CODECS.contains(&word) || is_year(word) {
            return false;
        }
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        says_something |= !is_number && !KINDS.contains(&word);
    }
    says_something
}

/// Whether a word is a version: `v08.13`, `1.4.12`, `12.0`. `5.1` is a layout of loudspeakers.
fn has_version(name: &str) -> bool {
    name.split(|letter: char| letter != '.' && !letter.is_alphanumeric()).any(|word| {
        let number = word.strip_prefix('v').unwrap_or(word).trim_end_matches('.');
        let is_numbered = number.contains('.')
            && number.starts_with(|first: char| first.is_ascii_digit())
            && number.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
        is_numbered && (number.len() > 3 || word.starts_with('v'))
    })
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && (word.starts_with("19") || word.starts_with("20"))
        && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs_codecs_and_kinds_name_no_track() {
        for name in [
            "(C) 2007 Google Inc. v08.13.2007.",
            "ISO Media file produced by Google Inc. Created on: 06/23/2019.",
            "Ambarella AAC",
            "Ambarella AVC",
            "GPAC ISO Video Handler",
            "264@GPAC0.5.1-DEV-rev4065",
            "Core Media Audio",
            "Core Media Data Handler",
            "L-SMASH Audio Handler",
            "Lavf58.29.100",
            "VideoHandler",
            "VideoHandle",
            "SoundHandler",
            "Apple Sound Media Handler",
            "Alias Data Handler",
            "#Mainconcept MP4 Video Media Handler",
            "Bento4 Sound Handler",
            "GoPro AVC",
            "USP Video Handler",
            "film.h264:fps=25",
            "H.264 stream",
            "vide",
            "soun",
            "Video Track",
            "Audio 1",
            "Stream 2.0.1",
            "Recorded 2019",
            "FooMux v2.1",
            "FooMux 12.0",
        ] {
            assert!(!names_a_track(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_those_of_tracks() {
        for name in [
            "Film",
            "Commentary",
            "Director's Commentary",
            "Surround 5.1",
            "Surround 7.1",
            "Stereo",
            "English",
            "Deutsch (Kino)",
            "Kommentar 2",
            "解説",
            "Audio Description",
        ] {
            assert!(names_a_track(name), "{name}");
        }
    }
}
