//! The class of a request's URL, for metrics.

use crate::telemetry::Route;

/// The class of a target.
pub fn route_class(target: &str) -> Route {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let (first, rest) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    match first {
        "media" => Route::File,
        "v" => view_class(rest),
        "api" if rest == "events" => Route::Events,
        "api" | "oembed" => Route::Api,
        "" | "watch" | "embed" | "library" | "assets" | "headwater-player.js" => Route::Page,
        "healthz" | "readyz" | "metrics" => Route::Operations,
        _ => Route::Other,
    }
}

/// The class of a view of a title, by its last name.
fn view_class(rest: &str) -> Route {
    let name = rest.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match (name, extension) {
        ("play.mp4", _) => Route::Progressive,
        ("inspect", _) => Route::Inspect,
        ("storyboard.vtt" | "storyboard.json" | "storyboard.bif", _) => Route::Image,
        (_, "m4s" | "mp4") => Route::Segment,
        (_, "m3u8" | "mpd") => Route::Manifest,
        (_, "vtt") => Route::Text,
        (_, "jpg" | "webp") => Route::Image,
        _ => Route::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_has_a_class() {
        for (target, route) in [
            ("/", Route::Page),
            ("/watch/a/b.mp4", Route::Page),
            ("/assets/page.css", Route::Page),
            ("/headwater-player.js", Route::Page),
            ("/media/a/v/index.m3u8?follow", Route::File),
            ("/v/a.mp4/play.mp4?start=1", Route::Progressive),
            ("/v/a.mp4/index.m3u8", Route::Manifest),
            ("/v/a.mp4/manifest.mpd", Route::Manifest),
            ("/v/a.mp4/~00ff/video-1/init.mp4", Route::Segment),
            ("/v/a.mp4/~00ff/video-1/12.m4s", Route::Segment),
            ("/v/a.mp4/~00ff/text-1/3.vtt", Route::Text),
            ("/v/a.mp4/chapters.vtt", Route::Text),
            ("/v/a.mp4/storyboard.vtt", Route::Image),
            ("/v/a.mp4/poster.jpg?wait=0", Route::Image),
            ("/v/a.mp4/inspect", Route::Inspect),
            ("/v/a.mp4/nothing", Route::Other),
            ("/api/titles?offset=1", Route::Api),
            ("/api/events", Route::Events),
            ("/metrics", Route::Operations),
            ("*", Route::Other),
            ("/nothing", Route::Other),
        ] {
            assert_eq!(route_class(target), route, "{target}");
        }
    }
}
