//! A storyboard as JSON, for players in browsers.

use serde::Serialize;

use super::{Geometry, ImageFormat, Storyboard, TILES};

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    overview: Sheet,
    tile_width: u32,
    tile_height: u32,
    duration: f64,
    sheets: Vec<Sheet>,
}

#[derive(Serialize)]
struct Sheet {
    url: String,
    tiles: Vec<Tile>,
}

#[derive(Serialize)]
struct Tile {
    start: f64,
    x: u32,
    y: u32,
}

/// Formats JSON in the form of Mux, which Vidstack reads: `url`, `tile_width`, `tile_height`, `duration`
/// and `tiles`, each with `start` (in seconds), `x` and `y`.
///
/// That form has one sheet. Its `url` and `tiles` are the [overview](Geometry::overview) of the whole
/// title, which is correct for players that know no more; all sheets follow in `sheets`, each with its
/// own `url` and `tiles`.
pub fn format(storyboard: &Storyboard, format: ImageFormat) -> String {
    let geometry = storyboard.geometry;
    let Geometry { tile_width, tile_height, duration_ms, .. } = geometry;
    let sheet = |geometry: &Geometry, number: u32, name: String| {
        let first = (number - 1) * TILES;
        let tiles = first..geometry.tiles.min(first + TILES);
        let tile = |tile: u32| {
            let (_, x, y) = geometry.place(tile);
            Tile { start: as_seconds(geometry.span_ms(tile).0), x, y }
        };
        let url = storyboard.url(format_args!("{name}.{}", format.extension()));
        Sheet { url, tiles: tiles.map(tile).collect() }
    };
    let overview = Geometry::overview(duration_ms, (tile_width, tile_height));
    let document = Document {
        overview: sheet(&overview, 1, "all".to_owned()),
        tile_width,
        tile_height,
        duration: as_seconds(duration_ms),
        sheets: (1..=geometry.sheets()).map(|n| sheet(&geometry, n, n.to_string())).collect(),
    };
    serde_json::to_string(&document).expect("numbers and strings")
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
fn as_seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{super::example, *};

    #[test]
    fn json_has_the_overview_and_then_every_sheet() {
        let text = format(&example(60_500), ImageFormat::Webp);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["url"], "~00112233445566ff/storyboard/all.webp");
        assert_eq!((&value["tile_width"], &value["tile_height"]), (&320.into(), &180.into()));
        assert_eq!(value["duration"], 60.5);
        let overview = value["tiles"].as_array().expect("tiles");
        assert_eq!(overview.len(), 25);
        assert_eq!(overview[6], serde_json::json!({"start": 14.52, "x": 320, "y": 180}));
        let sheets = value["sheets"].as_array().expect("sheets");
        assert_eq!(sheets.len(), 3);
        assert_eq!(sheets[2]["url"], "~00112233445566ff/storyboard/3.webp");
        assert_eq!(sheets[2]["tiles"].as_array().expect("tiles").len(), 11);
        assert_eq!(sheets[2]["tiles"][10], serde_json::json!({"start": 60.0, "x": 0, "y": 360}));
    }
}
