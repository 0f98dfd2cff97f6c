//! A storyboard as WebVTT and as JSON, for players in browsers.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Geometry, Storyboard, TILES};

/// The coding of a sheet, by the ending of its name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// JPEG.
    Jpg,
    /// WebP.
    Webp,
}

impl ImageFormat {
    /// The ending of names.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jpg => "jpg",
            Self::Webp => "webp",
        }
    }
}

/// WebVTT with a cue for each tile, whose text is the sheet's URL and the tile's place on it as a media
/// fragment (`#xywh=`): what video.js, Plyr, JW Player, Vidstack and others take.
pub fn vtt(storyboard: &Storyboard, coding: ImageFormat) -> String {
    let Geometry { tile_width, tile_height, tiles, .. } = storyboard.geometry;
    let mut text = String::from("WEBVTT\n");
    for tile in 0..tiles {
        let (start, end) = storyboard.geometry.span_ms(tile);
        let (sheet, x, y) = storyboard.geometry.place(tile);
        let url = storyboard.url(format_args!("{sheet}.{}", coding.ending()));
        let written = write!(
            text,
            "\n{} --> {}\n{url}#xywh={x},{y},{tile_width},{tile_height}\n",
            clock(start),
            clock(end),
        );
        written.expect("a text grows");
    }
    text
}

fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, ms % 1000)
}

#[derive(Serialize)]
struct Board {
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

/// JSON in the form that Mux has made usual and Vidstack reads: `url`, `tile_width`, `tile_height`,
/// `duration` and `tiles`, of which each has `start` (in seconds), `x` and `y`.
///
/// That form knows one sheet. Its `url` and `tiles` are the [overview](Geometry::overview) of the whole
/// title, so that whoever knows no more is never wrong; all sheets are behind it in `sheets`, each with
/// `url` and `tiles` of its own.
pub fn json(storyboard: &Storyboard, coding: ImageFormat) -> String {
    let geometry = storyboard.geometry;
    let Geometry { tile_width, tile_height, duration_ms, .. } = geometry;
    let sheet = |geometry: &Geometry, number: u32, name: String| {
        let first = (number - 1) * TILES;
        let tiles = first..geometry.tiles.min(first + TILES);
        let tile = |tile: u32| {
            let (_, x, y) = geometry.place(tile);
            Tile { start: seconds(geometry.span_ms(tile).0), x, y }
        };
        let url = storyboard.url(format_args!("{name}.{}", coding.ending()));
        Sheet { url, tiles: tiles.map(tile).collect() }
    };
    let overview = Geometry::overview(duration_ms, (tile_width, tile_height));
    let board = Board {
        overview: sheet(&overview, 1, "all".to_owned()),
        tile_width,
        tile_height,
        duration: seconds(duration_ms),
        sheets: (1..=geometry.sheets()).map(|n| sheet(&geometry, n, n.to_string())).collect(),
    };
    serde_json::to_string(&board).expect("numbers and text")
}

#[expect(clippy::cast_precision_loss, reason = "no title is as long as what a double cannot count")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storyboard(duration_ms: u64) -> Storyboard {
        Storyboard {
            prefix: String::new(),
            version: "00112233445566ff".to_owned(),
            geometry: Geometry::new(duration_ms, (1280, 720)),
        }
    }

    #[test]
    fn webvtt_names_a_place_on_a_sheet_for_each_time() {
        let text = vtt(&storyboard(3_671_000), ImageFormat::Jpg);
        let cues: Vec<_> = text.split("\n\n").collect();
        assert_eq!(cues[0], "WEBVTT");
        assert_eq!(
            cues[1],
            "00:00:00.000 --> 00:00:10.000\n~00112233445566ff/storyboard/1.jpg#xywh=0,0,320,180"
        );
        assert_eq!(
            cues[27],
            "00:04:20.000 --> 00:04:30.000\n~00112233445566ff/storyboard/2.jpg#xywh=320,0,320,180"
        );
        assert_eq!(
            *cues.last().expect("cues"),
            "01:01:10.000 --> 01:01:11.000\n\
             ~00112233445566ff/storyboard/15.jpg#xywh=640,540,320,180\n"
        );
    }

    #[test]
    fn json_has_the_whole_title_on_one_sheet_and_then_every_sheet() {
        let text = json(&storyboard(60_500), ImageFormat::Webp);
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["url"], "~00112233445566ff/storyboard/all.webp");
        assert_eq!((&read["tile_width"], &read["tile_height"]), (&320.into(), &180.into()));
        assert_eq!(read["duration"], 60.5);
        let overview = read["tiles"].as_array().expect("tiles");
        assert_eq!(overview.len(), 25);
        assert_eq!(overview[6], serde_json::json!({"start": 14.52, "x": 320, "y": 180}));
        let sheets = read["sheets"].as_array().expect("sheets");
        assert_eq!(sheets.len(), 3);
        assert_eq!(sheets[2]["url"], "~00112233445566ff/storyboard/3.webp");
        assert_eq!(sheets[2]["tiles"].as_array().expect("tiles").len(), 11);
        assert_eq!(sheets[2]["tiles"][10], serde_json::json!({"start": 60.0, "x": 0, "y": 360}));
    }
}
