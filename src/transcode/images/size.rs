//! How large a picture is to be: what was asked for, and what that means for pictures of some size.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The least width and height that can be asked for, in pixels.
pub const SIDE_MIN: u32 = 16;
/// The largest.
pub const SIDE_MAX: u32 = 1920;
/// The width of what nobody has given a size.
pub const WIDTH_USUAL: u32 = 640;

/// Why a picture of that size is not made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SizeRefused {
    /// It is too small or too large.
    #[error("{side} must be a whole number of pixels from {SIDE_MIN} to {SIDE_MAX}")]
    Side {
        /// `width` or `height`.
        side: &'static str,
    },
    /// That is no way to fit.
    #[error("fit must be contain, cover or fill")]
    Fit,
}

/// What becomes of a picture that has not the shape of what was asked for; words of CSS's `object-fit`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fit {
    /// All of it is seen, and nothing is added: one side is shorter.
    #[default]
    Contain,
    /// All of the area is filled, and what does not fit is cut off on both sides.
    Cover,
    /// It is stretched.
    Fill,
}

impl FromStr for Fit {
    type Err = SizeRefused;

    fn from_str(text: &str) -> Result<Self, SizeRefused> {
        match text {
            "contain" => Ok(Self::Contain),
            "cover" => Ok(Self::Cover),
            "fill" => Ok(Self::Fill),
            _ => Err(SizeRefused::Fit),
        }
    }
}

/// A size as it was asked for, within the limits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    width: Option<u32>,
    height: Option<u32>,
    fit: Fit,
}

impl Asked {
    /// A width, a height, both or none. Where one is missing, the picture's own shape says it.
    pub fn new(width: Option<u32>, height: Option<u32>, fit: Fit) -> Result<Self, SizeRefused> {
        for (side, pixels) in [("width", width), ("height", height)] {
            if pixels.is_some_and(|pixels| !(SIDE_MIN..=SIDE_MAX).contains(&pixels)) {
                return Err(SizeRefused::Side { side });
            }
        }
        Ok(Self { width, height, fit })
    }

    /// The same, of what stands in a URL.
    pub fn parse(
        width: Option<&str>,
        height: Option<&str>,
        fit: Option<&str>,
    ) -> Result<Self, SizeRefused> {
        let pixels = |side, text: Option<&str>| {
            let number = |text: &str| {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse().ok().filter(|_| is_plain).ok_or(SizeRefused::Side { side })
            };
            text.map(number).transpose()
        };
        let fit = fit.map(Fit::from_str).transpose()?.unwrap_or_default();
        Self::new(pixels("width", width)?, pixels("height", height)?, fit)
    }

    /// What it means for pictures that are shown at such a size. None becomes larger than it is: the
    /// area that is asked for becomes smaller instead, and keeps its shape.
    pub fn of(self, (width, height): (u32, u32)) -> Size {
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let scaled = |pixels: u64, by: u64, from: u64| (pixels * by + from / 2) / from;
        let (asked_width, asked_height) = (self.width.map(u64::from), self.height.map(u64::from));
        let (area_width, area_height) = match (asked_width, asked_height) {
            (Some(area_width), Some(area_height)) => (area_width, area_height),
            (None, Some(area_height)) => (scaled(width, area_height, height), area_height),
            (area_width, None) => {
                let area_width = area_width.unwrap_or(u64::from(WIDTH_USUAL));
                (area_width, scaled(height, area_width, width))
            }
        };
        let is_flatter = area_width * height > area_height * width;
        let by_width = (area_width, scaled(height, area_width, width));
        let by_height = (scaled(width, area_height, height), area_height);
        match self.fit {
            Fit::Fill => Size::new((area_width, area_height), (area_width, area_height)),
            Fit::Contain => {
                let whole = if is_flatter { by_height } else { by_width };
                let whole = if whole.0 > width { (width, height) } else { whole };
                Size::new(whole, whole)
            }
            Fit::Cover if area_width > width || area_height > height => {
                // The largest area of its shape that the picture has.
                let area = if is_flatter {
                    (width, scaled(area_height, width, area_width))
                } else {
                    (scaled(area_width, height, area_height), height)
                };
                Size::new(area, (width, height))
            }
            Fit::Cover => {
                let whole = if is_flatter { by_width } else { by_height };
                Size::new((area_width, area_height), whole)
            }
        }
    }
}

