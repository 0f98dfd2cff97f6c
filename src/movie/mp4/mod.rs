//! The reader of MP4 files: top-level boxes, the movie header, and the tracks.

use std::{collections::VecDeque, num::NonZeroU32, ops::Range, sync::Arc};

mod arrange;
mod auxiliary;
mod boxes;
mod carried;
mod corrections;
mod entries;
mod fragments;
mod handler_name;
mod index;
mod macintosh_languages;
mod pieces;
mod restarts;
mod samples;
mod syncs;
mod tables;
mod timeline;
mod track;
mod user_data;

pub use self::{
    auxiliary::{Auxiliary, AuxiliaryFault},
    boxes::Header,
    carried::Carried,
    corrections::Corrections,
    timeline::{EditSummary, Timeline},
    user_data::TrackKind,
};
pub(super) use self::{
    boxes::children,
    pieces::PieceWalk,
    samples::{Position, Samples},
};

use self::{
    arrange::index_edited,
    fragments::Defaults,
    index::Lead,
    restarts::Restarts,
    timeline::TimeBase,
    track::{Head, Shared},
};
use super::{
    Chapters, Codec, Container, FourCc, LeftOut, Movie, MovieRefused, Mp4, Track,
    budget::Budget,
    captions,
    cuts::{Cuts, Near},
    leading,
    matrix::Matrix,
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// The most top-level boxes of a file: a day of one-second fragments has 172,800.
const TOP_BOXES_MAX: usize = 1 << 20;

/// The longest `moov` that is read, in bytes.
const MOOV_BYTES_MAX: u64 = 256 << 20;

/// The most bytes of all `pssh` boxes, because each init segment carries them.
const PROTECTION_BYTES_MAX: u64 = 64 * 1024;

/// The most tracks of a movie; later ones are ignored.
const TRACKS_MAX: usize = 64;

/// Tracks whose first times are farther apart than this have different clocks, in seconds: 32-bit times of
/// fragments have different limits with different timescales.
const APART_MAX_S: i64 = 3600;

/// The longest part behind an `mdat` that is announced as a whole: most likely it is the `moov`.
const TAIL_BYTES_MAX: u64 = 8 << 20;

/// Read size of top-level boxes, in bytes.
const TOP_WINDOW_BYTES: usize = 4096;

/// Read size for adjacent boxes, in bytes.
const WINDOW_BYTES: usize = 64 * 1024;

/// The top-level boxes of a file.
#[derive(Debug, Default)]
struct TopLevel {
    brand: Option<FourCc>,
    moov: Option<Header>,
    moofs: Vec<Range<u64>>,
    /// A box type of a movie was found.
    is_movie: bool,
    /// Offset of the first `mdat`, before or after the `moov`.
    mdat: Option<u64>,
    /// Whether there is a random access index of fragments, which their writer appends.
    has_mfra: bool,
    /// Whether the last box is longer than the file.
    is_cut: bool,
}

/// Reads a movie's index. Blocks, or fails instead of waiting, as `source` does.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    grid_ms: NonZeroU32,
) -> Result<Result<Movie, MovieRefused>, ReadError> {
    let top = read_top_level(source)?;
    let Some(moov) = top.moov else {
        return Ok(Err(if top.is_movie { MovieRefused::NoMoov } else { MovieRefused::NoMovie }));
    };
    if moov.body_len() > MOOV_BYTES_MAX {
        return Ok(Err(MovieRefused::MoovTooLong));
    }
    let window = &mut Window::new(source, WINDOW_BYTES);
    let parts = boxes::children(window, &moov.body)?;
    let Some((declared, duration)) = movie_header(window, &parts)? else {
        let is_compressed = boxes::find(&parts, b"cmov").is_some();
        return Ok(Err(match is_compressed {
            true => MovieRefused::Compressed,
            false => MovieRefused::NoHeader,
        }));
    };
    // ffmpeg assumes the same.
    let timescale = NonZeroU32::new(declared).unwrap_or(NonZeroU32::MIN);
    let matrix = movie_matrix(window, &parts)?;
    let defaults = track_defaults(window, &parts)?;
    let mut budget = Budget::new(source.len());
    let moofs: Arc<[_]> = top.moofs.into();
    // QuickTime is older than brands.
    let is_quicktime = top.brand.is_none_or(|brand| brand == FourCc(*b"qt  "));
    let mut left_out = Vec::new();
    let mut heads = Vec::new();
    let duration = duration.max(fragments_duration(window, &parts)?);
    let shared = Shared { timescale, duration, is_quicktime, defaults: &defaults, moofs: &moofs };
    for trak in parts.iter().filter(|part| part.kind == FourCc(*b"trak")).take(TRACKS_MAX) {
        match track::read(window, trak, &shared, &mut budget.work)? {
            Ok(head) => heads.push(Head { display: head.display.within(matrix), ..head }),
            Err(refused) => left_out.push(LeftOut {
                id: refused.id,
                handler: refused.handler,
                format: refused.format,
                why: refused.why,
            }),
        }
    }
    let chapter_ids: Vec<u32> = heads.iter().flat_map(|head| head.chapters.clone()).collect();
    let mut tracks = index_tracks(source, heads, timescale, grid_ms, &mut budget, &mut left_out)?;
    let referenced = tracks.extract_if(.., |track| chapter_ids.contains(&track.id));
    let (mut chapter_texts, chapter_images): (Vec<_>, Vec<_>) =
        referenced.partition(|track| !track.is_video());
    left_out.extend(chapter_images.iter().map(|track| LeftOut {
        id: track.id,
        handler: Some(track.handler),
        format: Some(track.entry.format),
        why: "it holds the images of chapters".to_owned(),
    }));
    chapter_texts.truncate(1);
    let chapters = match chapter_texts.pop() {
        Some(track) => Some(Chapters::Track(Box::new(track))),
        None => chapter_list(window, &parts)?.map(Chapters::List),
    };
    if tracks.is_empty() {
        return Ok(Err(MovieRefused::NoTrack(left_out)));
    }
    let (mut protection, mut bytes_left) = (Vec::new(), PROTECTION_BYTES_MAX);
    for pssh in parts.iter().filter(|part| part.kind == FourCc(*b"pssh")) {
        let whole = pssh.whole();
        if let Some(left) = bytes_left.checked_sub(whole.end - whole.start) {
            bytes_left = left;
            let mut bytes =
                vec![0; usize::try_from(whole.end - whole.start).expect("at most 64 KiB")];
            source.read_exact_at(whole.start, &mut bytes)?;
            protection.push(bytes.into());
        }
    }
    let mp4 = Mp4 {
        brand: top.brand,
        timescale_is_missing: declared == 0,
        moov,
        mdat: top.mdat,
        fragments: moofs.len(),
    };
    Ok(Ok(Movie {
        container: Container::Mp4(mp4),
        timescale,
        tracks,
        left_out,
        protection,
        chapters,
        file_len: source.len(),
        has_end: if moofs.is_empty() { !top.is_cut } else { top.has_mfra },
    }))
}

