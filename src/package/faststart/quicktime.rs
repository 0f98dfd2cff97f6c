//! Boxes of QuickTime movies that MP4 does not have, or has in another form ("QuickTime File Format", and
//! ISO/IEC 14496-12).

use std::ops::Range;

use crate::{
    extent::{ReadAt, ReadError},
    movie::{FourCc, Header, Movie, Track, children, languages},
    package::boxes::{self, Writer},
};

/// Macintosh language codes are smaller; larger ones are three letters.
const LETTERS_MIN: u16 = 0x400;

/// QuickTime's code for "no language".
const UNSPECIFIED: u16 = 0x7fff;

/// The longest handler name that is read, in bytes.
const NAME_BYTES_MAX: u64 = 256;

/// The most entries of a `dref` that are rewritten.
const REFERENCES_MAX: usize = 16;

/// A box in MP4.
pub(super) enum Mp4Form {
    /// The same.
    Same,
    /// MP4 has no such box.
    Nothing,
    /// Another box.
    Rewritten(Vec<u8>),
    /// A header, whose size is set later, and a body from the file.
    Container(Vec<u8>, Range<u64>),
}

/// Whether play.mp4 of a movie is an MP4 although the file is a QuickTime movie.
///
/// A movie with video or audio that has no MP4 sample entry, such as ProRes or PCM, stays a QuickTime movie:
/// a sound description of version 1 means another thing in MP4, and what plays such codecs reads QuickTime.
pub fn becomes_mp4(movie: &Movie) -> bool {
    let Some(mp4) = movie.mp4() else { return false };
    let is_quicktime = mp4.brand.is_none_or(|brand| brand == FourCc(*b"qt  "));
    let is_media = |handler: FourCc| matches!(&handler.0, b"vide" | b"soun");
    let has_entry = |track: &Track| !is_media(track.handler) || track.entry.packageable().is_ok();
    is_quicktime
        && mp4.fragments == 0
        && movie.tracks.iter().all(has_entry)
        && !movie.left_out.iter().any(|track| track.handler.is_none_or(is_media))
}

/// The MP4 form of a box of a QuickTime movie.
pub(super) fn mp4_form<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
    parent: FourCc,
    child: &Header,
) -> Result<Mp4Form, ReadError> {
    match (&parent.0, &child.kind.0) {
        // Old ways to clip and blend, to preload, and the handler of the data, which is always the file.
        (b"moov", b"clip" | b"ctab" | b"prfl")
        | (b"trak", b"clip" | b"imap" | b"load" | b"matt" | b"tapt" | b"txas")
        | (b"minf", b"hdlr") => Ok(Mp4Form::Nothing),
        (b"mdia", b"mdhd") => media_header(movie, reader, child),
        (b"mdia", b"hdlr") => handler(reader, child),
        (b"minf", b"gmhd") => base_header(reader, child),
        (b"minf", b"dinf") => data_information(reader, child),
        (b"moov" | b"trak", b"meta") => metadata(reader, child),
        (b"moov" | b"trak", b"udta") => user_data(reader, child),
        _ => Ok(Mp4Form::Same),
    }
}

/// `mdhd` with a language of three letters.
fn media_header<R: ReadAt + ?Sized>(
    movie: &Movie,
    reader: &R,
    mdhd: &Header,
) -> Result<Mp4Form, ReadError> {
    let mut bytes = read(reader, mdhd.whole(), 64)?;
    // Before the last two bytes; both versions have no others.
    let Some(at) = bytes.len().checked_sub(4).filter(|_| matches!(bytes.len(), 32 | 44)) else {
        return Ok(Mp4Form::Same);
    };
    let packed = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    if packed >= LETTERS_MIN && packed != UNSPECIFIED {
        return Ok(Mp4Form::Same);
    }
    let track = movie.tracks.iter().find(|track| track.whole.contains(&mdhd.start));
    let language = track.and_then(|track| languages::three_letters(track.language.as_deref()?));
    let packed = boxes::packed_language(language.unwrap_or_default());
    bytes[at..at + 2].copy_from_slice(&packed.to_be_bytes());
    Ok(Mp4Form::Rewritten(bytes))
}

