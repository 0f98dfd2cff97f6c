//! AVI: size and length in the list of headers.

use super::{
    Head, bytes_at,
    riff::{FIRST_CHUNK, children, chunks},
    size, ticks_ms, u32_le,
};
use crate::extent::{ReadAt, ReadError};

/// Bytes of the list of headers that are read. ffmpeg writes 4 KiB for each stream.
const HEADERS_BYTES: usize = 64 << 10;

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    for list in chunks(source, FIRST_CHUNK..source.len())? {
        let length = usize::try_from(list.bytes).unwrap_or(usize::MAX).min(HEADERS_BYTES);
        if list.name == *b"LIST" && bytes_at(source, list.body, 4)? == b"hdrl" {
            return Ok(of_headers(&bytes_at(source, list.body, length)?));
        }
    }
    Ok(Head::default())
}

/// A stream, by its header.
#[derive(Clone, Copy, Debug)]
struct Stream {
    is_video: bool,
    scale: u32,
    rate: u32,
    /// Frames, or samples of audio.
    length: u32,
    size: Option<(u32, u32)>,
}

fn of_headers(list: &[u8]) -> Head {
    let (mut own_size, mut all_frames, mut streams) = (None, None, Vec::new());
    for (name, body) in children(list.get(4..).unwrap_or_default()) {
        match (&name, body.get(..4)) {
            (b"avih", _) => {
                own_size = u32_le(body, 32).zip(u32_le(body, 36)).and_then(|(w, h)| size(w, h));
            }
            (b"LIST", Some(b"strl")) => streams.extend(stream(&body[4..])),
            // Of a file longer than 1 GiB the header of the stream counts the first part only.
            (b"LIST", Some(b"odml")) => {
                let header = children(&body[4..]).find(|(name, _)| name == b"dmlh");
                all_frames = header.and_then(|(_, body)| u32_le(body, 0));
            }
            _ => {}
        }
    }
    let video = streams.iter().find(|stream| stream.is_video);
    let shown = video.or(streams.first());
    let duration_ms = shown.and_then(|stream| {
        let all = all_frames.filter(|_| stream.is_video).unwrap_or_default();
        ticks_ms(stream.length.max(all).into(), stream.scale.into(), stream.rate.into())
    });
    Head {
        has_video: (!streams.is_empty()).then_some(video.is_some()),
        duration_ms,
        size: video.and_then(|video| video.size.or(own_size)),
        has_cover: false,
    }
}

fn stream(list: &[u8]) -> Option<Stream> {
    let find = |wanted: &[u8; 4]| children(list).find(|(name, _)| name == wanted);
    let (_, header) = find(b"strh")?;
    let is_video = header.starts_with(b"vids");
    // A negative height: the first line is the top one.
    let format = find(b"strf").filter(|_| is_video).and_then(|(_, format)| {
        let height = u32_le(format, 8)?.cast_signed().unsigned_abs();
        size(u32_le(format, 4)?, height)
    });
    Some(Stream {
        is_video,
        scale: u32_le(header, 20)?,
        rate: u32_le(header, 24)?,
        length: u32_le(header, 32)?,
        size: format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short");
        [name, &length.to_le_bytes(), body, &[0][..body.len() % 2]].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn headers_tell_size_and_length() {
        let video = [&b"vidsMP42"[..], &words(&[0, 0, 0, 1, 25, 0, 100])].concat();
        let format = words(&[40, 320, 180_u32.wrapping_neg()]);
        let strl = [&b"strl"[..], &chunk(b"strh", &video), &chunk(b"strf", &format)].concat();
        let list = [&b"hdrl"[..], &chunk(b"JUNK", &[1; 5001]), &chunk(b"LIST", &strl)].concat();
        let odml = [&b"odml"[..], &chunk(b"dmlh", &words(&[250]))].concat();
        let long = [&list[..], &chunk(b"LIST", &odml)].concat();
        for (list, duration_ms) in [(&list, 4000), (&long, 10_000)] {
            let file = [&b"RIFF\0\0\0\0AVI "[..], &chunk(b"LIST", list)].concat();
            let expected = Head {
                has_video: Some(true),
                duration_ms: Some(duration_ms),
                size: Some((320, 180)),
                has_cover: false,
            };
            assert_eq!(read(&file[..]).expect("in memory"), expected);
            for length in 0..file.len() {
                read(&file[..length]).expect("in memory");
            }
        }
    }
}
