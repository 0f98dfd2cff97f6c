//! What the headers of a track say that the index itself does not need: the boxes that are written for an
//! init segment, or for a virtual MP4, repeat it.

use super::{boxes::Header, user_data};
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// The most bytes of a sample group box that are read.
const GROUP_BYTES_MAX: u64 = 512;

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
    /// Name in `hdlr` (section 8.4.3): often that of a program, while [`Track::name`](crate::movie::Track::name) is
    /// for people.
    pub handler_name: String,
    /// How many samples before an audio sample a decoder needs for it, as a negative number: the `roll`
    /// group of most samples.
    pub roll_distance: Option<i16>,
}

impl Carried {
    /// Reads the fields of a track from its boxes: `tkhd`, `hdlr`, and those in `stbl`.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        tkhd: &Header,
        hdlr: &Header,
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
            handler_name: user_data::text(window, hdlr, 24)?.unwrap_or_default(),
            roll_distance: roll_distance(window, stbl)?,
        })
    }

    /// Approximate memory use of the texts, in bytes.
    pub(in crate::movie) fn bytes(&self) -> usize {
        self.handler_name.len()
    }
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
    let bytes = body(window, &sgpd)?;
    // An entry of this type has two bytes, which version 1 says and version 0 implies.
    let entries = match bytes.first() {
        Some(0) => bytes.get(12..),
        Some(1) if bytes.get(8..12) == Some(&[0, 0, 0, 2]) => bytes.get(16..),
        _ => None,
    };
    let index = match roll_box(window, stbl, b"sbgp")? {
        Some(sbgp) => most_used_entry(&body(window, &sbgp)?),
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

/// The first bytes of a box's body.
fn body<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    header: &Header,
) -> Result<Vec<u8>, ReadError> {
    let length =
        usize::try_from(header.body_len().min(GROUP_BYTES_MAX)).expect("at most 512 bytes");
    Ok(window.get(header.body.start, length)?.to_vec())
}
