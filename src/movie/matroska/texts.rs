//! Text subtitles: blocks far apart, of which cues tell the places.

use std::{io::Read as _, ops::Range};

use flate2::read::ZlibDecoder;

use super::{
    blocks::{Block, BlockWalk, Step},
    clock::Clock,
    cues::{self, Cue},
    tracks::{Encoding, TrackEntry},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{BlockFormat, TextBlock, TextReader},
};

/// The longest text of a block, also after it is inflated, and of all blocks of a track, in bytes.
const BLOCK_BYTES_MAX: u64 = 1 << 20;
const TRACK_BYTES_MAX: usize = 32 << 20;

/// The most blocks of a track.
const BLOCKS_MAX: usize = 1 << 16;

/// The most work in search of one block, and of all blocks of a file without cues for them.
const CUE_WORK_MAX: u64 = 1 << 14;
const PASS_WORK_MAX: u64 = 1 << 22;

/// How long a text is shown that says nothing about it, in milliseconds.
const DURATION_MS: u64 = 5000;

/// A track of text.
#[derive(Clone, Debug)]
pub(super) struct TextTrack {
    number: u64,
    encoding: Encoding,
    /// Blocks have two lines in front: an identifier, and settings.
    has_cue_lines: bool,
}

/// The text tracks of a file.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) tracks: Vec<TextTrack>,
    pub(super) cues: Option<Range<u64>>,
    /// The body of the segment, and where its clusters begin.
    pub(super) segment: Range<u64>,
    pub(super) first_cluster: u64,
    /// The clock of the file.
    pub(super) clock: Clock,
}

impl TextTrack {
    /// A track, if its blocks can be read.
    pub(super) fn new(track: &TrackEntry) -> Option<(Self, BlockFormat)> {
        let format = match track.codec.as_str() {
            "S_TEXT/UTF8" | "S_TEXT/ASCII" => BlockFormat::SubRip,
            "S_TEXT/ASS" | "S_TEXT/SSA" | "S_ASS" | "S_SSA" => BlockFormat::Ass,
            "S_TEXT/WEBVTT" | "D_WEBVTT/SUBTITLES" | "D_WEBVTT/CAPTIONS" => BlockFormat::WebVtt,
            _ => return None,
        };
        let encoding = match &track.encoding {
            Encoding::Unusable(_) => return None,
            usable => usable.clone(),
        };
        let has_cue_lines = track.codec.starts_with("D_WEBVTT");
        let text = Self { number: track.number, encoding, has_cue_lines };
        (!track.is_scaled).then_some((text, format))
    }
}

/// A block with the time until which it is shown, in ticks of the file, as far as that is known.
struct Found {
    start: i64,
    duration: Option<u64>,
    text: Vec<u8>,
}

impl TextReader for Texts {
    fn read(&self, source: &dyn ReadAt, place: usize) -> Result<Vec<TextBlock>, ReadError> {
        let Some(track) = self.tracks.get(place) else { return Ok(Vec::new()) };
        let mut found = match self.cues_of(source, track)? {
            Some(cues) => self.by_cues(source, track, &cues)?,
            None => self.by_pass(source, track)?,
        };
        found.sort_by_key(|found| found.start);
        let ms = |ticks: i64| u64::try_from(self.clock.ms(ticks)).unwrap_or(0);
        let mut blocks = Vec::with_capacity(found.len());
        let mut found = found.into_iter().peekable();
        while let Some(Found { start, duration, text }) = found.next() {
            let next = found.peek().map_or(u64::MAX, |next| ms(next.start));
            let start_ms = ms(start);
            let own = duration.and_then(|ticks| start.checked_add(i64::try_from(ticks).ok()?));
            let end_ms = own.map_or_else(|| next.min(start_ms + DURATION_MS), ms);
            if end_ms > start_ms {
                blocks.push(TextBlock { start_ms, end_ms, text });
            }
        }
        Ok(blocks)
    }
}

impl Texts {
    /// The cues of all blocks of a track; `None` if the writer has none, or only some.
    fn cues_of(
        &self,
        source: &dyn ReadAt,
        track: &TextTrack,
    ) -> Result<Option<Vec<Cue>>, ReadError> {
        let Some(body) = &self.cues else { return Ok(None) };
        let mut cues = Vec::new();
        cues::each(source, body, &self.segment, |cue| {
            if cue.track == track.number && cues.len() < BLOCKS_MAX {
                cues.push(cue);
            }
        })?;
        // Writers that name each block name its duration, too.
        let are_all = !cues.is_empty() && cues.iter().all(|cue| cue.duration.is_some());
        Ok(are_all.then_some(cues))
    }

    fn by_cues(
        &self,
        source: &dyn ReadAt,
        track: &TextTrack,
        cues: &[Cue],
    ) -> Result<Vec<Found>, ReadError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut before = None;
        for cue in cues {
            let place = (cue.cluster, cue.relative, cue.time);
            if bytes > TRACK_BYTES_MAX || before.replace(place) == Some(place) {
                continue;
            }
            let mut walk = BlockWalk::new(source, cue.cluster, self.segment.end, CUE_WORK_MAX);
            let Some(Step::Cluster(_)) = walk.next()? else { continue };
            if let Some(relative) = cue.relative {
                walk.move_to(relative);
            }
            while let Some(Step::Block(block)) = walk.next()? {
                if block.track == track.number && block.time == cue.time {
                    let text = track.text(source, &block)?.unwrap_or_default();
                    bytes += text.len();
                    found.push(Found {
                        start: cue.time,
                        duration: block.duration.or(cue.duration),
                        text,
                    });
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Visits all clusters.
    fn by_pass(&self, source: &dyn ReadAt, track: &TextTrack) -> Result<Vec<Found>, ReadError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut walk = BlockWalk::new(source, self.first_cluster, self.segment.end, PASS_WORK_MAX);
        while let Some(step) = walk.next()? {
            let Step::Block(block) = step else { continue };
            if block.track != track.number {
                continue;
            }
            if found.len() >= BLOCKS_MAX || bytes > TRACK_BYTES_MAX {
                break;
            }
            let text = track.text(source, &block)?.unwrap_or_default();
            bytes += text.len();
            found.push(Found { start: block.time, duration: block.duration, text });
        }
        Ok(found)
    }
}

impl TextTrack {
    /// The text of a block; `None` if it is too long, or cannot be inflated.
    fn text(&self, source: &dyn ReadAt, block: &Block) -> Result<Option<Vec<u8>>, ReadError> {
        let length = block.payload.end.saturating_sub(block.payload.start);
        if length > BLOCK_BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).expect("a MiB at most")];
        source.read_exact_at(block.payload.start, &mut bytes)?;
        let text = match &self.encoding {
            Encoding::Zlib => {
                let mut text = Vec::new();
                let inflated =
                    ZlibDecoder::new(&bytes[..]).take(BLOCK_BYTES_MAX).read_to_end(&mut text);
                inflated.is_ok().then_some(text)
            }
            Encoding::Stripped(prefix) => Some([&prefix[..], &bytes].concat()),
            Encoding::Plain | Encoding::Unusable(_) => Some(bytes),
        };
        let lines = if self.has_cue_lines { 2 } else { 0 };
        Ok(text.map(|text| without_lines(text, lines)))
    }
}

/// The text behind this many lines.
fn without_lines(text: Vec<u8>, lines: usize) -> Vec<u8> {
    let Some(last) = lines.checked_sub(1) else { return text };
    let end = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(last);
    end.map_or_else(Vec::new, |(end, _)| text[end + 1..].to_vec())
}
