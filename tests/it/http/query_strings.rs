//! Query strings of media and titles.

use crate::support::{
    folder::Folder,
    json::json,
    server::serve,
    streams::{CLOCK, put_sample},
};

/// The forms of a boolean: true, false and neither.
const TRUE: [&str; 4] = ["", "=", "=1", "=true"];
const FALSE: [&str; 2] = ["=0", "=false"];
const INVALID: [&str; 4] = ["=2", "=no", "=True", "=-"];

#[test]
fn booleans_have_one_rule_on_all_routes() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    for (target, key) in
        [(format!("/media/{CLOCK}"), "follow"), (format!("/v/{CLOCK}/play.mp4"), "layout")]
    {
        let head = |query: &str| serving.request("HEAD", &format!("{target}{query}"), &[]);
        let tag = head("").field("etag").map(str::to_owned);
        assert!(tag.is_some(), "{target}");
        for value in TRUE {
            let response = head(&format!("?{key}{value}"));
            assert_eq!(response.status, 200, "{key}{value}");
            assert_ne!(response.field("etag").map(str::to_owned), tag, "{key}{value}");
        }
        for value in FALSE {
            let response = head(&format!("?a=b&{key}{value}"));
            assert_eq!(response.field("etag").map(str::to_owned), tag, "{key}{value}");
        }
        for value in INVALID {
            assert_eq!(head(&format!("?{key}{value}")).status, 400, "{key}{value}");
        }
    }
    for key in ["exact", "wait"] {
        for value in INVALID {
            let thumbnail = format!("/v/{CLOCK}/thumbnail.jpg?{key}{value}");
            assert_eq!(serving.get(&thumbnail, &[]).status, 400, "{key}{value}");
        }
    }
}

#[test]
fn the_api_names_the_key_that_it_refuses() {
    let serving = serve(&Folder::new());
    for (target, detail) in [
        ("/api/titles?offset=-1", "offset must be a whole number from 0 on"),
        ("/api/titles?limit=many", "limit must be a whole number from 0 on"),
        ("/api/titles?limit=0", "limit must be from 1 to 1000"),
        (
            "/api/titles?ofset=1",
            "unknown key `ofset`; the keys are `path`, `folder`, `search`, `sort`, `offset`, `limit`",
        ),
        ("/api/jobs?limit=-1", "limit must be a whole number from 0 on"),
        (
            "/api/jobs?kind=x",
            "unknown key `kind`; the keys are `state`, `title`, `limit`, `before`",
        ),
        ("/api/events?from=1", "unknown key `from`; the keys are `since`, `titles_since`"),
    ] {
        let problem = json(&serving.get(target, &[]), 400);
        assert_eq!(problem["detail"], detail, "{target}");
    }
}
