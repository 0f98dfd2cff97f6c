//! A movie's file from the top: which boxes it has, and which tracks come of them.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use super::{
    Chapters, FourCc, LeftOut, Movie, MovieRefused, Track,
    boxes::{self, Header},
    budget::Budget,
    codec::Codec,
    fragments::Defaults,
    index::{Cuts, Lead, index},
    samples::Walk,
    timeline::Timeline,
    track::{self, Head},
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// Boxes at the top of a file that are looked at: a day of fragments of a second is 172,800.
const TOP_BOXES_MAX: usize = 1 << 20;

/// The longest `moov` that is read, in bytes.
const MOOV_BYTES_MAX: u64 = 256 << 20;

/// What `pssh` boxes may take in memory together, in bytes: they go into each init segment.
const PROTECTION_BYTES_MAX: u64 = 64 * 1024;

/// Tracks of a movie that are looked at.
const TRACKS_MAX: usize = 64;

/// How much is read at a time of what lies next to each other, in bytes.
const WINDOW_BYTES: usize = 64 * 1024;

/// How much of each table is read at a time in search of a track's first sample, in bytes.
const FIRST_BYTES: usize = 512;

/// What a file consists of at the top.
#[derive(Debug, Default)]
struct Top {
    brand: Option<FourCc>,
    moov: Option<Header>,
    moofs: Vec<Range<u64>>,
    /// Something was there that is in a movie.
    is_movie: bool,
    /// The first box of media data, in front of the `moov` or behind it.
    mdat: Option<u64>,
}

/// Reads a movie's index. Blocks, or fails where it would wait: as `source` does.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    grid_ms: NonZeroU32,
) -> Result<Result<Movie, MovieRefused>, ReadError> {
    let top = read_top(source)?;
    let Some(moov) = top.moov else {
        return Ok(Err(if top.is_movie { MovieRefused::NoMoov } else { MovieRefused::NoMovie }));
    };
    if moov.body_len() > MOOV_BYTES_MAX {
        return Ok(Err(MovieRefused::MoovTooLong));
    }
    let window = &mut Window::new(source, WINDOW_BYTES);
    let parts = boxes::children(window, &moov.body)?;
    let Some(timescale) = movie_timescale(window, &parts)? else {
        return Ok(Err(MovieRefused::NoHeader));
    };
    let defaults = track_defaults(window, &parts)?;
    let moofs: Arc<[_]> = top.moofs.into();
    let mut left_out = Vec::new();
    let mut heads = Vec::new();
    for trak in parts.iter().filter(|part| part.kind == FourCc(*b"trak")).take(TRACKS_MAX) {
        match track::read(window, trak, &defaults, &moofs)? {
            Ok(head) => heads.push(head),
            Err(refused) => left_out.push(LeftOut {
                id: refused.id,
                handler: refused.handler,
                format: refused.format,
                why: refused.why,
            }),
        }
    }
    let named: Vec<u32> = heads.iter().flat_map(|head| head.chapters.clone()).collect();
    let mut tracks = index_tracks(source, heads, timescale, grid_ms, &mut left_out)?;
    let of_chapters = tracks.extract_if(.., |track| named.contains(&track.id));
    let (mut of_chapters, pictures): (Vec<_>, Vec<_>) =
        of_chapters.partition(|track| !track.is_video());
    left_out.extend(pictures.iter().map(|track| LeftOut {
        id: track.id,
        handler: Some(track.handler),
        format: Some(track.entry.format),
        why: "it holds the pictures of chapters".to_owned(),
    }));
    of_chapters.truncate(1);
    let chapters = match of_chapters.pop() {
        Some(track) => Some(Chapters::Track(Box::new(track))),
        None => chapter_list(window, &parts)?.map(Chapters::List),
    };
    if tracks.is_empty() {
        return Ok(Err(MovieRefused::NoTrack(left_out)));
    }
    let (mut protection, mut room) = (Vec::new(), PROTECTION_BYTES_MAX);
    for pssh in parts.iter().filter(|part| part.kind == FourCc(*b"pssh")) {
        let whole = pssh.whole();
        if let Some(left) = room.checked_sub(whole.end - whole.start) {
            room = left;
            let mut bytes = vec![0; usize::try_from(whole.end - whole.start).expect("some KiB")];
            source.read_exact_at(whole.start, &mut bytes)?;
            protection.push(bytes.into());
        }
    }
    Ok(Ok(Movie {
        brand: top.brand,
        timescale,
        tracks,
        left_out,
        protection,
        chapters,
        moov,
        mdat: top.mdat,
        fragments: moofs.len(),
        file_len: source.len(),
    }))
}

