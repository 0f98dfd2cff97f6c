//! Image sizes: the request, and the result for the size of the video.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The minimum width and height of a request, in pixels.
pub const SIDE_MIN: u32 = 16;
/// The maximum.
pub const SIDE_MAX: u32 = 1920;
/// The widths and heights of images. A requested one is raised to the next, so that a title has few
/// different images, whatever clients request.
const SIDES: [u32; 21] = [
    45, 80, 90, 120, 160, 180, 240, 270, 320, 360, 480, 540, 640, 720, 800, 900, 960, 1080, 1280,
    1600, SIDE_MAX,
];
/// The width of an image without a requested size.
pub const DEFAULT_WIDTH: u32 = 640;

/// Why a requested size is invalid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SizeError {
    /// A side is no number or out of range.
    #[error("{side} must be a whole number of pixels from {SIDE_MIN} to {SIDE_MAX}")]
    Side {
        /// `width` or `height`.
        side: &'static str,
    },
    /// The fit is unknown.
    #[error("fit must be contain, cover or fill")]
    Fit,
}

/// The fit of an image in an area of another aspect ratio, named as in CSS's `object-fit`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fit {
    /// The whole image, without padding: one side is shorter than requested.
    #[default]
    Contain,
    /// The whole area, with the image cropped on both sides.
    Cover,
    /// The whole area, with the image stretched.
    Fill,
}

impl FromStr for Fit {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        match text {
            "contain" => Ok(Self::Contain),
            "cover" => Ok(Self::Cover),
            "fill" => Ok(Self::Fill),
            _ => Err(SizeError::Fit),
        }
    }
}

/// A requested size, within the limits, and raised to one of `SIDES`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SizeRequest {
    width: Option<u32>,
    height: Option<u32>,
    fit: Fit,
}

impl SizeRequest {
    /// A width, a height, both or none. The aspect ratio of the video gives the missing one.
    pub fn new(width: Option<u32>, height: Option<u32>, fit: Fit) -> Result<Self, SizeError> {
        for (side, pixels) in [("width", width), ("height", height)] {
            if pixels.is_some_and(|pixels| !(SIDE_MIN..=SIDE_MAX).contains(&pixels)) {
                return Err(SizeError::Side { side });
            }
        }
        let raised =
            |pixels: u32| SIDES.into_iter().find(|side| *side >= pixels).unwrap_or(SIDE_MAX);
        Ok(Self { width: width.map(raised), height: height.map(raised), fit })
    }

    /// Parses the parameters of a URL.
    pub fn parse(
        width: Option<&str>,
        height: Option<&str>,
        fit: Option<&str>,
    ) -> Result<Self, SizeError> {
        let pixels = |side, text: Option<&str>| {
            let number = |text: &str| {
                let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse().ok().filter(|_| is_decimal).ok_or(SizeError::Side { side })
            };
            text.map(number).transpose()
        };
        let fit = fit.map(Fit::from_str).transpose()?.unwrap_or_default();
        Self::new(pixels("width", width)?, pixels("height", height)?, fit)
    }

    /// The requested width; without one, the default.
    pub fn width(self) -> u32 {
        self.width.unwrap_or(DEFAULT_WIDTH)
    }

    /// The size for video of a display size. Images are never enlarged: the requested area shrinks
    /// instead, and keeps its aspect ratio.
    pub fn resolve(self, (width, height): (u32, u32)) -> Size {
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let scale = |pixels: u64, by: u64, from: u64| (pixels * by + from / 2) / from;
        let (area_width, area_height) =
            match (self.width.map(u64::from), self.height.map(u64::from)) {
                (Some(area_width), Some(area_height)) => (area_width, area_height),
                (None, Some(area_height)) => (scale(width, area_height, height), area_height),
                (area_width, None) => {
                    let area_width = area_width.unwrap_or(u64::from(DEFAULT_WIDTH));
                    (area_width, scale(height, area_width, width))
                }
            };
        let is_wider = area_width * height > area_height * width;
        let by_width = (area_width, scale(height, area_width, width));
        let by_height = (scale(width, area_height, height), area_height);
        match self.fit {
            Fit::Fill => Size::new((area_width, area_height), (area_width, area_height)),
            Fit::Contain => {
                let scaled = match if is_wider { by_height } else { by_width } {
                    enlarged if enlarged.0 > width => (width, height),
                    scaled => scaled,
                };
                Size::new(scaled, scaled)
            }
            Fit::Cover if area_width > width || area_height > height => {
                // The largest area of this aspect ratio within the video.
                let area = if is_wider {
                    (width, scale(area_height, width, area_width))
                } else {
                    (scale(area_width, height, area_height), height)
                };
                Size::new(area, (width, height))
            }
            Fit::Cover => {
                let scaled = if is_wider { by_width } else { by_height };
                Size::new((area_width, area_height), scaled)
            }
        }
    }
}

/// The size of an image in pixels. All numbers are even, as chroma subsampling needs it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Size {
    /// The width.
    pub width: u32,
    /// The height.
    pub height: u32,
    /// The size that frames are scaled to, before they are cropped to width and height.
    pub scaled: (u32, u32),
}

