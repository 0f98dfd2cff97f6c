//! Image media playlists: the storyboard of a title for the seek bars of Roku devices and Shaka Player
//! (Image Media Playlist 0.4, an agreement of Disney, Roku and others). Other clients ignore its tags.

use super::tag::Tag;
use crate::package::{
    storyboard::{COLUMNS, ROWS, Storyboard, TILES},
    write::{Write as _, escape_uri},
};

/// The first lines. Independent segments do not apply, because there are no samples.
const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n";

/// The playlist of the sheets of a title. URIs are relative to the folder of the sheets.
pub fn images(storyboard: &Storyboard) -> String {
    let geometry = &storyboard.geometry;
    let mut text = String::from(HEAD);
    let whole_ms = (geometry.interval_ms * u64::from(TILES)).min(geometry.duration_ms);
    text.push_str("#EXT-X-TARGETDURATION:");
    text.push_number(whole_ms.div_ceil(1000));
    text.push_str("\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-IMAGES-ONLY\n");
    let sheets = (1..).map_while(|number| Some((number, geometry.sheet(number)?)));
    for (number, sheet) in sheets {
        let (start, _) = geometry.span_ms(sheet.first);
        let (_, end) = geometry.span_ms(sheet.first + sheet.tiles - 1);
        text.push_str("#EXTINF:");
        text.push_seconds((end - start) * 1000);
        text.push_str(",\n");
        Tag::new(&mut text, "EXT-X-TILES")
            .resolution("RESOLUTION", geometry.tile_width.into(), geometry.tile_height.into())
            .resolution("LAYOUT", COLUMNS.into(), ROWS.into())
            .seconds("DURATION", geometry.interval_ms * 1000)
            .end();
        text.push_number(number.into());
        text.push_str(".jpg\n");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// Writes the tag of a multivariant playlist that refers to the image playlist.
pub(super) fn stream_inf(text: &mut String, storyboard: &Storyboard) {
    let geometry = &storyboard.geometry;
    Tag::new(text, "EXT-X-IMAGE-STREAM-INF")
        .number("BANDWIDTH", geometry.bits_per_second())
        .resolution("RESOLUTION", geometry.tile_width.into(), geometry.tile_height.into())
        .quoted("CODECS", "jpeg")
        .quoted("URI", &escape_uri(&storyboard.url("images.m3u8")))
        .end();
}
