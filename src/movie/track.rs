//! Track headers (ISO/IEC 14496-12 sections 8.3 to 8.6): everything about a track except its samples.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use super::{
    FourCc,
    auxiliary::{AuxiliaryTables, Format},
    boxes::{self, Header},
    codec::{self, SampleEntry},
    fragments::{Defaults, Fragments},
    samples::Samples,
    tables::Tables,
    timeline::{Edit, EditList},
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// The longest sample entry that is read, in bytes: parameter sets and colour profiles take a few KiB, and
/// each track has an entry.
const SAMPLE_ENTRY_BYTES_MAX: u64 = 64 * 1024;

/// The most entries of an edit list; later ones are ignored.
const EDITS_MAX: u64 = 1024;

/// The longest track name, in bytes; longer ones are cut.
const NAME_BYTES_MAX: u64 = 256;

/// A track before its samples are indexed.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) handler: FourCc,
    pub(super) timescale: NonZeroU32,
    pub(super) language: Option<String>,
    pub(super) name: Option<String>,
    pub(super) is_enabled: bool,
    pub(super) display: [u8; 44],
    pub(super) entry: SampleEntry,
    pub(super) edits: EditList,
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
/// fragments.
pub(super) fn read<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    trak: &Header,
    defaults: &[(u32, Defaults)],
    moofs: &Arc<[Range<u64>]>,
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
        Some(mdhd) => media_header(window, mdhd)?,
        None => None,
    };
    let Some((timescale, language)) = mdhd else {
        refuse!("its media header (mdhd) is missing or invalid");
    };
    let language = match boxes::find(&media, b"elng") {
        Some(elng) => text(window, elng, 4)?.or(language),
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
        None => EditList::default(),
    };
    Ok(Ok(Head {
        id,
        handler,
        timescale,
        language,
        name: name(window, &parts, hdlr)?,
        is_enabled,
        display,
        entry,
        edits,
        samples: Samples { tables, fragments, pieces: None },
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
    Ok(timescale.map(|timescale| (timescale, language(packed))))
}

/// Three letters of five bits each; `None` if they are no letters, or `und` (undetermined).
fn language(packed: u16) -> Option<String> {
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
) -> Result<EditList, ReadError> {
    let parts = boxes::children(window, &edts.body)?;
    let Some(elst) = boxes::find(&parts, b"elst").filter(|elst| elst.body_len() >= 8) else {
        return Ok(EditList::default());
    };
    let [version, ..] = window.array::<4>(elst.body.start)?;
    let declared = u64::from(window.u32(elst.body.start + 4)?);
    let width = if version == 1 { 20 } else { 12 };
    let present = declared.min((elst.body_len() - 8) / width);
    let count = present.min(EDITS_MAX);
    let mut edits = Vec::new();
    for entry in 0..count {
        let at = elst.body.start + 8 + entry * width;
        edits.push(if version == 1 {
            let duration = u64::from_be_bytes(window.array(at)?);
            let media_time = i64::from_be_bytes(window.array(at + 8)?);
            Edit { duration, media_time, rate: window.u32(at + 16)? }
        } else {
            let media_time = i64::from(window.u32(at + 4)?.cast_signed());
            Edit { duration: window.u32(at)?.into(), media_time, rate: window.u32(at + 8)? }
        });
    }
    Ok(EditList { edits, unread: u32::try_from(present - count).unwrap_or(u32::MAX) })
}

/// The name for people: QuickTime's `name` in `udta`, else the handler name, unless that is a muxer's
/// default.
fn name<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
    hdlr: &Header,
) -> Result<Option<String>, ReadError> {
    if let Some(udta) = boxes::find(parts, b"udta") {
        let own = boxes::children(window, &udta.body)?;
        if let Some(name) = boxes::find(&own, b"name")
            && let Some(name) = text(window, name, 0)?
        {
            return Ok(Some(name));
        }
    }
    let name = text(window, hdlr, 24)?;
    let is_muxer_default = |name: &String| {
        let name = name.to_ascii_lowercase();
        ["handler", "handle", "core media", "iso media", "gpac", "mainconcept", "l-smash"]
            .iter()
            .any(|word| name.contains(word))
    };
    Ok(name.filter(|name| !is_muxer_default(name)))
}

/// The text of a box after `skipped` bytes, up to the end or a zero byte, with or without a length prefix.
fn text<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    header: &Header,
    skipped: u64,
) -> Result<Option<String>, ReadError> {
    let Some(length) = header.body_len().checked_sub(skipped) else {
        return Ok(None);
    };
    let length = usize::try_from(length.min(NAME_BYTES_MAX)).expect("at most 256 bytes");
    let bytes = window.get(header.body.start + skipped, length)?;
    // QuickTime prefixes strings with their length.
    let terminated = match bytes.split_first() {
        Some((&first, rest)) if usize::from(first) == rest.len() => rest,
        _ => bytes,
    };
    let content = terminated.split(|byte| *byte == 0).next().unwrap_or_default();
    let decoded = String::from_utf8_lossy(content);
    let text = decoded.trim_matches(|letter: char| letter.is_control() || letter.is_whitespace());
    let is_text = !text.is_empty() && !text.chars().any(char::is_control);
    Ok(is_text.then(|| text.to_owned()))
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
