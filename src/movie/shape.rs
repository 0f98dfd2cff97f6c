//! The shape of video: how its frames are stretched and turned for display.
//!
//! Five places tell it: the matrices of `mvhd` and of `tkhd`, the size in `tkhd` (ISO/IEC 14496-12 sections
//! 8.2.2 and 8.3.2), `pasp`, and the stream's own headers. [`VideoShape`] is the one result, which
//! manifests, images and renditions use. Where the places disagree it follows ffmpeg, and so Chromium's
//! player of files: a matrix that stretches counts before `pasp`, this before the size in `tkhd`, and this
//! before the stream.

use super::{
    codec::{Media, SampleAspect, Video},
    matrix::Matrix,
    orientation::Orientation,
};

/// Length of the matrix, width and height in `tkhd`.
const FIELDS_BYTES: usize = Matrix::BYTES + 8;

/// The largest number of an aspect ratio that is derived from other numbers.
const ASPECT_MAX: u64 = 1 << 15;

/// Matrix, width and height of a track: the last fields of `tkhd`, with the matrix of the movie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Display {
    /// The fields of `tkhd`.
    bytes: [u8; FIELDS_BYTES],
    /// The matrix of the track, and then that of the movie.
    matrix: Matrix,
}

/// How the frames of a track are displayed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VideoShape {
    /// Width of a decoded frame, in pixels.
    pub width: u16,
    /// Height of a decoded frame, in pixels.
    pub height: u16,
    /// Aspect ratio of the pixels of a decoded frame.
    pub aspect: SampleAspect,
    /// How frames are turned after they are stretched.
    pub orientation: Orientation,
}

impl Display {
    /// From the last fields of `tkhd`.
    pub(super) fn new(bytes: [u8; FIELDS_BYTES]) -> Self {
        let matrix = bytes.first_chunk().map_or(Matrix::IDENTITY, Matrix::from_bytes);
        Self { bytes, matrix }
    }

    /// The display of a track within a movie with this matrix.
    pub(super) fn within(self, movie: Matrix) -> Self {
        if movie == Matrix::IDENTITY {
            self
        } else {
            Self { matrix: self.matrix.then(movie), ..self }
        }
    }

    /// Width and height in pixels with 16 fractional bits; `None` if they are not set.
    fn size(&self) -> Option<(u32, u32)> {
        let field = |at: usize| {
            let bytes = self.bytes[Matrix::BYTES + at..].first_chunk()?;
            Some(u32::from_be_bytes(*bytes)).filter(|pixels| *pixels >= 1 << 16)
        };
        Some((field(0)?, field(4)?))
    }

    /// The fields for the `tkhd` of a movie without a matrix of its own: those of the file, if players find
    /// the shape in them.
    ///
    /// No player of segments stretches by a matrix, so the size tells the stretching instead.
    pub(super) fn fields(&self, media: &Media) -> [u8; FIELDS_BYTES] {
        let (own, mut fields) = (Self::new(self.bytes), self.bytes);
        let Media::Video(video) = media else { return self.bytes };
        let shape = VideoShape::new(self, video);
        let is_stretched = self.matrix.scales().is_some();
        if own.matrix != self.matrix || is_stretched {
            let matrix = self.matrix.unscaled().filter(|_| is_stretched).unwrap_or(self.matrix);
            fields[..Matrix::BYTES].copy_from_slice(&matrix.to_bytes());
        }
        let is_told = video.declares_aspect && shape.aspect != SampleAspect::SQUARE;
        let is_agreed =
            self.size().is_none_or(|size| agree(size, (video.width, video.height), shape.aspect));
        if is_stretched || !(is_told || is_agreed) {
            let (width, height) = shape.stretched();
            let pixels = |side: u64| u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes();
            fields[Matrix::BYTES..].fill(0);
            fields[Matrix::BYTES..][..2].copy_from_slice(&pixels(width));
            fields[Matrix::BYTES + 4..][..2].copy_from_slice(&pixels(height));
        }
        fields
    }
}

impl VideoShape {
    pub(super) fn new(display: &Display, video: &Video) -> Self {
        let orientation = display.matrix.orientation();
        let coded @ (width, height) = (video.width, video.height);
        let aspect = match (display.matrix.scales(), display.size()) {
            (Some(scales), _) => ratio_of_scales(scales),
            (None, Some(size)) if !video.declares_aspect => {
                let turned = (size.1, size.0);
                // The coded size tells nothing, and some writers set the size after the rotation.
                let says_nothing =
                    [video.sample_aspect, SampleAspect::SQUARE].iter().any(|known| {
                        agree(size, coded, *known)
                            || (orientation.is_quarter() && agree(turned, coded, *known))
                    });
                if says_nothing { None } else { ratio_of_sizes(size, coded) }
            }
            _ => None,
        };
        let aspect = aspect.unwrap_or(video.sample_aspect);
        Self { width, height, aspect, orientation }
    }

    /// Width and height in square pixels, before frames are turned.
    fn stretched(&self) -> (u64, u64) {
        let SampleAspect { h_spacing, v_spacing } = self.aspect;
        let (h, v) = (u64::from(h_spacing), u64::from(v_spacing).max(1));
        ((u64::from(self.width) * h + v / 2) / v, u64::from(self.height))
    }