impl Size {
    fn new(size: (u64, u64), scaled: (u64, u64)) -> Self {
        let even = |pixels: u64| {
            let half = u32::try_from(pixels.div_ceil(2)).unwrap_or(SIDE_MAX);
            half.clamp(1, SIDE_MAX / 2) * 2
        };
        let (width, height) = (even(size.0), even(size.1));
        // For an extreme aspect ratio the scaled frame may be longer than SIDE_MAX before it is cropped.
        let even_at_least = |pixels: u64, cropped: u32| {
            let half = u32::try_from(pixels.div_ceil(2)).unwrap_or(u32::MAX / 2);
            half.clamp(cropped / 2, 1 << 15) * 2
        };
        let scaled = (even_at_least(scaled.0, width), even_at_least(scaled.1, height));
        Self { width, height, scaled }
    }

    /// A size without cropping.
    pub fn uncropped(width: u32, height: u32) -> Self {
        Self::new((width.into(), height.into()), (width.into(), height.into()))
    }
}

/// The form in artifact keys.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, scaled } = *self;
        write!(f, "{width}x{height}")?;
        if scaled == (width, height) { Ok(()) } else { write!(f, "-of-{}x{}", scaled.0, scaled.1) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: Option<u32>, height: Option<u32>, fit: Fit, display: (u32, u32)) -> String {
        SizeRequest::new(width, height, fit)
            .expect("within the limits")
            .resolve(display)
            .to_string()
    }

    #[test]
    fn an_image_fits_as_in_css() {
        let video = (1920, 800);
        for (width, height, fit, expected) in [
            (None, None, Fit::Contain, "640x268"),
            (Some(320), None, Fit::Contain, "320x134"),
            (Some(320), None, Fit::Cover, "320x134"),
            (None, Some(360), Fit::Contain, "864x360"),
            (Some(320), Some(180), Fit::Contain, "320x134"),
            (Some(960), Some(120), Fit::Contain, "288x120"),
            (Some(320), Some(180), Fit::Cover, "320x180-of-432x180"),
            (Some(320), Some(120), Fit::Cover, "320x120-of-320x134"),
            (Some(320), Some(180), Fit::Fill, "320x180"),
            (Some(45), Some(45), Fit::Fill, "46x46"),
        ] {
            assert_eq!(size(width, height, fit, video), expected, "{width:?} {height:?} {fit:?}");
        }
    }

    #[test]
    fn no_image_is_enlarged() {
        let small = (320, 180);
        assert_eq!(size(Some(1920), None, Fit::Contain, small), "320x180");
        assert_eq!(size(Some(960), Some(960), Fit::Cover, small), "180x180-of-320x180");
        assert_eq!(size(Some(1280), Some(320), Fit::Cover, small), "320x80-of-320x180");
    }

    #[test]
    fn a_requested_side_is_raised_to_the_next_of_few() {
        assert!(SIDES.is_sorted());
        for (requested, side) in [(16, 45), (45, 45), (300, 320), (320, 320), (1919, 1920)] {
            let raised = SizeRequest::new(Some(side), None, Fit::Contain);
            assert_eq!(SizeRequest::new(Some(requested), None, Fit::Contain), raised);
            let raised = SizeRequest::new(None, Some(side), Fit::Cover);
            assert_eq!(SizeRequest::new(None, Some(requested), Fit::Cover), raised);
        }
    }

    #[test]
    fn a_request_has_limits() {
        let refused =
            |width, height, fit| SizeRequest::parse(width, height, fit).expect_err("refused");
        for width in ["15", "1921", "0", "-5", "+50", "", "5e1", "99999999999999999999"] {
            let error = refused(Some(width), None, None).to_string();
            assert_eq!(error, "width must be a whole number of pixels from 16 to 1920", "{width}");
        }
        assert_eq!(refused(None, Some("1"), None), SizeError::Side { side: "height" });
        assert_eq!(refused(None, None, Some("Cover")), SizeError::Fit);
        let request = SizeRequest::parse(Some("016"), Some("1920"), Some("fill"));
        assert_eq!(request, SizeRequest::new(Some(16), Some(1920), Fit::Fill));
    }

    proptest! {
        #[test]
        fn any_size_is_even_and_within_the_limits(
            width in prop::option::of(SIDE_MIN..=SIDE_MAX),
            height in prop::option::of(SIDE_MIN..=SIDE_MAX),
            fit in prop::sample::select(vec![Fit::Contain, Fit::Cover, Fit::Fill]),
            display in (0..70_000_u32, 0..70_000_u32),
        ) {
            let size = SizeRequest::new(width, height, fit).expect("within the limits").resolve(display);
            for (side, scaled) in [(size.width, size.scaled.0), (size.height, size.scaled.1)] {
                prop_assert!(side % 2 == 0 && scaled % 2 == 0, "{size:?}");
                prop_assert!((2..=SIDE_MAX).contains(&side) && scaled >= side, "{size:?}");
            }
        }
    }
}