fn read_top_level<R: ReadAt + ?Sized>(source: &R) -> Result<TopLevel, ReadError> {
    // Top-level boxes are far apart, unless there are very many; reading a page costs no more than
    // reading a header.
    let window = &mut Window::new(source, TOP_WINDOW_BYTES);
    let mut top = TopLevel::default();
    let mut at = 0;
    for _ in 0..TOP_BOXES_MAX {
        let Some(header) = Header::read(window, at, source.len())? else {
            break;
        };
        at = header.body.end;
        top.is_cut = header.is_cut;
        match &header.kind.0 {
            b"ftyp" => {
                top.is_movie = true;
                if header.body_len() >= 4 {
                    top.brand = Some(FourCc(window.array(header.body.start)?));
                }
            }
            b"moov" if top.moov.is_none() => {
                if header.body_len() <= MOOV_BYTES_MAX {
                    // And the header of the next box.
                    source.expect(header.start..(at + TOP_WINDOW_BYTES as u64).min(source.len()));
                }
                (top.is_movie, top.moov) = (true, Some(header));
            }
            b"moof" if !header.is_cut => (top.is_movie, _) = (true, top.moofs.push(header.whole())),
            b"mdat" => {
                top.is_movie = true;
                top.mdat.get_or_insert(header.start);
                if top.moov.is_none() && source.len() - at <= TAIL_BYTES_MAX {
                    source.expect(at..source.len());
                }
            }
            b"mfra" => top.has_mfra = !header.is_cut,
            b"free" | b"skip" | b"wide" | b"styp" | b"sidx" | b"uuid" | b"meta" | b"pnot"
            | b"udta" | b"emsg" | b"prft" | b"pdin" | b"\0\0\0\0" => {}
            // Unknown boxes may follow, but a file that starts with one is no movie.
            _ if !top.is_movie => break,
            _ => {}
        }
    }
    Ok(top)
}

