//! Track headers (ISO/IEC 14496-12 sections 8.3 to 8.6): everything about a track except its samples.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use super::{
    FourCc,
    auxiliary::{AuxiliaryTables, Format},
    boxes::{self, Header},
    codec::{self, SampleEntry},
    fragments::{Defaults, Fragments},
    macintosh_languages,
    samples::Samples,
    tables::Tables,
    timeline::Edit,
    user_data::{self, TrackKind, UserData},
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// The longest sample entry that is read, in bytes: parameter sets and colour profiles take a few KiB, and
/// each track has an entry.
const SAMPLE_ENTRY_BYTES_MAX: u64 = 64 * 1024;

/// The most entries of an edit list; later ones are ignored.
const EDITS_MAX: u64 = 1024;

/// A track before its samples are indexed.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) handler: FourCc,
    pub(super) timescale: NonZeroU32,
    pub(super) language: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kinds: Vec<TrackKind>,
    pub(super) is_enabled: bool,
    pub(super) display: [u8; 44],
    pub(super) entry: SampleEntry,
    pub(super) edits: Vec<Edit>,
    pub(super) samples: Samples,
    /// Identifiers of the tracks that hold its chapters.
    pub(super) chapters: Vec<u32>,
    /// The whole `trak` box.
    pub(super) whole: Range<u64>,
}

/// An unplayable track: its readable properties and the reason.
pub(super) struct Refused {
    pub(super) id: u32,
    pub(super) handler: Option<FourCc>,
    pub(super) format: Option<FourCc>,
    pub(super) why: String,
}

/// Reads a `trak`. `defaults` are the sample defaults of each track in `mvex`; `moofs` are the file's
/// fragments; `is_quicktime` says whether a language of zero is one.
pub(super) fn read<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    trak: &Header,
    defaults: &[(u32, Defaults)],
    moofs: &Arc<[Range<u64>]>,
    is_quicktime: bool,
) -> Result<Result<Head, Refused>, ReadError> {
    let mut refused = Refused { id: 0, handler: None, format: None, why: String::new() };
    macro_rules! refuse {
        ($($why:tt)*) => {{
            refused.why = format!($($why)*);
            return Ok(Err(refused));
        }};
    }
    let parts = boxes::children(window, &trak.body)?;
    let Some(tkhd) = boxes::find(&parts, b"tkhd") else {
        refuse!("it has no header (tkhd)");
    };
    let Some((id, is_enabled, display)) = track_header(window, tkhd)? else {
        refuse!("its header (tkhd) is too short");
    };
    refused.id = id;
    let Some(mdia) = boxes::find(&parts, b"mdia") else {
        refuse!("it has no media (mdia)");
    };
    let media = boxes::children(window, &mdia.body)?;
    let hdlr = boxes::find(&media, b"hdlr").filter(|hdlr| hdlr.body_len() >= 12);
    let Some(hdlr) = hdlr else {
        refuse!("it has no handler (hdlr)");
    };
    let handler = FourCc(window.array(hdlr.body.start + 8)?);
    refused.handler = Some(handler);
    let mdhd = match boxes::find(&media, b"mdhd") {
        Some(mdhd) => media_header(window, mdhd, is_quicktime)?,
        None => None,
    };
    let Some((timescale, language)) = mdhd else {
        refuse!("its media header (mdhd) is missing or invalid");
    };
    let language = match boxes::find(&media, b"elng") {
        Some(elng) => user_data::text(window, elng, 4)?.or(language),
        None => language,
    };
    let Some(minf) = boxes::find(&media, b"minf") else {
        refuse!("it has no media information (minf)");
    };
    let information = boxes::children(window, &minf.body)?;
    let Some(sample_table) = boxes::find(&information, b"stbl") else {
        refuse!("it has no sample tables (stbl)");
    };
    let stbl = boxes::children(window, &sample_table.body)?;
    let Some(entry_bytes) = sample_entry(window, &stbl)? else {
        refuse!("its sample entry (stsd) is missing or invalid");
    };
    refused.format = entry_bytes.get(4..).and_then(<[u8]>::first_chunk).copied().map(FourCc);
    let entry = match codec::read(&entry_bytes, handler.0) {
        Ok(entry) => entry,
        Err(error) => refuse!("{error}"),
    };
    let own_defaults =
        defaults.iter().find(|(track, _)| *track == id).map(|(_, defaults)| *defaults);
    let mut tables = match Tables::read(window, &stbl)? {
        Ok(tables) => Some(tables).filter(|tables| tables.count > 0 || moofs.is_empty()),
        // Some writers omit the tables of a fragmented track, although the standard requires them.
        Err(_) if own_defaults.is_some() && !moofs.is_empty() => None,
        Err(why) => refuse!("{why}"),
    };
    let protection = Format::from_encryption(entry.encryption.as_ref());
    if let (Some(tables), Some(format)) = (&mut tables, protection) {
        let counts = (tables.count, tables.chunks.count);
        match AuxiliaryTables::read(window, &stbl, format, counts)? {
            Ok(auxiliary) => tables.auxiliary = auxiliary,
            Err(why) => refuse!("{why}"),
        }
    }
    let fragments = (!moofs.is_empty()).then(|| Fragments {
        moofs: Arc::clone(moofs),
        track_id: id,
        defaults: own_defaults.unwrap_or(Defaults { description: 1, ..Defaults::default() }),
        protection,
    });
    let edits = match boxes::find(&parts, b"edts") {
        Some(edts) => edit_list(window, edts)?,
        None => Vec::new(),
    };
    let UserData { name, kinds } = user_data::read(window, &parts, hdlr)?;
    Ok(Ok(Head {
        id,
        handler,
        timescale,
        language,
        name,
        kinds,
        is_enabled,
        display,
        entry,
        edits,
        samples: Samples { tables, fragments },
        chapters: chapter_tracks(window, &parts)?,
        whole: trak.whole(),
    }))
}

