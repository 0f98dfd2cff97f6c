//! Track headers (ISO/IEC 14496-12 sections 8.3 to 8.6): everything about a track except its samples.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    auxiliary::{AuxiliaryTables, Format},
    boxes::{self, Header},
    carried::Carried,
    corrections::CompositionLimits,
    entries::{self, Chosen, Entries},
    fragments::{Defaults, Fragments},
    macintosh_languages,
    samples::{Samples, Walk},
    tables::Tables,
    timeline::{Edit, EditList, Timeline},
    user_data::{self, TrackKind, UserData},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        Captions, FourCc, Indexed, Sample, SampleEntry, Track, VideoShape, codec::Media,
        shape::Display, walk, window::Window,
    },
};

/// Read size per table in search of a track's first sample, in bytes.
const FIRST_BYTES: usize = 512;

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
    /// How it is displayed, within the movie.
    pub(super) display: Display,
    pub(super) carried: Carried,
    pub(super) entry: SampleEntry,
    pub(super) edits: EditList,
    pub(super) samples: Samples,
    /// The first sample, if it is readable.
    pub(super) first: Option<Sample>,
    /// Number of equal sample entries, of which it has the first.
    pub(super) equal_entries: u8,
    /// Its header has no timescale, so that it has that of the movie.
    pub(super) missing_timescale: bool,
    /// The longest duration according to the headers of the track and the movie, in ticks.
    pub(super) declared: Option<i64>,
    /// Identifiers of the tracks that hold its chapters.
    pub(super) chapters: Vec<u32>,
    /// The whole `trak` box.
    pub(super) whole: Range<u64>,
}

impl Head {
    /// The track, with its samples indexed.
    pub(super) fn into_track(self, timeline: Timeline, index: Indexed) -> Track {
        let Self { id, handler, timescale, language, name, kinds, is_enabled, .. } = self;
        let Self { display, carried, entry, samples, whole, .. } = self;
        let shape = match &entry.media {
            Media::Video(video) => Some(VideoShape::new(&display, video)),
            _ => None,
        };
        Track {
            id,
            handler,
            timescale,
            language,
            name,
            kinds,
            is_enabled,
            display: display.fields(&entry.media),
            carried,
            shape,
            entry,
            timeline,
            index,
            captions: Captions::default(),
            whole,
            prefix: Bytes::new(),
            samples: walk::Samples::Boxes(Box::new(samples)),
        }
    }
}

/// An unplayable track: its readable properties and the reason.
pub(super) struct Refused {
    pub(super) id: u32,
    pub(super) handler: Option<FourCc>,
    pub(super) format: Option<FourCc>,
    pub(super) why: String,
}

/// What tracks share.
pub(super) struct Shared<'a> {
    /// Ticks per second of the movie.
    pub(super) timescale: NonZeroU32,
    /// Duration of the movie, in these ticks, with fragments (`mehd`) or without; 0 if unknown.
    pub(super) duration: u64,
    /// Whether it is a QuickTime movie, where a language of zero is English.
    pub(super) is_quicktime: bool,
    /// The sample defaults of each track in `mvex`.
    pub(super) defaults: &'a [(u32, Defaults)],
    /// The file's fragments.
    pub(super) moofs: &'a Arc<[Range<u64>]>,
}

