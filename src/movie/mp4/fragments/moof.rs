//! What a `moof` has of one track (ISO/IEC 14496-12 section 8.8): its runs of samples, and what is declared
//! about them.

use super::{Defaults, FRAGMENT_SAMPLES_MAX, Fragments};
use crate::{
    extent::ReadError,
    movie::{
        FourCc,
        mp4::{
            auxiliary::AuxiliaryRun,
            boxes::{self, Header},
            syncs::SyncRuns,
        },
        window::Window,
    },
};

/// A run of samples with contiguous bytes (`trun`, section 8.8.8).
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) offset: u64,
    pub(super) count: u32,
    /// Position of its entries in the `moof`'s bytes, and the size of each.
    pub(super) entries: usize,
    pub(super) width: usize,
    pub(super) flags: u32,
    pub(super) first_flags: Option<u32>,
    pub(super) defaults: Defaults,
    /// Index of its track fragment among the track's own in the `moof`.
    pub(super) traf: usize,
}

impl Run {
    pub(super) const DATA_OFFSET: u32 = 0x1;
    pub(super) const FIRST_FLAGS: u32 = 0x4;
    pub(super) const DURATION: u32 = 0x100;
    pub(super) const SIZE: u32 = 0x200;
    pub(super) const FLAGS: u32 = 0x400;
    pub(super) const COMPOSITION: u32 = 0x800;
}

/// What a `moof` has of one track.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) runs: Vec<Run>,
    /// The decoding time of its first sample, if the `moof` declares it.
    pub(super) declared: Option<i64>,
    /// Auxiliary information of each of its track fragments.
    pub(super) auxiliaries: Vec<AuxiliaryRun>,
    /// Sync samples in groups, of each of its track fragments.
    pub(super) syncs: Vec<SyncRuns>,
}

/// Reads what a `moof` at offset `base` has of one track. `None` if the `moof` is invalid.
pub(super) fn parse(
    moof: &[u8],
    base: u64,
    fragments: &Fragments,
) -> Result<Option<Parsed>, ReadError> {
    let window = &mut Window::new(moof, 4096);
    let Some(outer) = Header::read(window, 0, moof.len() as u64)? else {
        return Ok(None);
    };
    let mut trafs = boxes::children(window, &outer.body)?;
    trafs.retain(|child| child.kind == FourCc(*b"traf"));
    // The data of other tracks matters only if ours follows it without a base offset.
    let mut follows_others = false;
    for traf in trafs.iter().filter(|traf| !is_other_track(moof, traf, fragments.track_id)) {
        let Some((header, _)) = read_header(window, moof, traf, fragments)? else {
            return Ok(None);
        };
        let is_ours = header.track_id == fragments.track_id;
        follows_others |= is_ours && header.base.is_none() && !header.is_from_moof;
    }
    let mut parsed = Parsed::default();
    let mut samples = 0_u32;
    // End of the data of the previous track fragment.
    let mut data_end = base;
    for traf in trafs {
        if !follows_others && is_other_track(moof, &traf, fragments.track_id) {
            continue;
        }
        let Some((header, defaults)) = read_header(window, moof, &traf, fragments)? else {
            return Ok(None);
        };
        let parts = boxes::children(window, &traf.body)?;
        let is_ours = header.track_id == fragments.track_id;
        let start = header.base.unwrap_or(if header.is_from_moof { base } else { data_end });
        if is_ours
            && let Some(tfdt) =
                boxes::find(&parts, b"tfdt").and_then(|tfdt| full_box_fields(moof, tfdt))
        {
            let Some(time) = decode_time(tfdt) else {
                return Ok(None);
            };
            parsed.declared = Some(time);
        }
        if is_ours {
            parsed.syncs.push(SyncRuns::read(window, &parts)?);
            parsed.auxiliaries.push(AuxiliaryRun::read(
                moof,
                base,
                &parts,
                start,
                fragments.protection,
            )?);
        }
        let mut next = start;
        for trun in parts.iter().filter(|part| part.kind == FourCc(*b"trun")) {
            let Some(run) = read_run(moof, trun, start, next, defaults) else {
                return Ok(None);
            };
            // A run without a data offset starts at the end of the previous run.
            next = run.end(moof);
            if is_ours {
                samples = samples.saturating_add(run.count);
                if samples > FRAGMENT_SAMPLES_MAX {
                    return Ok(None);
                }
                parsed.runs.push(Run { traf: parsed.auxiliaries.len() - 1, ..run });
            }
        }
        data_end = next;
    }
    Ok(Some(parsed))
}

/// A quick check whether a track fragment belongs to another track: `tfhd` is its first box (section
/// 8.8.7). A file can have 64 tracks in each of 100,000 fragments.
fn is_other_track(moof: &[u8], traf: &Header, track_id: u32) -> bool {
    let fields = usize::try_from(traf.body.start).ok().and_then(|start| moof.get(start..));
    let front = fields.and_then(<[u8]>::first_chunk::<16>);
    front.is_some_and(|front| front[4..8] == *b"tfhd" && front[12..] != track_id.to_be_bytes())
}

