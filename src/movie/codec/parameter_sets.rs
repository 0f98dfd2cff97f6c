//! The size of video in a stream of bytes, as transport streams carry it: units behind start codes.

use super::{SampleAspect, avc_sps, hevc_sps, video::VideoConfig};

/// How a stream describes its video.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Syntax {
    /// MPEG-1 and MPEG-2: a sequence header (ISO/IEC 13818-2 section 6.2.2.1).
    Mpeg2,
    /// H.264: a sequence parameter set.
    Avc,
    /// HEVC: a sequence parameter set.
    Hevc,
}

/// Width and height as displayed, by the first valid description in a stream.
pub fn find_size(stream: &[u8], syntax: Syntax) -> Option<(u32, u32)> {
    memchr::memmem::find_iter(stream, &[0, 0, 1]).find_map(|at| {
        let unit = &stream[at + 3..];
        let first = *unit.first()?;
        match syntax {
            Syntax::Mpeg2 if first == 0xB3 => of_sequence(&unit[1..]),
            Syntax::Avc if first & 0x1F == 7 => displayed(&avc_sps::read(unit)?),
            Syntax::Hevc if first >> 1 & 0x3F == 33 => displayed(&hevc_sps::read(unit)?),
            _ => None,
        }
    })
}

fn displayed(video: &VideoConfig) -> Option<(u32, u32)> {
    let (width, height) = video.size?;
    let SampleAspect { h_spacing, v_spacing } = video.aspect.unwrap_or(SampleAspect::SQUARE);
    stretched((width.into(), height.into()), h_spacing, v_spacing)
}

/// Of MPEG-2 the shape of the whole frame is known, of which the height stays.
fn of_sequence(header: &[u8]) -> Option<(u32, u32)> {
    let [a, b, c, d] = *header.first_chunk()?;
    let width = u32::from(a) << 4 | u32::from(b >> 4);
    let height = u32::from(b & 0x0F) << 8 | u32::from(c);
    match d >> 4 {
        2 => stretched((height, height), 4, 3),
        3 => stretched((height, height), 16, 9),
        4 => stretched((height, height), 221, 100),
        _ => stretched((width, height), 1, 1),
    }
}

/// The size whose width is stretched.
fn stretched((width, height): (u32, u32), by: u32, of: u32) -> Option<(u32, u32)> {
    let exact = u64::from(width) * u64::from(by) + u64::from(of) / 2;
    let width = u32::try_from(exact.checked_div(of.into())?).ok()?;
    (width > 0 && height > 0).then_some((width, height))
}