/// Reads a `trak`. Looking for its first sample consumes `work`.
pub(super) fn read<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    trak: &Header,
    shared: &Shared<'_>,
    work: &mut u64,
) -> Result<Result<Head, Refused>, ReadError> {
    let Shared { defaults, moofs, .. } = shared;
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
    let Some(TrackHeader { id, is_enabled, display, duration }) = track_header(window, tkhd)?
    else {
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
        Some(mdhd) => media_header(window, mdhd, shared.is_quicktime)?,
        None => None,
    };
    let Some((timescale, media_duration, language)) = mdhd else {
        refuse!("its media header (mdhd) is missing or invalid");
    };
    // As other readers do: such files have the timescale of the movie.
    let own_timescale = NonZeroU32::new(timescale);
    let timescale = own_timescale.unwrap_or(shared.timescale);
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
    let entries = Entries::read(window, &stbl, handler)?;
    let own_defaults =
        defaults.iter().find(|(track, _)| *track == id).map(|(_, defaults)| *defaults);
    let mut tables = match Tables::read(window, &stbl)? {
        Ok(tables) => Some(tables).filter(|tables| tables.count > 0 || moofs.is_empty()),
        // Some writers omit the tables of a fragmented track, although the standard requires them.
        Err(_) if own_defaults.is_some() && !moofs.is_empty() => None,
        Err(why) => refuse!("{why}"),
    };
    let in_ticks = |movie: u64| {
        let ticks = u128::from(movie) * u128::from(timescale.get());
        i64::try_from(ticks / u128::from(shared.timescale.get())).unwrap_or(i64::MAX)
    };
    let media_end = (media_duration > 0).then_some(media_duration);
    let declared = [media_duration, in_ticks(duration), in_ticks(shared.duration)];
    let declared = declared.into_iter().max().filter(|ticks| *ticks > 0);
    if let Some(tables) = &mut tables {
        let usual = usual_duration(handler, timescale, declared, tables.count);
        tables.check_times(window, timescale, media_end, usual)?;
    }
    let fragments = (!moofs.is_empty()).then(|| Fragments {
        moofs: Arc::clone(moofs),
        track_id: id,
        timescale,
        usual_duration: usual_duration(handler, timescale, None, 1),
        defaults: own_defaults.unwrap_or(Defaults { description: 1, ..Defaults::default() }),
        ignores_syncs: false,
        composition_limits: None,
        restarts: Arc::default(),
        protection: None,
    });
    let mut samples =
        Samples { tables, fragments, equal_entries: entries.equal(), last: None, pieces: None };
    let mut walk = Walk::new(&samples, window.source(), samples.start(), FIRST_BYTES, *work);
    let first = walk.next_sample()?.and_then(Result::ok);
    *work = walk.work_left();
    let number = first.filter(|_| entries.are_several()).map_or(1, |first| first.description);
    let Chosen { entry, equal_entries } = match entries.choose(number) {
        Ok(chosen) => chosen,
        Err(error) => {
            refused.format = error.format;
            refuse!("{}", error.why);
        }
    };
    refused.format = Some(entry.format);
    if entries::is_elsewhere(window, &information, &entry)? {
        refuse!(
            "its media data is in another file, to which this one only refers (a reference movie); \
             export it as a self-contained movie"
        );
    }
    let protection = Format::from_encryption(entry.encryption.as_ref());
    if let (Some(tables), Some(format)) = (&mut samples.tables, protection) {
        let counts = (tables.count, tables.chunks.count);
        match AuxiliaryTables::read(window, &stbl, format, counts)? {
            Ok(auxiliary) => tables.auxiliary = auxiliary,
            Err(why) => refuse!("{why}"),
        }
    }
    let ignores_syncs = handler == FourCc(*b"soun") && entry.codec.has_independent_frames();
    if let Some(tables) = &mut samples.tables {
        if ignores_syncs {
            tables.ignore_syncs();
        } else if handler == FourCc(*b"vide") {
            tables.begin_with_sync();
        }
    }
    if let Some(fragments) = &mut samples.fragments {
        (fragments.protection, fragments.ignores_syncs) = (protection, ignores_syncs);
        // The first sample of a track that only has fragments.
        let usual = first.filter(|_| samples.tables.is_none()).map_or(0, |first| first.composition);
        fragments.composition_limits = Some(CompositionLimits::new(usual, timescale, None));
    }
    let edits = match boxes::find(&parts, b"edts") {
        Some(edts) => edit_list(window, edts)?,
        None => EditList::default(),
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
        display: Display::new(display),
        carried: Carried::read(window, tkhd, hdlr, &stbl)?,
        entry,
        edits,
        samples,
        first,
        equal_entries,
        missing_timescale: own_timescale.is_none(),
        declared,
        chapters: chapter_tracks(window, &parts)?,
        whole: trak.whole(),
    }))
}

/// The duration of samples for which a file gives none, in ticks: of the whole track, divided by their number,
/// or that of frames at 25 per second, or of usual audio frames.
fn usual_duration(
    handler: FourCc,
    timescale: NonZeroU32,
    declared: Option<i64>,
    samples: u32,
) -> u32 {
    let equal = declared.map_or(0, |ticks| ticks / i64::from(samples.max(1)));
    let usual = if handler == FourCc(*b"soun") { 1024 } else { timescale.get() / 25 };
    u32::try_from(equal).ok().filter(|ticks| *ticks > 0).unwrap_or(usual).max(1)
}

/// The fields of `tkhd` (section 8.3.2).
struct TrackHeader {
    id: u32,
    is_enabled: bool,
    /// Display matrix and size.
    display: [u8; 44],
    /// In ticks of the movie; 0 if unknown.
    duration: u64,
}

/// `tkhd`.
fn track_header<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    tkhd: &Header,
) -> Result<Option<TrackHeader>, ReadError> {
    if tkhd.body_len() < 4 {
        return Ok(None);
    }
    let [version, .., flags] = window.array::<4>(tkhd.body.start)?;
    let (id_at, duration_at, display_at) = if version == 1 { (20, 28, 52) } else { (12, 20, 40) };
    if tkhd.body_len() < display_at + 44 {
        return Ok(None);
    }
    let id = window.u32(tkhd.body.start + id_at)?;
    let duration = duration(window, tkhd.body.start + duration_at, version)?;
    let display = window.array(tkhd.body.start + display_at)?;
    Ok(Some(TrackHeader { id, is_enabled: flags & 1 != 0, display, duration }))
}

/// A duration field of a header; 0 if it is unknown, which all ones mean, too.
pub(super) fn duration<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    at: u64,
    version: u8,
) -> Result<u64, ReadError> {
    if version == 1 {
        let ticks = u64::from_be_bytes(window.array(at)?);
        return Ok(if ticks == u64::MAX { 0 } else { ticks });
    }
    let ticks = window.u32(at)?;
    Ok(if ticks == u32::MAX { 0 } else { ticks.into() })
}

/// `mdhd` (section 8.4.2): timescale, duration and language. The duration is 0 if it is unknown.
fn media_header<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    mdhd: &Header,
    is_quicktime: bool,
) -> Result<Option<(u32, i64, Option<String>)>, ReadError> {
    if mdhd.body_len() < 4 {
        return Ok(None);
    }
    let [version, ..] = window.array::<4>(mdhd.body.start)?;
    let (timescale_at, language_at) = if version == 1 { (20, 32) } else { (12, 20) };
    if mdhd.body_len() < language_at + 2 {
        return Ok(None);
    }
    let timescale = window.u32(mdhd.body.start + timescale_at)?;
    let ticks = duration(window, mdhd.body.start + timescale_at + 4, version)?;
    let packed = u16::from_be_bytes(window.array(mdhd.body.start + language_at)?);
    let language = language(packed, is_quicktime);
    Ok(Some((timescale, i64::try_from(ticks).unwrap_or(i64::MAX), language)))
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
