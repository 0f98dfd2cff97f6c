//! Detects the demuxer of a file from its first bytes.
//!
//! ffmpeg's own probing also accepts formats that are lists of *other* files and URLs: playlists,
//! manifests, session descriptions, concat scripts. An untrusted file could refer to `/etc/passwd` or to
//! a host of the internal network, and its thumbnail would show the content (CVE-2016-1897). So the
//! demuxer is always forced, and only to one of this list, none of which follows references.

/// The number of bytes that detection needs.
pub const FIRST_BYTES: usize = 4096;

/// Returns the name of the demuxer for `-f`.
///
/// # Errors
/// If the format is not supported.
pub fn detect(first: &[u8]) -> Result<&'static str, UnsupportedFormat> {
    let at = |offset: usize, magic: &[u8]| {
        first.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    let formats = [
        (is_iso_media(first), "mov"),
        (at(0, b"\x1A\x45\xDF\xA3"), "matroska"),
        (is_transport_stream(first), "mpegts"),
        (at(0, b"\x00\x00\x01\xBA"), "mpeg"),
        (at(0, b"RIFF") && (at(8, b"AVI ") || at(8, b"AVIX")), "avi"),
        ((at(0, b"RIFF") || at(0, b"RF64")) && at(8, b"WAVE"), "wav"),
        (at(0, b"RIFF") && at(8, b"WEBP"), "webp_pipe"),
        (at(0, b"FLV\x01"), "flv"),
        (at(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11"), "asf"),
        (at(0, b"OggS"), "ogg"),
        (at(0, b"fLaC"), "flac"),
        (at(0, b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02"), "mxf"),
        (at(0, b"DKIF"), "ivf"),
        (at(0, b"caff"), "caf"),
        (at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")), "aiff"),
        (at(0, b"\x89PNG\r\n\x1A\n"), "png_pipe"),
        (at(0, b"\xFF\xD8\xFF"), "jpeg_pipe"),
        (at(0, b"GIF87a") || at(0, b"GIF89a"), "gif"),
        (at(0, b"ID3") || is_mpeg_audio(first), "mp3"),
        (is_adts(first), "aac"),
        (at(0, b"\x0B\x77"), "ac3"),
    ];
    let detected = formats.into_iter().find_map(|(matches, name)| matches.then_some(name));
    detected.ok_or_else(|| UnsupportedFormat::classify(first))
}

/// Why a file is not passed to ffmpeg.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnsupportedFormat {
    /// A list of other files or URLs.
    #[error("it is {0}, which refers to other files; references are never followed")]
    References(&'static str),
    /// No known format.
    #[error("its format is not supported")]
    Unrecognized,
    /// No bytes.
    #[error("it is empty")]
    Empty,
}

impl UnsupportedFormat {
    fn classify(first: &[u8]) -> Self {
        if first.is_empty() {
            return Self::Empty;
        }
        let text = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).trim_ascii_start();
        let contains = |needle: &[u8]| memchr::memmem::find(text, needle).is_some();
        let starts_with = |prefix: &[u8]| text.starts_with(prefix);
        match () {
            () if starts_with(b"#EXTM3U") => Self::References("a playlist"),
            () if starts_with(b"ffconcat") => Self::References("a concat script"),
            () if starts_with(b"[playlist]") => Self::References("a playlist"),
            () if starts_with(b"v=0") => Self::References("a session description"),
            () if starts_with(b"<") && contains(b"<MPD") => Self::References("a DASH manifest"),
            () if starts_with(b"<") && contains(b"<SmoothStreamingMedia") => {
                Self::References("a manifest")
            }
            () => Self::Unrecognized,
        }
    }
}

/// QuickTime, MP4 and related formats: the file starts with a box of a known type.
fn is_iso_media(first: &[u8]) -> bool {
    let kinds =
        [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"sidx", b"free", b"skip", b"wide", b"pnot"];
    first.get(4..8).is_some_and(|kind| kinds.iter().any(|known| kind == *known))
}

/// Packets of 188 bytes, of 192 with a timestamp before each, or of 204 with a checksum after each. A
/// recording may start within a packet.
fn is_transport_stream(first: &[u8]) -> bool {
    const PACKETS: usize = 5;
    [188, 192, 204].into_iter().any(|size| {
        let from = |start: usize| (0..PACKETS).all(|n| first.get(start + n * size) == Some(&0x47));
        (0..size).any(from)
    })
}

/// A frame header of layer II or III with a valid version, bit rate and sampling rate.
fn is_mpeg_audio(first: &[u8]) -> bool {
    let Some(&[sync, kind, rates, _]) = first.first_chunk::<4>() else { return false };
    let is_sync = sync == 0xFF && kind & 0xE0 == 0xE0 && kind & 0x18 != 0x08;
    let is_layer = matches!(kind & 0x06, 0x02 | 0x04);
    is_sync && is_layer && !matches!(rates & 0xF0, 0x00 | 0xF0) && rates & 0x0C != 0x0C
}

/// An ADTS frame header of AAC.
fn is_adts(first: &[u8]) -> bool {
    first.first_chunk::<2>().is_some_and(|[sync, kind]| *sync == 0xFF && kind & 0xF6 == 0xF0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_refer_to_other_files_are_refused() {
        for (text, format) in [
            ("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist"),
            ("\u{feff}\n#EXTM3U\n", "a playlist"),
            ("ffconcat version 1.0\nfile /etc/passwd\n", "a concat script"),
            ("[playlist]\nFile1=http://127.0.0.1/\n", "a playlist"),
            ("v=0\no=- 0 0 IN IP4 127.0.0.1\n", "a session description"),
            ("<?xml version=\"1.0\"?><MPD></MPD>", "a DASH manifest"),
        ] {
            assert_eq!(
                detect(text.as_bytes()),
                Err(UnsupportedFormat::References(format)),
                "{text}"
            );
        }
        assert_eq!(detect(b"#!/bin/sh\n"), Err(UnsupportedFormat::Unrecognized));
        assert_eq!(detect(b""), Err(UnsupportedFormat::Empty));
    }

    #[test]
    fn a_recording_that_starts_within_a_packet_is_detected() {
        for (size, start) in [(188, 0), (188, 100), (192, 4), (204, 203)] {
            let mut bytes = vec![0; FIRST_BYTES];
            bytes.iter_mut().skip(start).step_by(size).for_each(|byte| *byte = 0x47);
            assert_eq!(detect(&bytes), Ok("mpegts"), "{size} from {start}");
        }
    }
}
