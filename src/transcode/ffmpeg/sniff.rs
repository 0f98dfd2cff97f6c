//! Which demuxer reads a file, by its first bytes.
//!
//! ffmpeg's own guess also knows formats that are lists of *other* files and addresses: playlists,
//! manifests, descriptions of sessions, concatenations. A file from anywhere could name `/etc/passwd`
//! or a machine of the internal network, and its picture would show what is there (CVE-2016-1897). So
//! the demuxer is always forced, and only to one of this list, none of which follows anything.

/// How many bytes it takes.
pub const FIRST_BYTES: usize = 4096;

/// A demuxer's name for `-f`, or why there is none.
pub fn demuxer(first: &[u8]) -> Result<&'static str, Unknown> {
    let at =
        |place: usize, what: &[u8]| first.get(place..).is_some_and(|rest| rest.starts_with(what));
    let known = [
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
    let found = known.into_iter().find_map(|(is_so, name)| is_so.then_some(name));
    found.ok_or_else(|| Unknown::of(first))
}

/// What is no media of a kind that is given to ffmpeg.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unknown {
    /// A list of other files or addresses.
    #[error("it is {0}, which names other files, and those are never followed")]
    Refers(&'static str),
    /// Something else.
    #[error("its first bytes are of no format that is read")]
    Other,
    /// Nothing.
    #[error("it is empty")]
    Empty,
}

impl Unknown {
    fn of(first: &[u8]) -> Self {
        if first.is_empty() {
            return Self::Empty;
        }
        let text = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).trim_ascii_start();
        let has = |what: &[u8]| memchr::memmem::find(text, what).is_some();
        let begins = |what: &[u8]| text.starts_with(what);
        match () {
            () if begins(b"#EXTM3U") => Self::Refers("a playlist"),
            () if begins(b"ffconcat") => Self::Refers("a concatenation"),
            () if begins(b"[playlist]") => Self::Refers("a playlist"),
            () if begins(b"v=0") => Self::Refers("the description of a session"),
            () if begins(b"<") && has(b"<MPD") => Self::Refers("a DASH manifest"),
            () if begins(b"<") && has(b"<SmoothStreamingMedia") => Self::Refers("a manifest"),
            () => Self::Other,
        }
    }
}

/// QuickTime, MP4 and what came of them: a box of a kind that stands first.
fn is_iso_media(first: &[u8]) -> bool {
    let kinds =
        [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"sidx", b"free", b"skip", b"wide", b"pnot"];
    first.get(4..8).is_some_and(|kind| kinds.iter().any(|known| kind == *known))
}

/// Packets of 188 bytes, or of 192 with a time before each, or of 204 with a check after it. A
/// recording may begin in the middle of one.
fn is_transport_stream(first: &[u8]) -> bool {
    const PACKETS: usize = 5;
    [188, 192, 204].into_iter().any(|size| {
        let from = |start: usize| (0..PACKETS).all(|n| first.get(start + n * size) == Some(&0x47));
        (0..size).any(from)
    })
}

/// A frame of layer 2 or 3 with a version, a bit rate and a sampling rate that there are.
fn is_mpeg_audio(first: &[u8]) -> bool {
    let Some(&[sync, kind, rates, _]) = first.first_chunk::<4>() else { return false };
    let is_sync = sync == 0xFF && kind & 0xE0 == 0xE0 && kind & 0x18 != 0x08;
    let is_layer = matches!(kind & 0x06, 0x02 | 0x04);
    is_sync && is_layer && !matches!(rates & 0xF0, 0x00 | 0xF0) && rates & 0x0C != 0x0C
}

/// A frame of AAC with a header of its own.
fn is_adts(first: &[u8]) -> bool {
    first.first_chunk::<2>().is_some_and(|[sync, kind]| *sync == 0xFF && kind & 0xF6 == 0xF0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_other_files_is_refused_by_name() {
        for (text, what) in [
            ("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist"),
            ("\u{feff}\n#EXTM3U\n", "a playlist"),
            ("ffconcat version 1.0\nfile /etc/passwd\n", "a concatenation"),
            ("[playlist]\nFile1=http://127.0.0.1/\n", "a playlist"),
            ("v=0\no=- 0 0 IN IP4 127.0.0.1\n", "the description of a session"),
            ("<?xml version=\"1.0\"?><MPD></MPD>", "a DASH manifest"),
        ] {
            assert_eq!(demuxer(text.as_bytes()), Err(Unknown::Refers(what)), "{text}");
        }
        assert_eq!(demuxer(b"#!/bin/sh\n"), Err(Unknown::Other));
        assert_eq!(demuxer(b""), Err(Unknown::Empty));
    }

    #[test]
    fn a_recording_that_begins_in_the_middle_of_a_packet_is_one() {
        for (size, start) in [(188, 0), (188, 100), (192, 4), (204, 203)] {
            let mut bytes = vec![0; FIRST_BYTES];
            bytes.iter_mut().skip(start).step_by(size).for_each(|byte| *byte = 0x47);
            assert_eq!(demuxer(&bytes), Ok("mpegts"), "{size} from {start}");
        }
    }
}
