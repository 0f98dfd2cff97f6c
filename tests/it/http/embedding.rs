//! Players of this server on pages of others: frames, oEmbed and the web component.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{
    client::Response,
    folder::Folder,
    json::json,
    server::{Serving, serve, serve_with},
};

fn folder() -> Folder {
    let folder = Folder::new();
    let clock = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/Clock.mp4");
    folder.put("a \"b\".mp4", fs::read(clock).unwrap());
    folder.put("song.mp3", "no movie");
    folder
}

/// The ancestors that a response allows; `None` for any.
fn ancestors(response: &Response) -> Option<&str> {
    let policy = response.field("content-security-policy").unwrap();
    policy.split("; ").find_map(|directive| directive.strip_prefix("frame-ancestors "))
}

fn oembed(serving: &Serving, query: &str, status: u16) -> Value {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let (url, rest) = query.split_once('&').unwrap_or((query, ""));
    let url = encode(url);
    json(&serving.get(&format!("/oembed?url={url}&{rest}"), &[]), status)
}

#[test]
fn a_page_of_any_origin_may_show_the_player_unless_configured() {
    let folder = folder();
    let player = "/embed/a%20%22b%22.mp4";
    for (configuration, expected) in [
        ("", None),
        ("embed_origins = \"none\"", Some("'self'")),
        (
            "embed_origins = \"https://a.example http://b:8080\"",
            Some("'self' https://a.example http://b:8080"),
        ),
    ] {
        let serving = serve_with(&[folder.path("")], configuration);
        assert_eq!(ancestors(&serving.get(player, &[])), expected, "{configuration}");
        assert_eq!(ancestors(&serving.get("/embed/none.mp4", &[])), expected, "{configuration}");
        assert_eq!(ancestors(&serving.get("/", &[])), Some("'self'"), "{configuration}");
        assert_eq!(ancestors(&serving.get("/watch/song.mp3", &[])), Some("'self'"));
    }
}

#[test]
fn oembed_describes_the_player_of_a_watch_page() {
    let folder = folder();
    let serving = serve(&folder);
    let page = serving.get("/watch/a%20%22b%22.mp4", &[]);
    let document = std::str::from_utf8(&page.body).unwrap();
    let (_, link) = document.split_once("<link rel=\"alternate\" href=\"http://localhost").unwrap();
    let target = link.split_once('"').unwrap().0.replace("&amp;", "&");
    let found = json(&serving.get(&target, &[]), 200);
    assert_eq!(found["version"], "1.0");
    assert_eq!(found["type"], "video");
    assert_eq!(found["title"], "a \"b\"");
    let html = found["html"].as_str().unwrap();
    assert!(html.starts_with("<iframe src=\"http://localhost/embed/a%20%22b%22.mp4\""), "{html}");
    assert!(html.contains("title=\"a &quot;b&quot;\""), "{html}");
    let response = serving.get(&target, &[]);
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
}

#[test]
fn oembed_keeps_the_shape_within_the_limits() {
    let folder = folder();
    let serving = serve(&folder);
    let page = "http://localhost/watch/a \"b\".mp4".replace(' ', "%20").replace('"', "%22");
    let size = |limits: &str| {
        let found = oembed(&serving, &format!("{page}&{limits}"), 200);
        (found["width"].as_u64().unwrap(), found["height"].as_u64().unwrap())
    };
    assert_eq!(size(""), (640, 360));
    assert_eq!(size("maxwidth=320"), (320, 180));
    assert_eq!(size("maxheight=90&maxwidth=640"), (160, 90));
    let song = oembed(&serving, "http://localhost/watch/song.mp3", 200);
    assert_eq!(song["type"], "rich");
}

#[test]
fn oembed_refuses_what_it_has_not() {
    let folder = folder();
    let serving = serve(&folder);
    for (query, status, problem) in [
        ("http://localhost/watch/none.mp4", 404, "/errors/not-found"),
        ("http://other.example/watch/song.mp3", 404, "/errors/not-found"),
        ("http://localhost/media/song.mp3", 404, "/errors/not-found"),
        ("http://localhost/watch/song.mp3&format=xml", 501, "/errors/not-implemented"),
        ("http://localhost/watch/song.mp3&maxwidth=wide", 400, "/errors/bad-request"),
        ("http://localhost/watch/song.mp3&maxheight=0", 400, "/errors/bad-request"),
    ] {
        assert_eq!(oembed(&serving, query, status)["type"], problem, "{query}");
    }
    assert_eq!(json(&serving.get("/oembed", &[]), 400)["type"], "/errors/bad-request");
}

#[test]
fn pages_of_any_origin_load_the_web_component() {
    let folder = folder();
    let serving = serve_with(&[folder.path("")], "cors_origins = \"https://a.example\"");
    let script = serving.get("/headwater-player.js", &["Origin: https://b.example"]);
    assert_eq!(script.status, 200);
    assert_eq!(script.field("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.field("access-control-allow-origin"), Some("*"));
    assert_eq!(script.field("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(script.field("cache-control"), Some("no-cache"));
    assert!(std::str::from_utf8(&script.body).unwrap().contains("customElements.define"));
}
