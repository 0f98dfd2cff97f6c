//! Cues of a text track of a movie.

use std::num::NonZeroU32;

use super::{
    text::{self, Cue, SampleFormat, Subtitles},
    text_blocks,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::Track,
};

/// The most text that is read per track, in bytes.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// The longest sample that is read, in bytes.
const SAMPLE_BYTES_MAX: u32 = 64 * 1024;

/// Whether a track is text that can be read.
pub fn is_text(track: &Track) -> bool {
    track.text_blocks().is_some() || format(track).is_some()
}

/// Text format of the samples of a track; `None` if it is not supported, or if it has none.
pub fn format(track: &Track) -> Option<SampleFormat> {
    match &track.entry.format.0 {
        b"tx3g" => Some(SampleFormat::Tx3g),
        b"text" => Some(SampleFormat::QuickTimeText),
        b"wvtt" => Some(SampleFormat::Wvtt),
        _ => None,
    }
}

/// Reads the cues of a text track, except samples and text beyond the limits.
pub fn read<R: ReadAt + ?Sized>(track: &Track, reader: &R) -> Result<Subtitles, ReadError> {
    let mut cues: Vec<Cue> = Vec::new();
    if let Some(blocks) = track.text_blocks() {
        let read = blocks.read(reader)?;
        return Ok(text_blocks::subtitles(blocks.format, &blocks.header, &read));
    }
    let Some(format) = format(track) else {
        return Ok(Subtitles::new(Vec::new(), cues));
    };
    let mut left = TEXT_BYTES_MAX;
    let mut walk = track.walk_from(reader, 0);
    let mut bytes = Vec::new();
    while let Some(sample) = walk.next_sample()? {
        left = left.saturating_sub(u64::from(sample.size) + size_of::<Cue>() as u64);
        if left == 0 {
            break;
        }
        if sample.size > SAMPLE_BYTES_MAX {
            continue;
        }
        bytes.resize(sample.size as usize, 0);
        reader.read_exact_at(sample.offset, &mut bytes)?;
        let start = track.timeline.presented(sample.dts, sample.composition);
        let end = start.saturating_add(i64::from(sample.duration));
        let ms = |ticks| in_ms(ticks, track.timescale);
        cues.extend(text::parse_sample(format, &bytes, ms(start), ms(end)));
    }
    Ok(Subtitles::new(Vec::new(), text::join(cues)))
}

/// Ticks in milliseconds, rounded down and at least zero.
pub fn in_ms(ticks: i64, timescale: NonZeroU32) -> u64 {
    let ms = i128::from(ticks) * 1000 / i128::from(timescale.get());
    u64::try_from(ms.max(0)).unwrap_or(u64::MAX)
}