/// `tkhd` (section 8.3.2): identifier, enabled flag, and display matrix and size.
fn track_header<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    tkhd: &Header,
) -> Result<Option<(u32, bool, [u8; 44])>, ReadError> {
    if tkhd.body_len() < 4 {
        return Ok(None);
    }
    let [version, .., flags] = window.array::<4>(tkhd.body.start)?;
    let (id_at, display_at) = if version == 1 { (20, 52) } else { (12, 40) };
    if tkhd.body_len() < display_at + 44 {
        return Ok(None);
    }
    let id = window.u32(tkhd.body.start + id_at)?;
    let display = window.array(tkhd.body.start + display_at)?;
    Ok(Some((id, flags & 1 != 0, display)))
}

/// `mdhd` (section 8.4.2): timescale and language.
fn media_header<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    mdhd: &Header,
    is_quicktime: bool,
) -> Result<Option<(NonZeroU32, Option<String>)>, ReadError> {
    if mdhd.body_len() < 4 {
        return Ok(None);
    }
    let [version, ..] = window.array::<4>(mdhd.body.start)?;
    let (timescale_at, language_at) = if version == 1 { (20, 32) } else { (12, 20) };
    if mdhd.body_len() < language_at + 2 {
        return Ok(None);
    }
    let timescale = NonZeroU32::new(window.u32(mdhd.body.start + timescale_at)?);
    let packed = u16::from_be_bytes(window.array(mdhd.body.start + language_at)?);
    Ok(timescale.map(|timescale| (timescale, language(packed, is_quicktime))))
}

/// A Macintosh code, or three letters of five bits each; `None` if it is neither, or `und` (undetermined).
fn language(packed: u16, is_quicktime: bool) -> Option<String> {
    if let Some(tag) = macintosh_languages::parse_code(packed, is_quicktime) {
        return Some(tag.to_owned());
    }
    let letter = |shift: u16| char::from(0x60 + u8::try_from(packed >> shift & 31).unwrap_or(0));
    let letters = [letter(10), letter(5), letter(0)];
    let is_word = letters.iter().all(char::is_ascii_lowercase);
    let language: String = letters.iter().collect();
    (is_word && language != "und").then_some(language)
}

/// The first entry of `stsd` (section 8.5.2), header included.
fn sample_entry<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    stbl: &[Header],
) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(stsd) = boxes::find(stbl, b"stsd").filter(|stsd| stsd.body_len() >= 8) else {
        return Ok(None);
    };
    let entry = Header::read(window, stsd.body.start + 8, stsd.body.end)?;
    let Some(entry) = entry.filter(|entry| !entry.is_cut) else {
        return Ok(None);
    };
    let whole = entry.whole();
    let length = whole.end - whole.start;
    if length > SAMPLE_ENTRY_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).expect("at most 64 KiB")];
    window.source().read_exact_at(whole.start, &mut bytes)?;
    Ok(Some(bytes))
}

/// `elst` in `edts` (section 8.6.6).
fn edit_list<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    edts: &Header,
) -> Result<Vec<Edit>, ReadError> {
    let parts = boxes::children(window, &edts.body)?;
    let Some(elst) = boxes::find(&parts, b"elst").filter(|elst| elst.body_len() >= 8) else {
        return Ok(Vec::new());
    };
    let [version, ..] = window.array::<4>(elst.body.start)?;
    let declared = u64::from(window.u32(elst.body.start + 4)?);
    let width = if version == 1 { 20 } else { 12 };
    let count = declared.min((elst.body_len() - 8) / width).min(EDITS_MAX);
    let mut edits = Vec::new();
    for entry in 0..count {
        let at = elst.body.start + 8 + entry * width;
        edits.push(if version == 1 {
            let duration = u64::from_be_bytes(window.array(at)?);
            Edit { duration, media_time: i64::from_be_bytes(window.array(at + 8)?) }
        } else {
            let media_time = i64::from(window.u32(at + 4)?.cast_signed());
            Edit { duration: u64::from(window.u32(at)?), media_time }
        });
    }
    Ok(edits)
}

/// Identifiers of this track's chapter tracks: QuickTime's `chap` in `tref`.
fn chapter_tracks<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Vec<u32>, ReadError> {
    let Some(tref) = boxes::find(parts, b"tref") else {
        return Ok(Vec::new());
    };
    let references = boxes::children(window, &tref.body)?;
    let Some(chap) = boxes::find(&references, b"chap") else {
        return Ok(Vec::new());
    };
    (0..(chap.body_len() / 4).min(16)).map(|at| window.u32(chap.body.start + 4 * at)).collect()
}