fn read_top<R: ReadAt + ?Sized>(source: &R) -> Result<Top, ReadError> {
    // Boxes at the top are far from each other, unless there are very many; a page costs no more than
    // a header does.
    let window = &mut Window::new(source, 4096);
    let mut top = Top::default();
    let mut at = 0;
    for _ in 0..TOP_BOXES_MAX {
        let Some(header) = Header::read(window, at, source.len())? else {
            break;
        };
        at = header.body.end;
        match &header.kind.0 {
            b"ftyp" => {
                top.is_movie = true;
                if header.body_len() >= 4 {
                    top.brand = Some(FourCc(window.array(header.body.start)?));
                }
            }
            b"moov" if top.moov.is_none() => (top.is_movie, top.moov) = (true, Some(header)),
            b"moof" if !header.is_cut => (top.is_movie, _) = (true, top.moofs.push(header.whole())),
            b"mdat" => {
                top.is_movie = true;
                top.mdat.get_or_insert(header.start);
            }
            b"free" | b"skip" | b"wide" | b"styp" | b"sidx" | b"uuid" | b"meta" | b"pnot"
            | b"udta" | b"mfra" | b"emsg" | b"prft" | b"pdin" => {}
            // The rest of a file may be anything, but what begins with something else is no movie.
            _ if !top.is_movie => break,
            _ => {}
        }
    }
    Ok(top)
}

/// Ticks per second of `mvhd` (section 8.2.2).
fn movie_timescale<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    parts: &[Header],
) -> Result<Option<NonZeroU32>, ReadError> {
    let Some(mvhd) = boxes::find(parts, b"mvhd").filter(|mvhd| mvhd.body_len() >= 24) else {
        return Ok(None);
    };
    let [version, ..] = window.array::<4>(mvhd.body.start)?;
    let at = if version == 1 { 20 } else { 12 };
    Ok(NonZeroU32::new(window.u32(mvhd.body.start + at)?))
}

/// What `mvex` says of each track's samples in fragments (section 8.8.3).
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

/// The list of chapters that Nero's programs began: `chpl` in `udta`.
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

/// Looks at all samples of all tracks: first those of the pictures, which say where segments begin.
fn index_tracks<R: ReadAt + ?Sized>(
    source: &R,
    heads: Vec<Head>,
    movie_timescale: NonZeroU32,
    grid_ms: NonZeroU32,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<Track>, ReadError> {
    let mut firsts = Vec::new();
    let mut budget = Budget::new(source.len());
    for head in &heads {
        let start = head.samples.start();
        let mut walk = Walk::new(&head.samples, source, start, FIRST_BYTES, budget.work);
        firsts.push(match walk.next_sample()? {
            Some(Ok(sample)) => Some(sample.dts),
            _ => None,
        });
        budget.work = walk.work_left();
    }
    // The earliest of all, where all begin late.
    let begins = heads.iter().zip(&firsts).filter_map(|(head, first)| Some((head, (*first)?)));
    let in_order = |&(a, first_a): &(&Head, i64), &(b, first_b): &(&Head, i64)| {
        let cross =
            |first: i64, other: &Head| i128::from(first) * i128::from(other.timescale.get());
        cross(first_a, b).cmp(&cross(first_b, a))
    };
    let origin = begins
        .min_by(in_order)
        .map_or((0, NonZeroU32::MIN), |(head, first)| (first.max(0), head.timescale));
    let mut order: Vec<_> = heads.into_iter().zip(firsts).enumerate().collect();
    let rank = |head: &Head| match &head.handler.0 {
        b"vide" if head.is_enabled => 0,
        b"vide" => 1,
        _ => 2,
    };
    order.sort_by_key(|(place, (head, _))| (rank(head), *place));
    let mut tracks: Vec<(usize, Track)> = Vec::new();
    for (place, (head, first)) in order {
        let refuse = |why: String| LeftOut {
            id: head.id,
            handler: Some(head.handler),
            format: Some(head.entry.format),
            why,
        };
        let ticks = |(time, scale): (i64, NonZeroU32)| {
            let ticks = i128::from(time) * i128::from(head.timescale.get());
            i64::try_from(ticks / i128::from(scale.get())).unwrap_or(i64::MAX)
        };
        let origin = ticks(origin);
        let timeline =
            Timeline::new(&head.edits, head.timescale, movie_timescale, first.unwrap_or(0), origin);
        let leading = tracks.first().map(|(_, track)| track).filter(|track| track.is_video());
        let times: Vec<i64>;
        let cuts = match leading {
            Some(leading) if head.handler != FourCc(*b"vide") => {
                times = leading.index.segments.iter().skip(1).map(|cut| cut.start).collect();
                Cuts::Near { times: &times, timescale: leading.timescale }
            }
            _ => Cuts::Grid(grid_ms),
        };
        let lead = lead(&head);
        let found =
            index(&head.samples, source, head.timescale, timeline, cuts, lead, &mut budget)?;
        match found {
            Ok(index) => tracks.push((place, Track::new(head, timeline, index))),
            Err(fault) => left_out.push(refuse(fault.to_string())),
        }
    }
    tracks.sort_by_key(|(place, _)| *place);
    Ok(tracks.into_iter().map(|(_, track)| track).collect())
}

fn lead(head: &Head) -> Lead {
    if head.handler == FourCc(*b"vide") {
        return Lead::KeyFrame;
    }
    // 80 ms (RFC 7845 section 4.6); other decoders are right with the second frame.
    let preroll = match head.entry.codec {
        Codec::Opus => i64::from(head.timescale.get()) * 80 / 1000,
        _ => 0,
    };
    Lead::Audio { preroll }
}