/// Timescale and duration of `mvhd` (section 8.2.2), each 0 if unknown.
fn movie_header<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Option<(u32, u64)>, ReadError> {
    let Some(mvhd) = boxes::find(parts, b"mvhd").filter(|mvhd| mvhd.body_len() >= 32) else {
        return Ok(None);
    };
    let [version, ..] = window.array::<4>(mvhd.body.start)?;
    let at = mvhd.body.start + if version == 1 { 20 } else { 12 };
    Ok(Some((window.u32(at)?, track::duration(window, at + 4, version)?)))
}

/// Duration of the movie with its fragments, in its ticks (`mehd`, section 8.8.2); 0 if unknown.
fn fragments_duration<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<u64, ReadError> {
    let Some(mvex) = boxes::find(parts, b"mvex") else {
        return Ok(0);
    };
    let extends = boxes::children(window, &mvex.body)?;
    let Some(mehd) = boxes::find(&extends, b"mehd").filter(|mehd| mehd.body_len() >= 8) else {
        return Ok(0);
    };
    let [version, ..] = window.array::<4>(mehd.body.start)?;
    if version == 1 && mehd.body_len() < 12 {
        return Ok(0);
    }
    track::duration(window, mehd.body.start + 4, version)
}

/// Matrix of `mvhd` (section 8.2.2), which applies to all tracks.
fn movie_matrix<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Matrix, ReadError> {
    let Some(mvhd) = boxes::find(parts, b"mvhd").filter(|mvhd| mvhd.body_len() >= 4) else {
        return Ok(Matrix::IDENTITY);
    };
    let [version, ..] = window.array::<4>(mvhd.body.start)?;
    let at = if version == 1 { 48 } else { 36 };
    if mvhd.body_len() < at + Matrix::BYTES as u64 {
        return Ok(Matrix::IDENTITY);
    }
    Ok(Matrix::from_bytes(&window.array(mvhd.body.start + at)?))
}

/// The sample defaults of each track in fragments, from `mvex` (section 8.8.3).
fn track_defaults<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Vec<(u32, Defaults)>, ReadError> {
    let Some(mvex) = boxes::find(parts, b"mvex") else {
        return Ok(Vec::new());
    };
    let mut defaults = Vec::new();
    for trex in boxes::children(window, &mvex.body)? {
        if trex.kind == FourCc(*b"trex") && trex.body_len() >= 24 {
            let mut field = |at| window.u32(trex.body.start + at);
            defaults.push((
                field(4)?,
                Defaults {
                    description: field(8)?,
                    duration: field(12)?,
                    size: field(16)?,
                    flags: field(20)?,
                },
            ));
        }
    }
    Ok(defaults)
}

/// The chapter list that Nero introduced: `chpl` in `udta`.
fn chapter_list<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Option<Range<u64>>, ReadError> {
    let Some(udta) = boxes::find(parts, b"udta") else {
        return Ok(None);
    };
    let parts = boxes::children(window, &udta.body)?;
    Ok(boxes::find(&parts, b"chpl").map(|chpl| chpl.body.clone()))
}

