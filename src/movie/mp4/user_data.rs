//! What `udta` says about a track (ISO/IEC 14496-12 section 8.10): its name and its roles.

use encoding_rs::MACINTOSH;

use super::{
    boxes::{self, Header},
    handler_name,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{FourCc, window::Window},
};

/// The longest string, in bytes; longer ones are cut.
const STRING_BYTES_MAX: u64 = 256;

/// The most `kind` boxes of a track; later ones are ignored.
const KINDS_MAX: usize = 16;

/// A `kind` box: a role of a track (section 8.10.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackKind {
    /// The scheme of the value, a URI.
    pub scheme: String,
    /// The value in that scheme; may be empty.
    pub value: String,
}

/// The user data of a track.
#[derive(Debug, Default)]
pub(super) struct UserData {
    /// The name for people.
    pub(super) name: Option<String>,
    /// Its `kind` boxes, in file order.
    pub(super) kinds: Vec<TrackKind>,
}

/// Reads the user data of a track from the boxes of its `trak`. Without a name of its own the track has the
/// name of its handler, if that can be one.
pub(super) fn read<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    trak: &[Header],
    hdlr: &Header,
) -> Result<UserData, ReadError> {
    let mut data = UserData::default();
    if let Some(udta) = boxes::find(trak, b"udta") {
        let parts = boxes::children(window, &udta.body)?;
        data.name = own_name(window, &parts)?;
        let kinds = parts.iter().filter(|part| part.kind == FourCc(*b"kind"));
        for part in kinds.take(KINDS_MAX) {
            data.kinds.extend(kind(window, part)?);
        }
    }
    if data.name.is_none() {
        data.name = text(window, hdlr, 24)?.filter(|name| handler_name::names_a_track(name));
    }
    Ok(data)
}

/// The name of a track: QuickTime's `name`, or `titl` (3GPP TS 26.244 section 8.2) after version, flags and
/// language, or `©nam` (QuickTime) after length and language.
fn own_name<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Option<String>, ReadError> {
    for (kind, skipped) in [(b"name", 0), (b"titl", 6), (b"\xa9nam", 4)] {
        if let Some(part) = boxes::find(parts, kind)
            && let Some(name) = text(window, part, skipped)?
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A `kind` box: version and flags, and two strings, each with a zero byte at its end.
fn kind<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    part: &Header,
) -> Result<Option<TrackKind>, ReadError> {
    let Some(bytes) = bytes(window, part, 4)? else {
        return Ok(None);
    };
    let mut strings = bytes.split(|byte| *byte == 0).map(decode);
    let (scheme, value) = (strings.next().flatten(), strings.next().flatten());
    Ok(scheme.map(|scheme| TrackKind { scheme, value: value.unwrap_or_default() }))
}

/// The text of a box after `skipped` bytes, up to the end or a zero byte, with or without a length prefix.
pub(super) fn text<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    part: &Header,
    skipped: u64,
) -> Result<Option<String>, ReadError> {
    let Some(bytes) = bytes(window, part, skipped)? else {
        return Ok(None);
    };
    // QuickTime prefixes strings with their length.
    let terminated = match bytes.split_first() {
        Some((&first, rest)) if usize::from(first) == rest.len() => rest,
        _ => bytes,
    };
    Ok(terminated.split(|byte| *byte == 0).next().and_then(decode))
}

/// The bytes of a box after `skipped` ones, at most [`STRING_BYTES_MAX`].
fn bytes<'w, R: ReadAt + ?Sized>(
    window: &'w mut Window<'_, R>,
    part: &Header,
    skipped: u64,
) -> Result<Option<&'w [u8]>, ReadError> {
    let Some(length) = part.body_len().checked_sub(skipped) else {
        return Ok(None);
    };
    let length = usize::try_from(length.min(STRING_BYTES_MAX)).expect("at most 256 bytes");
    window.get(part.body.start + skipped, length).map(Some)
}

/// Decodes UTF-8, or else Mac Roman as in old QuickTime files; `None` if it is blank, or no text.
fn decode(bytes: &[u8]) -> Option<String> {
    // The limit may have cut a character.
    let is_mac_roman = str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
    let decoded = if is_mac_roman {
        MACINTOSH.decode_without_bom_handling(bytes).0
    } else {
        String::from_utf8_lossy(bytes)
    };
    let text = decoded.trim_matches(|letter: char| letter.is_control() || letter.is_whitespace());
    let is_text = !text.is_empty() && !text.chars().any(char::is_control);
    is_text.then(|| text.to_owned())
}
