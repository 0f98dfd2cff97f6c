//! Sizes of segments that an index has not measured: at most so large. Manifests tell clients bit rates, and a
//! player that expects less than there is stalls.

use super::cmaf;
use crate::movie::{
    Track,
    codec::{Codec, Media},
};

/// The boxes of a segment around the entries of its samples, in bytes: at most so many.
const HEADER_BYTES_MAX: u64 = 192;

/// The longest entry of a sample in `trun`, in bytes.
const ENTRY_BYTES_MAX: u64 = 16;

/// Samples of 20 ms in a second of Opus, which counts 48,000.
const OPUS_FRAME_TICKS: u64 = 960;

/// The size of a segment with its header, exact if the index has measured it.
pub(super) fn segment_bytes(track: &Track, number: usize) -> u64 {
    cmaf::segment_len(track, number).unwrap_or_else(|| unmeasured_bytes(track, number))
}

/// The size of a segment's key frame with its header.
pub(super) fn iframe_bytes(track: &Track, number: usize) -> u64 {
    cmaf::iframe_len(track, number).unwrap_or_else(|| unmeasured_bytes(track, number))
}

/// All that the file has between the cuts of a segment, of other tracks, too; of audio no more than frames of its
/// codec can take.
fn unmeasured_bytes(track: &Track, number: usize) -> u64 {
    let start = track.index.segments.get(number).map_or(0, |segment| segment.start);
    let end = track.segment_end_time(number).unwrap_or(start);
    let samples = end.abs_diff(start) / u64::from(track.index.usual_duration.max(1)) + 2;
    let in_file = track.segment_bytes_in_file(number);
    let longest = longest_frame(track).unwrap_or(u64::MAX);
    let overhead = samples.saturating_mul(ENTRY_BYTES_MAX + track.prefix.len() as u64);
    in_file.min(samples.saturating_mul(longest)).saturating_add(HEADER_BYTES_MAX + overhead)
}

/// The longest frame of a codec, in bytes; `None` for video and for codecs without a limit.
fn longest_frame(track: &Track) -> Option<u64> {
    let Media::Audio(audio) = &track.entry.media else { return None };
    let channels = u64::from(audio.channels.max(1));
    let ticks = u64::from(track.index.usual_duration);
    match track.entry.codec {
        // ISO/IEC 14496-3 section 4.5.1.1: 6144 bits for each channel.
        Codec::Aac | Codec::HeAac | Codec::HeAacV2 => Some(768 * channels),
        Codec::Ac3 => Some(3840),
        Codec::Eac3 => Some(4096),
        Codec::Mp3 => Some(1441),
        // RFC 6716 section 3.2.1, and a byte or two for each frame of several.
        Codec::Opus => Some(1277 * ticks.div_ceil(OPUS_FRAME_TICKS).max(1)),
        // Samples that do not compress, of 32 bits.
        Codec::Flac | Codec::Alac => Some(ticks * channels * 4 + 64),
        _ => None,
    }
}