/// The size of what is made, in pixels; all numbers are even, as chroma has it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Size {
    /// The width.
    pub width: u32,
    /// The height.
    pub height: u32,
    /// The size of the whole picture, of whose middle this is a part.
    pub whole: (u32, u32),
}

impl Size {
    fn new(size: (u64, u64), whole: (u64, u64)) -> Self {
        let even = |pixels: u64| {
            let half = u32::try_from(pixels.div_ceil(2)).unwrap_or(SIDE_MAX);
            half.clamp(1, SIDE_MAX / 2) * 2
        };
        let (width, height) = (even(size.0), even(size.1));
        // A part of very long pictures may be of one that is longer than what can be asked for.
        let long = |pixels: u64, part: u32| {
            let half = u32::try_from(pixels.div_ceil(2)).unwrap_or(u32::MAX / 2);
            half.clamp(part / 2, 1 << 15) * 2
        };
        Self { width, height, whole: (long(whole.0, width), long(whole.1, height)) }
    }

    /// A whole picture of a size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self::new((width.into(), height.into()), (width.into(), height.into()))
    }
}

/// As it stands in the name of what is made.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, whole } = *self;
        write!(f, "{width}x{height}")?;
        if whole == (width, height) { Ok(()) } else { write!(f, "-of-{}x{}", whole.0, whole.1) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: Option<u32>, height: Option<u32>, fit: Fit, display: (u32, u32)) -> String {
        Asked::new(width, height, fit).expect("within the limits").of(display).to_string()
    }

    #[test]
    fn a_picture_fits_as_in_css() {
        let film = (1920, 800);
        for (width, height, fit, expected) in [
            (None, None, Fit::Contain, "640x268"),
            (Some(320), None, Fit::Contain, "320x134"),
            (Some(320), None, Fit::Cover, "320x134"),
            (None, Some(400), Fit::Contain, "960x400"),
            (Some(320), Some(180), Fit::Contain, "320x134"),
            (Some(1000), Some(100), Fit::Contain, "240x100"),
            (Some(320), Some(180), Fit::Cover, "320x180-of-432x180"),
            (Some(320), Some(100), Fit::Cover, "320x100-of-320x134"),
            (Some(320), Some(180), Fit::Fill, "320x180"),
            (Some(321), Some(181), Fit::Fill, "322x182"),
        ] {
            assert_eq!(size(width, height, fit, film), expected, "{width:?} {height:?} {fit:?}");
        }
    }

    #[test]
    fn no_picture_is_made_larger_than_it_is() {
        let small = (320, 180);
        assert_eq!(size(Some(1920), None, Fit::Contain, small), "320x180");
        assert_eq!(size(Some(1000), Some(1000), Fit::Cover, small), "180x180-of-320x180");
        assert_eq!(size(Some(1600), Some(400), Fit::Cover, small), "320x80-of-320x180");
    }

    #[test]
    fn what_is_asked_for_has_limits() {
        let refused = |width, height, fit| Asked::parse(width, height, fit).expect_err("refused");
        for width in ["15", "1921", "0", "-5", "+50", "", "5e1", "99999999999999999999"] {
            let error = refused(Some(width), None, None).to_string();
            assert_eq!(error, "width must be a whole number of pixels from 16 to 1920", "{width}");
        }
        assert_eq!(refused(None, Some("1"), None), SizeRefused::Side { side: "height" });
        assert_eq!(refused(None, None, Some("Cover")), SizeRefused::Fit);
        let asked = Asked::parse(Some("016"), Some("1920"), Some("fill"));
        assert_eq!(asked, Asked::new(Some(16), Some(1920), Fit::Fill));
    }

    proptest! {
        #[test]
        fn any_size_is_even_and_within_the_limits(
            width in prop::option::of(SIDE_MIN..=SIDE_MAX),
            height in prop::option::of(SIDE_MIN..=SIDE_MAX),
            fit in prop::sample::select(vec![Fit::Contain, Fit::Cover, Fit::Fill]),
            display in (0..70_000_u32, 0..70_000_u32),
        ) {
            let size = Asked::new(width, height, fit).expect("within the limits").of(display);
            for (side, whole) in [(size.width, size.whole.0), (size.height, size.whole.1)] {
                prop_assert!(side % 2 == 0 && whole % 2 == 0, "{size:?}");
                prop_assert!((2..=SIDE_MAX).contains(&side) && whole >= side, "{size:?}");
            }
        }
    }
}