    /// Width and height as displayed, in square pixels; `None` if there are none.
    pub fn displayed(&self) -> Option<(u32, u32)> {
        let (width, height) = self.stretched();
        let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        let size = if self.orientation.is_quarter() { (height, width) } else { (width, height) };
        (size.0 > 0 && size.1 > 0).then_some(size)
    }

    /// Width and height of the turned frame in its own pixels, and their aspect ratio.
    pub fn turned(&self) -> ((u32, u32), (u32, u32)) {
        let SampleAspect { h_spacing, v_spacing } = self.aspect;
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        match self.orientation.is_quarter() {
            true => ((height, width), (v_spacing, h_spacing)),
            false => ((width, height), (h_spacing, v_spacing)),
        }
    }
}

/// Whether a size in `tkhd` is that of coded frames with this aspect ratio of their pixels, but for rounding:
/// within a pixel or a hundredth.
fn agree((width, height): (u32, u32), coded: (u16, u16), aspect: SampleAspect) -> bool {
    let (width, height) = (f64::from(width) / 65_536.0, f64::from(height) / 65_536.0);
    let (h, v) = (f64::from(aspect.h_spacing), f64::from(aspect.v_spacing));
    let exact = f64::from(coded.0) * h / (f64::from(coded.1) * v);
    let is_near = |side: f64, exact: f64| (side - exact).abs() <= f64::max(1.0, exact / 100.0);
    exact.is_finite() && (is_near(width, height * exact) || is_near(height, width / exact))
}

/// The aspect ratio of pixels whose frame has this size.
fn ratio_of_sizes((width, height): (u32, u32), coded: (u16, u16)) -> Option<SampleAspect> {
    let h_spacing = u64::from(width) * u64::from(coded.1);
    let v_spacing = u64::from(height) * u64::from(coded.0);
    nearest_ratio(h_spacing, v_spacing)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^15 * 2^16")]
fn ratio_of_scales((width, height): (f64, f64)) -> Option<SampleAspect> {
    let fixed = |scale: f64| (scale * 65_536.0) as u64;
    nearest_ratio(fixed(width), fixed(height))
}

/// The nearest ratio of small numbers, by continued fractions.
fn nearest_ratio(h_spacing: u64, v_spacing: u64) -> Option<SampleAspect> {
    let (mut numerator, mut denominator) = (h_spacing, v_spacing);
    // The last two convergents.
    let (mut before, mut last) = ((0, 1), (1, 0));
    while denominator != 0 {
        let whole = numerator / denominator;
        let next = |before: u64, last: u64| whole.checked_mul(last)?.checked_add(before);
        let (Some(h), Some(v)) = (next(before.0, last.0), next(before.1, last.1)) else { break };
        // Rounding makes a small remainder of none: the ratio is exact enough without it.
        if h.max(v) > ASPECT_MAX {
            break;
        }
        (before, last) = (last, (h, v));
        if is_exact_enough(last, (h_spacing, v_spacing)) {
            break;
        }
        (numerator, denominator) = (denominator, numerator % denominator);
    }
    SampleAspect::new(u32::try_from(last.0).ok()?, u32::try_from(last.1).ok()?)
}

/// Whether two ratios differ by less than a part in ten thousand: no frame gets a pixel wider.
fn is_exact_enough((h, v): (u64, u64), exact: (u64, u64)) -> bool {
    let (one, other) = (u128::from(h) * u128::from(exact.1), u128::from(v) * u128::from(exact.0));
    one.abs_diff(other) * 10_000 < other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aspect(h_spacing: u32, v_spacing: u32) -> SampleAspect {
        SampleAspect { h_spacing, v_spacing }
    }

    #[test]
    fn a_derived_ratio_has_small_numbers() {
        let tkhd = |width: f64| (width * 65_536.0).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let ratio = |width: f64, height: u32, coded| {
            ratio_of_sizes((tkhd(width) as u32, height << 16), coded)
        };
        assert_eq!(ratio(256.0, 108, (128, 72)), Some(aspect(4, 3)));
        assert_eq!(ratio(853.333, 480, (720, 480)), Some(aspect(32, 27)));
        assert_eq!(ratio(1024.0, 576, (720, 576)), Some(aspect(64, 45)));
        assert_eq!(ratio_of_scales((2.0, 1.0)), Some(aspect(2, 1)));
        assert_eq!(ratio_of_scales((0.909_09, 1.0)), Some(aspect(10, 11)));
        assert_eq!(nearest_ratio(0, 5), None);
        assert_eq!(nearest_ratio(u64::MAX, 1), None);
    }

    #[test]
    fn a_size_within_a_pixel_or_a_hundredth_agrees() {
        let agrees =
            |width: u32, height: u32, coded, own| agree((width << 16, height << 16), coded, own);
        assert!(agrees(854, 480, (854, 480), SampleAspect::SQUARE));
        assert!(agrees(853, 480, (854, 480), SampleAspect::SQUARE));
        assert!(agrees(1280, 720, (640, 360), SampleAspect::SQUARE));
        assert!(agrees(171, 72, (128, 72), aspect(4, 3)));
        assert!(!agrees(128, 72, (128, 72), aspect(4, 3)));
        assert!(!agrees(1024, 576, (720, 576), SampleAspect::SQUARE));
        assert!(!agrees(1, 1, (0, 0), SampleAspect::SQUARE));
    }
}
