//! The geometry of a storyboard: the sheet, the place and the time of each tile.

use crate::movie::Track;

/// Tiles in a row of a sheet.
pub const COLUMNS: u32 = 5;
/// Rows of a sheet.
pub const ROWS: u32 = 5;
/// Tiles on a sheet.
pub const TILES: u32 = COLUMNS * ROWS;
/// The maximum number of sheets of a title: five hundred tiles are enough to find any place in it.
pub const SHEETS_MAX: u32 = 20;

/// The intervals between tiles, in seconds; longer ones are multiples of [`LONG_S`].
const INTERVALS_S: [u64; 8] = [1, 2, 3, 5, 10, 15, 20, 30];
const LONG_S: u64 = 60;

/// The width of a tile in pixels: Roku requires it for HD, and it fits above a seek bar.
const TILE_WIDTH: u32 = 320;
/// The width of a tile of portrait video.
const TILE_WIDTH_PORTRAIT: u32 = 240;
/// The maximum height of a tile in pixels. A taller tile becomes narrower instead.
const TILE_HEIGHT_MAX: u32 = 480;

/// The layout of a title's storyboard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Geometry {
    /// The width of a tile, in pixels; even.
    pub tile_width: u32,
    /// Its height, in pixels; even.
    pub tile_height: u32,
    /// The interval between tiles, in milliseconds.
    pub interval_ms: u64,
    /// The number of tiles on all sheets; at least one.
    pub tiles: u32,
    /// The duration of the title, in milliseconds.
    pub duration_ms: u64,
}

/// One sheet of a storyboard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sheet {
    /// Its first tile, numbered over all sheets from 0.
    pub first: u32,
    /// The number of its tiles. The unused part of the last sheet is black.
    pub tiles: u32,
}

/// The display size of a video track in square pixels. `None` if it has no size.
pub fn display_size(track: &Track) -> Option<(u32, u32)> {
    track.shape?.displayed()
}

impl Geometry {
    /// The layout for a title of a duration and a display size.
    pub fn new(duration_ms: u64, display: (u32, u32)) -> Self {
        let duration_ms = duration_ms.max(1);
        let tiles_max = u64::from(SHEETS_MAX * TILES);
        let is_enough = |interval_s: &u64| duration_ms.div_ceil(interval_s * 1000) <= tiles_max;
        let long_s = || duration_ms.div_ceil(tiles_max * LONG_S * 1000) * LONG_S;
        let interval_s = INTERVALS_S.into_iter().find(is_enough).unwrap_or_else(long_s);
        Self::with_interval(duration_ms, interval_s * 1000, display)
    }

    /// The layout of a whole title on one sheet.
    pub fn overview(duration_ms: u64, display: (u32, u32)) -> Self {
        let duration_ms = duration_ms.max(1);
        let interval_ms = duration_ms.div_ceil(u64::from(TILES)).max(1000);
        Self::with_interval(duration_ms, interval_ms, display)
    }

    fn with_interval(duration_ms: u64, interval_ms: u64, display: (u32, u32)) -> Self {
        let tiles = u32::try_from(duration_ms.div_ceil(interval_ms)).unwrap_or(u32::MAX);
        let (tile_width, tile_height) = tile_size(display);
        Self { tile_width, tile_height, interval_ms, tiles, duration_ms }
    }

    /// The number of sheets.
    pub fn sheets(&self) -> u32 {
        self.tiles.div_ceil(TILES)
    }

    /// A sheet by its number from 1.
    pub fn sheet(&self, number: u32) -> Option<Sheet> {
        let first = number.checked_sub(1)?.checked_mul(TILES)?;
        let tiles = self.tiles.checked_sub(first).filter(|left| *left > 0)?;
        Some(Sheet { first, tiles: tiles.min(TILES) })
    }

    /// The time span of a tile: from its start to that of the next tile or the end, in milliseconds.
    pub fn span_ms(&self, tile: u32) -> (u64, u64) {
        let start = self.interval_ms.saturating_mul(u64::from(tile));
        (start.min(self.duration_ms), (start + self.interval_ms).min(self.duration_ms))
    }

    /// The time of a tile's frame, in milliseconds: the middle of its span, so that no frame is off by
    /// more than half of that, and the first is not the black before the title begins.
    pub fn time_ms(&self, tile: u32) -> u64 {
        let (start, end) = self.span_ms(tile);
        start + (end - start) / 2
    }

    /// The times of the frames of a sheet, in milliseconds.
    pub fn times_ms(&self, sheet: Sheet) -> Vec<u64> {
        (sheet.first..sheet.first + sheet.tiles).map(|tile| self.time_ms(tile)).collect()
    }

