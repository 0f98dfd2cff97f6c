//! What the headers of a track say that the index itself does not need: the boxes that are written for an
//! init segment, or for a virtual MP4, repeat it.

use super::{
    boxes::{self, Header},
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// The longest handler name and the longest string of a `kind` that are read, in bytes.
const TEXT_BYTES_MAX: u64 = 256;

/// The most `kind` boxes of a track; later ones are ignored.
const KINDS_MAX: usize = 16;

/// The grouping type of roll recovery (ISO/IEC 14496-12 section 10.1).
const ROLL: [u8; 4] = *b"roll";

/// Fields that written boxes carry over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// Flags of `tkhd` (section 8.3.2): enabled, in movie, in preview.
    pub flags: u32,
    /// Front to back order of video, as two's complement.
    pub layer: u16,
    /// Group of tracks of which a player plays one; 0 for a track without alternatives.
    pub alternate_group: u16,
    /// Volume as 8.8 fixed point.
    pub volume: u16,
    /// Name in `hdlr` (section 8.4.3): often that of a program, while [`Track::name`](super::Track::name) is
    /// for people.
    pub handler_name: String,
    /// Purposes of the track: its `kind` boxes (section 8.10.4).
    pub kinds: Vec<TrackKind>,
    /// How many samples before an audio sample a decoder needs for it, as a negative number: the `roll`
    /// group of most samples.
    pub roll_distance: Option<i16>,
}

/// A purpose of a track, as a scheme and a value of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackKind {
    /// Scheme, such as `urn:mpeg:dash:role:2011`.
    pub scheme: String,
    /// Value; may be empty.
    pub value: String,
}

impl Carried {
    /// Reads the fields of a track from its boxes: `tkhd`, `hdlr`, those in `trak`, and those in `stbl`.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        tkhd: &Header,
        hdlr: &Header,
        trak: &[Header],
        stbl: &[Header],
    ) -> Result<Self, ReadError> {
        let [version, flags @ ..] = window.array::<4>(tkhd.body.start)?;
        let [a, b, c] = flags;
        // Behind the times, the identifier and the duration.
        let at = tkhd.body.start + if version == 1 { 44 } else { 32 };
        let mut field = |at| window.array(at).map(u16::from_be_bytes);
        let (layer, alternate_group, volume) = (field(at)?, field(at + 2)?, field(at + 4)?);
        Ok(Self {
            flags: u32::from_be_bytes([0, a, b, c]),
            layer,
            alternate_group,
            volume,
            handler_name: handler_name(window, hdlr)?,
            kinds: kinds(window, trak)?,
            roll_distance: roll_distance(window, stbl)?,
        })
    }

    /// Approximate memory use of the texts, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let kind_bytes =
            |kind: &TrackKind| size_of::<TrackKind>() + kind.scheme.len() + kind.value.len();
        self.handler_name.len() + self.kinds.iter().map(kind_bytes).sum::<usize>()
    }
}

/// The name in `hdlr`, which QuickTime prefixes with its length.
fn handler_name<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    hdlr: &Header,
) -> Result<String, ReadError> {
    let bytes = body(window, hdlr, 24)?;
    let text = match bytes.split_first() {
        Some((&length, rest)) if usize::from(length) == rest.len() => rest,
        _ => &bytes[..],
    };
    Ok(texts(text).next().unwrap_or_default())
}

/// The `kind` boxes in `udta` of a track.
fn kinds<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    trak: &[Header],
) -> Result<Vec<TrackKind>, ReadError> {
    let Some(udta) = boxes::find(trak, b"udta") else {
        return Ok(Vec::new());
    };
    let mut kinds = Vec::new();
    let children = boxes::children(window, &udta.body)?;
    for kind in children.iter().filter(|child| child.kind.0 == *b"kind").take(KINDS_MAX) {
        let bytes = body(window, kind, 4)?;
        let mut texts = texts(&bytes);
        let scheme = texts.next().unwrap_or_default();
        if !scheme.is_empty() {
            kinds.push(TrackKind { scheme, value: texts.next().unwrap_or_default() });
        }
    }
    Ok(kinds)
}

/// The distance in `sgpd` (section 8.9.3) that `sbgp` (section 8.9.2) gives to most samples. In a fragmented
/// file the fragments map their samples, and the first distance counts.
fn roll_distance<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    stbl: &[Header],
) -> Result<Option<i16>, ReadError> {
    let Some(sgpd) = roll_box(window, stbl, b"sgpd")? else {
        return Ok(None);
    };
    let bytes = body(window, &sgpd, 0)?;
    // An entry of this type has two bytes, which version 1 says and version 0 implies.
    let entries = match bytes.first() {
        Some(0) => bytes.get(12..),
        Some(1) if bytes.get(8..12) == Some(&[0, 0, 0, 2]) => bytes.get(16..),
        _ => None,
    };
    let index = match roll_box(window, stbl, b"sbgp")? {
        Some(sbgp) => most_used_entry(&body(window, &sbgp, 0)?),
        None => 1,
    };
    let place = index.checked_sub(1).and_then(|place| usize::try_from(place).ok());
    let entry = place.and_then(|place| entries?.chunks_exact(2).nth(place));
    let distance = entry.and_then(<[u8]>::first_chunk).map(|entry| i16::from_be_bytes(*entry));
    Ok(distance.filter(|distance| *distance < 0))
}

/// The entry that the longest run of a `sbgp` names, from 1; 0 for none.
fn most_used_entry(sbgp: &[u8]) -> u32 {
    let head = if sbgp.first() == Some(&1) { 16 } else { 12 };
    let field = |bytes: &[u8]| bytes.first_chunk().map_or(0, |field| u32::from_be_bytes(*field));
    let runs = sbgp.get(head..).unwrap_or_default().chunks_exact(8);
    let longest = runs.map(|run| (field(run), field(&run[4..]))).max_by_key(|(count, _)| *count);
    // A file that is fragmented may map no sample here.
    longest.map_or(1, |(_, index)| index)
}

/// The first box of a type whose samples are grouped by [`ROLL`].
fn roll_box<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    stbl: &[Header],
    kind: &[u8; 4],
) -> Result<Option<Header>, ReadError> {
    for header in stbl.iter().filter(|header| header.kind.0 == *kind && header.body_len() >= 8) {
        if window.array(header.body.start + 4)? == ROLL {
            return Ok(Some(header.clone()));
        }
    }
    Ok(None)
}

/// The first bytes of a box's body after `skipped` bytes: as many as two texts need.
fn body<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    header: &Header,
    skipped: u64,
) -> Result<Vec<u8>, ReadError> {
    let Some(length) = header.body_len().checked_sub(skipped) else {
        return Ok(Vec::new());
    };
    let length = usize::try_from(length.min(2 * TEXT_BYTES_MAX)).expect("at most 512 bytes");
    Ok(window.get(header.body.start + skipped, length)?.to_vec())
}

/// Texts that each end with a zero byte, or with the bytes.
fn texts(bytes: &[u8]) -> impl Iterator<Item = String> {
    let is_text = |text: &String| !text.chars().any(char::is_control);
    bytes
        .split(|byte| *byte == 0)
        .map(move |text| Some(String::from_utf8_lossy(text).into_owned()).filter(is_text))
        .map(Option::unwrap_or_default)
}