/// Reads the header of a track fragment.
fn read_header(
    window: &mut Window<'_, [u8]>,
    moof: &[u8],
    traf: &Header,
    fragments: &Fragments,
) -> Result<Option<(TrackFragmentHeader, Defaults)>, ReadError> {
    let parts = boxes::children(window, &traf.body)?;
    let tfhd = boxes::find(&parts, b"tfhd").and_then(|tfhd| full_box_fields(moof, tfhd));
    Ok(tfhd.and_then(|tfhd| parse_header(tfhd, fragments.defaults)))
}

struct TrackFragmentHeader {
    track_id: u32,
    /// Explicit base of its data offsets.
    base: Option<u64>,
    /// Data offsets count from the `moof` (`default-base-is-moof`).
    is_from_moof: bool,
}

/// Version, flags and remaining fields of a full box in a `moof`'s bytes.
fn full_box_fields<'a>(moof: &'a [u8], header: &Header) -> Option<(u8, u32, &'a [u8])> {
    let start = usize::try_from(header.body.start).ok()?;
    let end = usize::try_from(header.body.end).ok()?;
    let (head, rest) = moof.get(start..end)?.split_first_chunk::<4>()?;
    Some((head[0], u32::from_be_bytes(*head) & 0x00ff_ffff, rest))
}

/// `tfhd` (section 8.8.7).
fn parse_header(
    (_, flags, fields): (u8, u32, &[u8]),
    mut defaults: Defaults,
) -> Option<(TrackFragmentHeader, Defaults)> {
    let (track_id, mut rest) = fields.split_first_chunk::<4>()?;
    let mut base = None;
    if flags & 0x1 != 0 {
        let (field, remaining) = rest.split_first_chunk::<8>()?;
        (base, rest) = (Some(u64::from_be_bytes(*field)), remaining);
    }
    let targets = [
        (0x2, &mut defaults.description),
        (0x8, &mut defaults.duration),
        (0x10, &mut defaults.size),
        (0x20, &mut defaults.flags),
    ];
    for (flag, target) in targets {
        if flags & flag != 0 {
            let (field, remaining) = rest.split_first_chunk::<4>()?;
            (*target, rest) = (u32::from_be_bytes(*field), remaining);
        }
    }
    let is_from_moof = flags & 0x2_0000 != 0;
    let track_id = u32::from_be_bytes(*track_id);
    Some((TrackFragmentHeader { track_id, base, is_from_moof }, defaults))
}

/// `tfdt` (section 8.8.12).
fn decode_time((version, _, fields): (u8, u32, &[u8])) -> Option<i64> {
    match version {
        0 => fields.first_chunk().map(|field| i64::from(u32::from_be_bytes(*field))),
        _ => i64::try_from(u64::from_be_bytes(*fields.first_chunk()?)).ok(),
    }
}

/// `trun`. Its data starts at `next`, unless it has an offset relative to `start`.
fn read_run(
    moof: &[u8],
    header: &Header,
    start: u64,
    next: u64,
    defaults: Defaults,
) -> Option<Run> {
    let (_, flags, fields) = full_box_fields(moof, header)?;
    let (count, mut rest) = fields.split_first_chunk::<4>()?;
    let count = u32::from_be_bytes(*count);
    let mut offset = next;
    if flags & Run::DATA_OFFSET != 0 {
        let (field, remaining) = rest.split_first_chunk::<4>()?;
        let from = i64::from(i32::from_be_bytes(*field));
        (offset, rest) = (start.checked_add_signed(from)?, remaining);
    }
    let mut first_flags = None;
    if flags & Run::FIRST_FLAGS != 0 {
        let (field, remaining) = rest.split_first_chunk::<4>()?;
        (first_flags, rest) = (Some(u32::from_be_bytes(*field)), remaining);
    }
    let own = [Run::DURATION, Run::SIZE, Run::FLAGS, Run::COMPOSITION];
    let width = 4 * own.into_iter().filter(|flag| flags & flag != 0).count();
    let fits = (count as usize).checked_mul(width)? <= rest.len();
    let entries = usize::try_from(header.body.end).ok()?.checked_sub(rest.len())?;
    (fits && count <= FRAGMENT_SAMPLES_MAX).then_some(Run {
        offset,
        count,
        entries,
        width,
        flags,
        first_flags,
        defaults,
        traf: 0,
    })
}

impl Run {
    /// End of its data.
    fn end(&self, moof: &[u8]) -> u64 {
        let count = u64::from(self.count);
        let length = if self.flags & Self::SIZE == 0 {
            count * u64::from(self.defaults.size)
        } else {
            let before = if self.flags & Self::DURATION == 0 { 0 } else { 4 };
            let entries = &moof[self.entries..self.entries + self.count as usize * self.width];
            let sizes = entries.chunks_exact(self.width).map(|entry| be_u32(&entry[before..]));
            sizes.map(u64::from).sum()
        };
        self.offset.saturating_add(length)
    }
}

pub(super) fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().expect("a field of four bytes"))
}