/// Indexes all samples of all tracks. Video comes first, because it decides where segments begin.
fn index_tracks<R: ReadAt + ?Sized>(
    source: &R,
    heads: Vec<Head>,
    movie_timescale: NonZeroU32,
    grid_ms: NonZeroU32,
    budget: &mut Budget,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<Track>, ReadError> {
    let firsts: Vec<Option<i64>> =
        heads.iter().map(|head| head.first.map(|first| first.dts)).collect();
    // The earliest start of all tracks, if all of them start late.
    let begins = heads.iter().zip(&firsts).filter_map(|(head, first)| Some((head, (*first)?)));
    let in_order = |&(a, first_a): &(&Head, i64), &(b, first_b): &(&Head, i64)| {
        let cross =
            |first: i64, other: &Head| i128::from(first) * i128::from(other.timescale.get());
        cross(first_a, b).cmp(&cross(first_b, a))
    };
    let origin = begins
        .min_by(in_order)
        .map_or((0, NonZeroU32::MIN), |(head, first)| (first.max(0), head.timescale));
    let mut sorted: Vec<_> = heads.into_iter().zip(firsts).enumerate().collect();
    let rank = |head: &Head| match &head.handler.0 {
        b"vide" => leading::rank(head.is_enabled, &head.entry),
        _ => u8::MAX,
    };
    sorted.sort_by_key(|(place, (head, _))| (rank(head), *place));
    let mut order = VecDeque::from(sorted);
    let mut tracks: Vec<(usize, Track)> = Vec::new();
    // Those of the first track are those of all.
    let mut restarts: Option<Restarts> = None;
    while let Some((place, (mut head, first))) = order.pop_front() {
        let ticks = |(time, scale): (i64, NonZeroU32)| {
            let ticks = i128::from(time) * i128::from(head.timescale.get());
            i64::try_from(ticks / i128::from(scale.get())).unwrap_or(i64::MAX)
        };
        let first = first.unwrap_or(0);
        let late = first.saturating_sub(ticks(origin));
        let is_apart = late / i64::from(head.timescale.get()) > APART_MAX_S;
        let base = TimeBase {
            timescale: head.timescale,
            movie_timescale,
            first,
            origin: if is_apart { first } else { ticks(origin) },
            is_fragmented: head.samples.fragments.is_some(),
        };
        let leading = tracks.first().map(|(_, track)| track).filter(|track| track.is_video());
        if let Some(restarts) = &restarts {
            follow(&mut head, restarts);
        }
        let times: Vec<i64>;
        let cuts = match leading {
            Some(leading) if head.handler != FourCc(*b"vide") => {
                times = leading.index.segments.iter().skip(1).map(|cut| cut.start).collect();
                let (end, timescale) = (leading.index.end, leading.timescale);
                Cuts::Near(Near { times: &times, end, timescale, grid_ms })
            }
            _ => Cuts::Grid(grid_ms),
        };
        let lead = lead(&head);
        let mut indexed = index_edited(&mut head, source, base, cuts, lead, budget)?;
        if let (Ok((_, (_, restarted))), None) = (&indexed, &restarts) {
            let mut own = Restarts::new(restarted.clone(), base.timescale);
            if !own.is_empty() && head.samples.pieces.is_none() {
                own.spread(source, order.iter().map(|(_, (head, _))| head), budget)?;
                follow(&mut head, &own);
                indexed = index_edited(&mut head, source, base, cuts, lead, budget)?;
            }
            restarts = Some(own);
        }
        match indexed {
            Ok((timeline, (mut index, _))) => {
                index.corrections = Corrections {
                    equal_entries: head.equal_entries,
                    missing_timescale: head.missing_timescale,
                    late_start: is_apart.then_some(late),
                    ..index.corrections
                };
                tracks.push((place, head.into_track(timeline, index)));
            }
            Err(fault) => left_out.push(LeftOut {
                id: head.id,
                handler: Some(head.handler),
                format: Some(head.entry.format),
                why: fault.to_string(),
            }),
        }
    }
    for (_, track) in tracks.iter_mut().filter(|(_, track)| track.is_video()) {
        track.captions = captions::read(source, track)?;
    }
    tracks.sort_by_key(|(place, _)| *place);
    Ok(tracks.into_iter().map(|(_, track)| track).collect())
}

/// Lets the fragments of a track begin again where those of all tracks do.
fn follow(head: &mut Head, restarts: &Restarts) {
    if let Some(fragments) = &mut head.samples.fragments {
        fragments.restarts = restarts.in_ticks(head.timescale).collect();
    }
}

fn lead(head: &Head) -> Lead {
    if head.handler == FourCc(*b"vide") {
        return Lead::KeyFrame;
    }
    // 80 ms (RFC 7845 section 4.6); other decoders are correct from the second frame on.
    let preroll = match head.entry.codec {
        Codec::Opus => i64::from(head.timescale.get()) * 80 / 1000,
        _ => 0,
    };
    Lead::Audio { preroll }
}
