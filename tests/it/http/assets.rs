//! The styles and scripts of the page: for ever under their version, and revalidated otherwise.

use std::collections::BTreeSet;

use crate::support::{
    folder::Folder,
    server::{serve, serve_with},
};

/// The targets below `/assets/` that a document names.
fn assets(document: &str) -> BTreeSet<&str> {
    let behind = document.split("=\"").skip(1);
    let targets = behind.filter_map(|rest| rest.split_once('"').map(|(target, _)| target));
    targets.filter(|target| target.starts_with("/assets/")).collect()
}

fn document(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[test]
fn a_document_names_assets_that_caches_keep_for_ever() {
    let folder = Folder::new();
    let serving = serve(&folder);
    let page = serving.get("/", &[]);
    assert_eq!(page.field("cache-control"), Some("no-cache"));
    let targets = assets(document(&page.body));
    assert!(targets.len() > 4, "{targets:?}");
    for target in targets {
        assert!(target.starts_with("/assets/~"), "{target}");
        let asset = serving.get(target, &["Accept-Encoding: br"]);
        assert_eq!(asset.status, 200, "{target}");
        let caching = asset.field("cache-control").unwrap();
        assert!(caching.ends_with("immutable"), "{target}: {caching}");
        let known = format!("If-None-Match: {}", asset.field("etag").unwrap());
        assert_eq!(serving.get(target, &["Accept-Encoding: br", &known]).status, 304, "{target}");
    }
}

#[test]
fn an_older_page_still_finds_its_assets() {
    let folder = Folder::new();
    let serving = serve(&folder);
    let present = serving.get("/assets/page.js", &[]);
    let older = serving.get("/assets/~0123456789abcdef/page.js", &[]);
    assert_eq!((older.status, &older.body), (200, &present.body));
    for asset in [&present, &older] {
        assert_eq!(asset.field("cache-control"), Some("no-cache"));
    }
    for target in ["/assets/", "/assets/~x", "/assets/index.html", "/assets/../Cargo.toml"] {
        assert_eq!(serving.get(target, &[]).status, 404, "{target}");
    }
}

#[test]
fn sources_of_the_page_are_read_at_each_request() {
    let (folder, sources) = (Folder::new(), Folder::new());
    sources.put("index.html", "<script src=\"/assets/player/a.js\"></script>");
    sources.put("player/a.js", "one");
    sources.put("secret.txt", "x");
    let settings = format!("ui_dir = {:?}", sources.path(""));
    let serving = serve_with(&[folder.path("")], &settings);
    assert_eq!(assets(document(&serving.get("/", &[]).body)), ["/assets/player/a.js"].into());
    for text in ["one", "two"] {
        sources.put("player/a.js", text);
        let asset = serving.get("/assets/player/a.js", &[]);
        assert_eq!((asset.status, document(&asset.body)), (200, text));
        assert_eq!(asset.field("cache-control"), Some("no-cache"));
        assert_eq!(asset.field("content-type"), Some("text/javascript; charset=utf-8"));
    }
    for target in ["/assets/none.js", "/assets/secret.txt", "/assets/%2e%2e/a.js", "/assets/player"]
    {
        assert_eq!(serving.get(target, &[]).status, 404, "{target}");
    }
}
