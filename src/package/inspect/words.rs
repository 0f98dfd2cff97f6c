//! Numbers and code points in words.

use std::num::NonZeroU32;

use crate::movie::codec::{Codec, Colour, Media, SampleEntry, Video, VideoRange, Warning};

/// Ticks as seconds, rounded to the millisecond.
pub(super) fn seconds(ticks: i64, timescale: NonZeroU32) -> f64 {
    let scale = i128::from(timescale.get());
    thousandths((i128::from(ticks) * 1000 + scale / 2).div_euclid(scale))
}

/// Frequency of `count` events in `ticks`; `None` if `ticks` is zero.
pub(super) fn per_second(count: u64, ticks: i64, timescale: NonZeroU32) -> Option<f64> {
    let ticks = i128::from(ticks);
    let scaled = i128::from(count) * i128::from(timescale.get()) * 1000;
    (ticks > 0).then(|| thousandths((scaled + ticks / 2) / ticks))
}

fn thousandths(number: i128) -> f64 {
    number as f64 / 1000.0
}

/// Name of the codec, with profile and level.
pub fn codec(entry: &SampleEntry) -> String {
    let mut words = entry.codec.to_string();
    match &entry.media {
        Media::Video(video) => {
            if let Some(profile) = &video.profile {
                words += &format!(" {profile}");
            }
            if let Some(level) = &video.level {
                words += &format!(", level {level}");
            }
        }
        Media::Audio(audio) => {
            if let (Codec::Pcm, Some(bits)) = (entry.codec, audio.sample_size) {
                words += &format!(", {bits} bit");
            }
            if audio.joc_complexity.is_some() {
                words += " with Dolby Atmos";
            }
        }
        Media::Text | Media::Other => {}
    }
    words
}

/// Colour in words: dynamic range, and the names of the code points (H.273).
pub(super) fn colour(video: &Video) -> String {
    let range = match video.range {
        VideoRange::Sdr => "SDR",
        VideoRange::Pq => "HDR (PQ, as in HDR10)",
        VideoRange::Hlg => "HDR (HLG)",
    };
    let Colour { primaries, transfer, matrix, full_range } = video.colour;
    let named = [name_of_primaries(primaries), name_of_transfer(transfer), name_of_matrix(matrix)];
    let mut words = range.to_owned();
    match named {
        [Some(one), Some(two), Some(three)] if one == two && two == three => {
            words += &format!(", {one}");
        }
        [None, None, None] => words += ", code points unspecified",
        named => {
            for (name, what) in named.into_iter().zip(["primaries", "transfer", "matrix"]) {
                if let Some(name) = name {
                    words += &format!(", {what} {name}");
                }
            }
        }
    }
    if full_range == Some(true) {
        words += ", full range";
    }
    words
}

/// `None` for unspecified and reserved code points.
fn name_of_primaries(point: u16) -> Option<&'static str> {
    Some(match point {
        1 => "BT.709",
        4 => "BT.470 M",
        5 | 6 => "BT.601",
        7 => "SMPTE 240M",
        8 => "film",
        9 => "BT.2020",
        10 => "XYZ",
        11 => "DCI-P3",
        12 => "Display P3",
        _ => return None,
    })
}

fn name_of_transfer(point: u16) -> Option<&'static str> {
    Some(match point {
        1 => "BT.709",
        4 => "gamma 2.2",
        5 => "gamma 2.8",
        6 => "BT.601",
        7 => "SMPTE 240M",
        8 => "linear",
        11 => "xvYCC",
        13 => "sRGB",
        14 | 15 => "BT.2020",
        16 => "PQ",
        17 => "DCI",
        18 => "HLG",
        _ => return None,
    })
}

fn name_of_matrix(point: u16) -> Option<&'static str> {
    Some(match point {
        0 => "RGB",
        1 => "BT.709",
        5 | 6 => "BT.601",
        7 => "SMPTE 240M",
        9 | 10 => "BT.2020",
        14 => "ICtCp",
        _ => return None,
    })
}

/// Dolby Vision in words.
pub(super) fn dolby_vision(video: &Video) -> Option<String> {
    let vision = video.dolby_vision.as_ref()?;
    let base = match (vision.profile, vision.brand) {
        (_, Some(_)) => ", with a base layer for other players",
        (5, None) => ", without a base layer for other players",
        (_, None) => "",
    };
    Some(format!("profile {}, level {}{base}", vision.profile, vision.level))
}

/// A warning as a sentence.
pub(super) fn warning(warning: Warning) -> String {
    let words = warning.to_string();
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(ticks: u32) -> NonZeroU32 {
        NonZeroU32::new(ticks).expect("not zero")
    }

    #[test]
    fn times_are_rounded_to_the_millisecond() {
        assert_eq!(seconds(1024, scale(44_100)), 0.023);
        assert_eq!(seconds(-1024, scale(44_100)), -0.023);
        assert_eq!(seconds(i64::MAX, scale(1)), i64::MAX as f64);
        assert_eq!(per_second(1, 1001, scale(24_000)), Some(23.976));
        assert_eq!(per_second(10, 0, scale(1)), None);
    }

    #[test]
    fn code_points_have_names() {
        assert_eq!(name_of_primaries(12), Some("Display P3"));
        assert_eq!(name_of_transfer(2), None);
        assert_eq!(name_of_matrix(0), Some("RGB"));
    }
}
