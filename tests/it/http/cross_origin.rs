//! Requests of other origins (CORS), methods, request ids, health.

use crate::support::{
    folder::{Folder, pattern},
    server::{serve, serve_with},
};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    folder.put("a.vtt", "WEBVTT\n".repeat(500));
    folder
}

const PREFLIGHT: [&str; 3] = [
    "Origin: https://a.example",
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Headers: range,if-range,cmcd-session",
];

#[test]
fn every_origin_may_use_media_by_default() {
    let folder = folder();
    let serving = serve(&folder);
    for (target, fields) in [
        ("/media/a.mp4", &["Origin: https://a.example"][..]),
        ("/media/a.mp4", &[]),
        ("/media/a.mp4", &["Origin: null", "Range: bytes=0-1"]),
        ("/media/a.mp4", &["Range: bytes=5000-"]),
        ("/media/none.mp4", &["Origin: https://a.example"]),
    ] {
        let response = serving.get(target, fields);
        assert_eq!(response.field("access-control-allow-origin"), Some("*"));
        assert_eq!(response.field("timing-allow-origin"), Some("*"));
        assert_eq!(response.field("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(response.field("access-control-allow-credentials"), None);
        assert!(response.list("vary").is_empty(), "the response does not vary by origin");
        let exposed = response.list("access-control-expose-headers");
        for name in
            ["content-length", "content-range", "accept-ranges", "etag", "date", "server-timing"]
        {
            assert!(exposed.iter().any(|exposed| exposed == name), "{name}");
        }
    }
}

#[test]
fn a_preflight_response_allows_the_fields_of_players_and_is_cached_for_long() {
    let folder = folder();
    let serving = serve(&folder);
    let response = serving.request("OPTIONS", "/media/a.mp4", &PREFLIGHT);
    assert_eq!(response.status, 204);
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    assert_eq!(response.field("content-length"), None);
    let allowed = response.list("access-control-allow-headers");
    for name in ["range", "if-range", "cmcd-request", "cmcd-object", "cmcd-session", "cmcd-status"]
    {
        assert!(allowed.iter().any(|allowed| allowed == name), "{name}");
    }
    let methods = response.list("access-control-allow-methods");
    assert_eq!(methods, ["get", "head", "options"]);
    let max_age: u32 = response.field("access-control-max-age").unwrap().parse().unwrap();
    assert!(max_age >= 3600, "{max_age}");
}

#[test]
fn a_configured_list_allows_one_origin_per_response_and_sets_vary() {
    let folder = folder();
    let origins = "cors_origins = 'https://a.example https://b.example'";
    let serving = serve_with(&[folder.path("")], origins);
    for (origin, allowed) in [
        (Some("https://a.example"), true),
        (Some("https://b.example"), true),
        (Some("https://c.example"), false),
        (Some("https://a.example.evil"), false),
        (Some("https://a.exampl"), false),
        (Some("http://a.example"), false),
        (Some("https://a.example https://b.example"), false),
        (Some("null"), false),
        (Some("*"), false),
        (None, false),
    ] {
        let field = origin.map(|origin| format!("Origin: {origin}"));
        let mut fields: Vec<_> = field.as_deref().into_iter().collect();
        let expected = origin.filter(|_| allowed);
        for (method, target, status) in [
            ("GET", "/media/a.mp4", 200),
            ("HEAD", "/media/a.mp4", 200),
            ("GET", "/media/none.mp4", 404),
            ("OPTIONS", "/media/a.mp4", 204),
        ] {
            let response = serving.request(method, target, &fields);
            assert_eq!(response.status, status);
            for name in ["access-control-allow-origin", "timing-allow-origin"] {
                assert_eq!(response.field(name), expected, "{name}, {origin:?}");
            }
            assert_eq!(response.list("vary"), ["origin"], "{origin:?}");
        }
        fields.push("Accept-Encoding: gzip");
        let text = serving.get("/media/a.vtt", &fields);
        assert_eq!(text.list("vary"), ["accept-encoding", "origin"]);
    }
}

#[test]
fn only_media_is_open_to_other_origins() {
    let folder = folder();
    let serving = serve(&folder);
    for target in ["/", "/api/titles", "/metrics", "/healthz", "/nothing"] {
        let response = serving.get(target, &PREFLIGHT[..1]);
        assert_eq!(response.field("access-control-allow-origin"), None, "{target}");
        let response = serving.request("OPTIONS", target, &PREFLIGHT);
        assert_eq!(response.field("access-control-allow-origin"), None, "{target}");
    }
}

#[test]
fn api_origins_opens_the_api_to_pages_of_these_origins_for_reading() {
    let folder = folder();
    let origins = "api_origins = 'https://a.example https://b.example'";
    let serving = serve_with(&[folder.path("")], origins);
    for (origin, is_allowed) in [
        (Some("https://a.example"), true),
        (Some("https://b.example"), true),
        (Some("https://c.example"), false),
        (Some("null"), false),
        (None, false),
    ] {
        let field = origin.map(|origin| format!("Origin: {origin}"));
        let fields: Vec<_> = field.as_deref().into_iter().collect();
        let expected = origin.filter(|_| is_allowed);
        for (method, target) in [
            ("GET", "/api/titles"),
            ("HEAD", "/api/titles/a.mp4"),
            ("GET", "/api/titles/none.mp4"),
            ("GET", "/api/jobs"),
            ("GET", "/api/status"),
            ("OPTIONS", "/api/titles"),
        ] {
            let response = serving.request(method, target, &fields);
            let allowed = response.field("access-control-allow-origin");
            assert_eq!(allowed, expected, "{method} {target}, {origin:?}");
            let varies = response.list("vary").iter().any(|name| name == "origin");
            assert!(varies, "{method} {target}, {origin:?}");
        }
        for (method, target) in [("POST", "/api/jobs"), ("GET", "/"), ("GET", "/metrics")] {
            let response = serving.request(method, target, &fields);
            let allowed = response.field("access-control-allow-origin");
            assert_eq!(allowed, None, "{method} {target}, {origin:?}");
        }
    }
    let changes = serving.request("POST", "/api/jobs", &["Origin: https://a.example"]);
    assert_eq!(changes.status, 403);
    let serving = serve_with(&[folder.path("")], "api_origins = '*'");
    let response = serving.get("/api/titles", &["Origin: https://c.example"]);
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    assert!(!response.list("vary").iter().any(|name| name == "origin"));
    for invalid in ["tv.example", "https://tv.example/", "", "* https://tv.example"] {
        let line = format!("api_origins = '{invalid}'");
        let refused = toml::from_str::<headwater::config::Layer>(&line).err();
        let why = refused.expect("an invalid list").to_string();
        assert!(why.contains("api_origins") && why.contains("origins"), "{why}");
    }
}

#[test]
fn every_resource_refuses_other_methods_with_405_and_allow() {
    let folder = folder();
    let serving = serve(&folder);
    for target in [
        "/",
        "/watch/a.mp4",
        "/media/a.mp4",
        "/media/a.mp4?follow",
        "/media/a.vtt",
        "/api/titles",
        "/api/titles/a.mp4",
        "/api/events",
        "/api/status",
        "/api/openapi.json",
        "/assets/page.js",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "GETT"] {
            let response = serving.request(method, target, &[]);
            assert_eq!(response.status, 405, "{method} {target}");
            assert_eq!(response.list("allow"), ["get", "head", "options"]);
        }
        let response = serving.request("OPTIONS", target, &[]);
        assert_eq!(response.status, 204, "{target}");
        assert_eq!(response.list("allow"), ["get", "head", "options"]);
    }
    for method in ["GET", "HEAD", "POST", "DELETE", "GETT"] {
        for target in ["/media/none.mp4", "/nothing", "/api/titles/none.mp4"] {
            let response = serving.request(method, target, &[]);
            assert_eq!(response.status, 404, "{method} {target}");
        }
    }
    assert_eq!(serving.request("OPTIONS", "*", &[]).status, 204);
}

#[test]
fn a_404_is_cached_for_a_short_time() {
    let folder = folder();
    let serving = serve(&folder);
    let missing = serving.get("/media/none.mp4", &[]);
    assert_eq!(missing.field("cache-control"), Some("public, max-age=5"));
    let problem = Some("application/problem+json");
    assert_eq!(missing.field("content-type"), problem);
    let serving = serve_with(&[folder.path("")], "not_found_max_age_s = 0\nfile_max_age_s = 7");
    let missing = serving.get("/media/none.mp4", &[]);
    assert_eq!(missing.field("cache-control"), Some("public, max-age=0"));
    let media = serving.get("/media/a.mp4", &[]);
    assert_eq!(media.field("cache-control"), Some("public, max-age=7"));
    assert_eq!(media.field("cdn-cache-control"), None);
}

#[test]
fn a_configured_cdn_cache_control_is_sent_with_media_only() {
    let folder = folder();
    let settings = "cdn_cache_control = 'max-age=86400'";
    let serving = serve_with(&[folder.path("")], settings);
    for fields in [&[][..], &["Range: bytes=0-1"]] {
        let media = serving.get("/media/a.mp4", fields);
        assert_eq!(media.field("cdn-cache-control"), Some("max-age=86400"));
        assert_eq!(media.field("cache-control"), Some("public, max-age=60"));
    }
    assert_eq!(serving.get("/healthz", &[]).field("cdn-cache-control"), None);
}

#[test]
fn a_harmless_request_id_is_echoed_and_any_other_is_replaced() {
    let folder = folder();
    let serving = serve(&folder);
    let id_of = |fields: &[&str]| {
        let response = serving.get("/media/a.mp4", fields);
        response.field("x-request-id").expect("an id").to_owned()
    };
    assert_eq!(id_of(&["X-Request-Id: abc-123_x.y"]), "abc-123_x.y");
    let longest = "x".repeat(64);
    assert_eq!(id_of(&[&format!("X-Request-Id: {longest}")]), longest);
    let mut generated = vec![id_of(&[]), id_of(&[])];
    for refused in ["", "a b", "a\"b", "<script>", "a\u{e9}", &"x".repeat(65)] {
        generated.push(id_of(&[&format!("X-Request-Id: {refused}")]));
    }
    for id in &generated {
        let is_plain = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_plain, "{id}");
    }
    let count = generated.len();
    generated.sort();
    generated.dedup();
    assert_eq!(generated.len(), count, "an id occurs twice");
}

#[test]
fn health_responses_are_never_cached() {
    let folder = folder();
    let serving = serve(&folder);
    for (target, body) in
        [("/healthz", "alive\n"), ("/readyz", "ready\nroot: ready\nworker: off\n")]
    {
        let response = serving.get(target, &[]);
        assert_eq!((response.status, response.body.as_slice()), (200, body.as_bytes()));
        assert_eq!(response.field("cache-control"), Some("no-store"));
        let head = serving.request("HEAD", target, &[]);
        assert_eq!(head.field("content-length"), Some(&*body.len().to_string()));
    }
    serving.site().start_draining();
    let response = serving.get("/readyz", &[]);
    assert_eq!(response.status, 503);
    assert_eq!(response.field("cache-control"), Some("no-store"));
    assert!(response.field("retry-after").is_some());
    assert_eq!(serving.request("POST", "/readyz", &[]).status, 405);
    assert_eq!(serving.request("OPTIONS", "/readyz", &[]).status, 204);
    assert_eq!(serving.get("/healthz", &[]).status, 200);
}