    /// The sheet number of a tile, and its position there in pixels.
    pub fn place(&self, tile: u32) -> (u32, u32, u32) {
        let (sheet, place) = (tile / TILES, tile % TILES);
        let (column, row) = (place % COLUMNS, place / COLUMNS);
        (sheet + 1, column * self.tile_width, row * self.tile_height)
    }

    /// The size of a sheet, in pixels.
    pub fn sheet_size(&self) -> (u32, u32) {
        (COLUMNS * self.tile_width, ROWS * self.tile_height)
    }

    /// The approximate bit rate of the sheets, which need not exist yet: JPEG takes about a sixth of a
    /// byte per pixel. Few players select by it.
    pub fn bits_per_second(&self) -> u64 {
        let pixels = u64::from(self.tile_width) * u64::from(self.tile_height);
        (pixels * 8 * 1000).div_ceil(6 * self.interval_ms)
    }
}

/// The size of a tile for a display size. Both sides are even, as chroma subsampling needs it.
fn tile_size((width, height): (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let even = |pixels: u64| u32::try_from(pixels.div_ceil(2).max(8) * 2).unwrap_or(TILE_WIDTH);
    let tile_width = u64::from(if height > width { TILE_WIDTH_PORTRAIT } else { TILE_WIDTH });
    // Rounded down to the nearest pixel, and `even` rounds up.
    let tile_height = tile_width * height / width;
    if tile_height > u64::from(TILE_HEIGHT_MAX) {
        return (even(u64::from(TILE_HEIGHT_MAX) * width / height), TILE_HEIGHT_MAX);
    }
    (even(tile_width), even(tile_height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tiles_are_as_frequent_as_twenty_sheets_allow() {
        for (duration_ms, interval_s, tiles, sheets) in [
            (1, 1, 1, 1),
            (9_000, 1, 9, 1),
            (60_000, 1, 60, 3),
            (600_000, 2, 300, 12),
            (7_200_000, 15, 480, 20),
            (7_500_001, 20, 376, 16),
            (86_400_000, 180, 480, 20),
        ] {
            let geometry = Geometry::new(duration_ms, (1280, 720));
            assert_eq!(geometry.interval_ms, interval_s * 1000, "{duration_ms}");
            assert_eq!((geometry.tiles, geometry.sheets()), (tiles, sheets), "{duration_ms}");
        }
    }

    #[test]
    fn a_tile_has_the_aspect_ratio_of_the_video() {
        for (display, tile) in [
            ((1920, 1080), (320, 180)),
            ((1024, 576), (320, 180)),
            ((640, 480), (320, 240)),
            ((1920, 800), (320, 134)),
            ((1080, 1920), (240, 426)),
            ((500, 500), (320, 320)),
            ((2000, 100), (320, 16)),
            ((1, 65_535), (16, 480)),
            ((65_535, 1), (320, 16)),
        ] {
            assert_eq!(tile_size(display), tile, "{display:?}");
        }
    }

    #[test]
    fn the_frame_of_a_tile_is_in_the_middle_of_its_span() {
        let geometry = Geometry::new(7_190_000, (1280, 720));
        assert_eq!(geometry.time_ms(0), 7_500);
        assert_eq!(geometry.span_ms(479), (7_185_000, 7_190_000));
        assert_eq!(geometry.time_ms(479), 7_187_500);
        assert_eq!(geometry.place(0), (1, 0, 0));
        assert_eq!(geometry.place(24), (1, 1280, 720));
        assert_eq!(geometry.place(31), (2, 320, 180));
    }

    proptest! {
        #[test]
        fn every_tile_is_on_one_sheet_and_has_a_span(
            duration_ms in 0..400_000_000_u64, width in 0..70_000_u32, height in 0..70_000_u32,
        ) {
            let geometry = Geometry::new(duration_ms, (width, height));
            prop_assert!((1..=SHEETS_MAX).contains(&geometry.sheets()));
            let sheets = (1..).map_while(|number| geometry.sheet(number));
            prop_assert_eq!(sheets.map(|sheet| sheet.tiles).sum::<u32>(), geometry.tiles);
            prop_assert_eq!(geometry.span_ms(geometry.tiles - 1).1, duration_ms.max(1));
            for tile in 0..geometry.tiles {
                let (start, end) = geometry.span_ms(tile);
                prop_assert!(start < end && (start..end).contains(&geometry.time_ms(tile)));
            }
            let (width, height) = (geometry.tile_width, geometry.tile_height);
            prop_assert!(width % 2 == 0 && height % 2 == 0);
            prop_assert!((16..=320).contains(&width) && (16..=480).contains(&height));
            prop_assert!(Geometry::overview(duration_ms, (width, height)).sheets() == 1);
        }
    }
}