/// `hdlr` without component type and manufacturer, and with a name that ends with a zero byte.
fn handler<R: ReadAt + ?Sized>(reader: &R, hdlr: &Header) -> Result<Mp4Form, ReadError> {
    let bytes = read(reader, hdlr.body.clone(), 24 + NAME_BYTES_MAX)?;
    let (Some(kind), Some(name)) =
        (bytes.get(8..12).and_then(<[u8]>::first_chunk), bytes.get(24..))
    else {
        return Ok(Mp4Form::Same);
    };
    let text = match name.split_first() {
        Some((&length, rest)) if usize::from(length) == rest.len() => rest,
        _ => name,
    };
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut writer = Writer::default();
    boxes::handler(&mut writer, kind, &String::from_utf8_lossy(text));
    Ok(Mp4Form::Rewritten(writer.into_bytes()))
}

/// `gmhd`: `nmhd` in MP4, but muxers of MP4 keep it for chapters.
fn base_header<R: ReadAt + ?Sized>(reader: &R, gmhd: &Header) -> Result<Mp4Form, ReadError> {
    let parts = children(reader, &gmhd.body)?;
    let has = |kind: &[u8; 4]| parts.iter().any(|part| part.kind.0 == *kind);
    if has(b"text") && !has(b"tmcd") {
        return Ok(Mp4Form::Same);
    }
    let mut writer = Writer::default();
    writer.full(b"nmhd", 0, 0, |_| {});
    Ok(Mp4Form::Rewritten(writer.into_bytes()))
}

/// `dinf`: an alias that names the same file is a `url ` without a name.
fn data_information<R: ReadAt + ?Sized>(reader: &R, dinf: &Header) -> Result<Mp4Form, ReadError> {
    let parts = children(reader, &dinf.body)?;
    let Some(dref) = parts.iter().find(|part| part.kind.0 == *b"dref" && part.body_len() >= 8)
    else {
        return Ok(Mp4Form::Same);
    };
    let entries = children(reader, &(dref.body.start + 8..dref.body.end))?;
    let mut has_alias = false;
    for entry in &entries {
        let flags = read(reader, entry.body.clone(), 4)?;
        if flags.get(3).is_none_or(|flags| flags & 1 == 0) {
            return Ok(Mp4Form::Same);
        }
        has_alias |= entry.kind.0 != *b"url ";
    }
    if !has_alias || entries.len() > REFERENCES_MAX {
        return Ok(Mp4Form::Same);
    }
    let mut writer = Writer::default();
    boxes::data_information(&mut writer, entries.len());
    Ok(Mp4Form::Rewritten(writer.into_bytes()))
}

/// `meta`, which is a full box in MP4 and none in QuickTime.
fn metadata<R: ReadAt + ?Sized>(reader: &R, meta: &Header) -> Result<Mp4Form, ReadError> {
    let first = read(reader, meta.body.clone(), 8)?;
    if first.get(4..) != Some(b"hdlr") {
        return Ok(Mp4Form::Same);
    }
    let header = [&[0; 4][..], b"meta", &[0; 4]].concat();
    Ok(Mp4Form::Container(header, meta.body.clone()))
}

/// `udta` without the four zero bytes that end QuickTime's.
fn user_data<R: ReadAt + ?Sized>(reader: &R, udta: &Header) -> Result<Mp4Form, ReadError> {
    let parts = children(reader, &udta.body)?;
    Ok(match parts.last() {
        None => Mp4Form::Nothing,
        Some(last) if last.body.end == udta.body.end => Mp4Form::Same,
        Some(last) => {
            let header = [&[0; 4][..], b"udta"].concat();
            Mp4Form::Container(header, udta.body.start..last.body.end)
        }
    })
}

/// The first bytes of a range: at most `most`.
fn read<R: ReadAt + ?Sized>(
    reader: &R,
    range: Range<u64>,
    most: u64,
) -> Result<Vec<u8>, ReadError> {
    let length = range.end.saturating_sub(range.start).min(most);
    let mut bytes = vec![0; usize::try_from(length).expect("a few bytes")];
    reader.read_exact_at(range.start, &mut bytes)?;
    Ok(bytes)
}
