//! A storyboard as WebVTT, for players in browsers.

use std::fmt::Write as _;

use super::{Geometry, ImageFormat, Storyboard};

/// Formats WebVTT with a cue for each tile; its text is the sheet's URL with the tile's place as a
/// media fragment (`#xywh=`): the form that video.js, Plyr, JW Player, Vidstack and others read.
pub fn format(storyboard: &Storyboard, format: ImageFormat) -> String {
    let Geometry { tile_width, tile_height, tiles, .. } = storyboard.geometry;
    let mut text = String::from("WEBVTT\n");
    for tile in 0..tiles {
        let (start, end) = storyboard.geometry.span_ms(tile);
        let (sheet, x, y) = storyboard.geometry.place(tile);
        let url = storyboard.url(format_args!("{sheet}.{}", format.extension()));
        let written = write!(
            text,
            "\n{} --> {}\n{url}#xywh={x},{y},{tile_width},{tile_height}\n",
            format_timestamp(start),
            format_timestamp(end),
        );
        written.expect("writing to a string cannot fail");
    }
    text
}

fn format_timestamp(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::{super::example, *};

    #[test]
    fn each_cue_has_the_position_of_its_tile_on_the_sheet() {
        let text = format(&example(3_671_000), ImageFormat::Jpg);
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
}
