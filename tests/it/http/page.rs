//! The documents of the page: what they say without a script, and their status.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{client::Response, folder::Folder, server::serve};

/// A name that would be markup in HTML, end a script, and end a comment.
const HOSTILE: &str = "<img src=x onerror=alert(1)>&\"'<!--x--><script>.mp4";

fn folder() -> Folder {
    let folder = Folder::new();
    let clock = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/Clock.mp4");
    let movie = fs::read(clock).unwrap();
    folder.put("films/Sea & sky.mp4", &movie);
    folder.put(HOSTILE, &movie);
    folder.put("song.mp3", "no movie");
    folder
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// The content of a `<meta>` with this name or property.
fn meta<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let forms = [
        format!("<meta name=\"{name}\" content=\""),
        format!("<meta property=\"{name}\" content=\""),
    ];
    let found = forms.iter().find_map(|form| document.split_once(form.as_str()));
    found.and_then(|(_, rest)| rest.split_once('"')).map(|(content, _)| content)
}

fn json_ld(document: &str) -> Value {
    let (_, rest) = document.split_once("<script type=\"application/ld+json\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_watch_page_says_what_it_shows_without_a_script() {
    let folder = folder();
    let serving = serve(&folder);
    let page = serving.get("/watch/films/Sea%20%26%20sky.mp4", &["X-Forwarded-Proto: https"]);
    let document = text(&page);
    assert_eq!(page.status, 200);
    assert!(document.contains("<title>Sea &amp; sky · Headwater</title>"), "{document}");
    assert!(document.contains("<body class=\"watching\">"));
    assert!(document.contains("<bdi id=\"name\">Sea &amp; sky</bdi>"));
    assert!(document.contains("src=\"/v/films/Sea%20%26%20sky.mp4/play.mp4\""));
    let url = meta(document, "og:url").unwrap();
    assert!(url.starts_with("https://localhost/"), "{url}");
    assert!(url.ends_with("/watch/films/Sea%20%26%20sky.mp4"), "{url}");
    for (name, content) in [
        ("og:title", "Sea &amp; sky"),
        ("og:type", "video.other"),
        ("og:video:width", "640"),
        ("og:video:height", "360"),
        ("twitter:card", "player"),
    ] {
        assert_eq!(meta(document, name), Some(content), "{name}");
    }
    let object = json_ld(document);
    assert_eq!(object["@type"], "VideoObject");
    assert_eq!(object["name"], "Sea & sky");
    assert!(object["duration"].as_str().unwrap().starts_with("PT"), "{object}");
    let embed = object["embedUrl"].as_str().unwrap();
    assert_eq!(&embed[embed.find("/embed/").unwrap()..], "/embed/films/Sea%20%26%20sky.mp4");
}

#[test]
fn a_hostile_name_is_text_in_every_document() {
    let folder = folder();
    let serving = serve(&folder);
    let encoded =
        percent_encoding::utf8_percent_encode(HOSTILE, percent_encoding::NON_ALPHANUMERIC);
    for prefix in ["/watch/", "/embed/"] {
        let page = serving.get(&format!("{prefix}{encoded}"), &[]);
        assert_eq!(page.status, 200, "{prefix}");
        let document = text(&page);
        for markup in ["<img", "<!--x", "<script>"] {
            assert!(!document.contains(markup), "{markup} in {document}");
        }
    }
    let watch = serving.get(&format!("/watch/{encoded}"), &[]);
    assert_eq!(json_ld(text(&watch))["name"], HOSTILE.trim_end_matches(".mp4"));
}

#[test]
fn a_page_of_what_does_not_exist_is_404_and_says_so() {
    let folder = folder();
    let serving = serve(&folder);
    for target in ["/watch/none.mp4", "/watch/", "/watch/../x.mp4", "/watch/%zz", "/embed/none.mp4"]
    {
        let page = serving.get(target, &["If-None-Match: *"]);
        assert_eq!(page.status, 404, "{target}");
        assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.field("cache-control"), Some("no-store"));
        assert!(page.field("content-security-policy").unwrap().contains("default-src 'none'"));
        let sentence = ["This title is not in the library.", "This title is no longer available."];
        assert!(sentence.iter().any(|sentence| text(&page).contains(sentence)), "{target}");
    }
    assert_eq!(serving.request("HEAD", "/watch/none.mp4", &[]).status, 404);
    assert_eq!(serving.request("POST", "/watch/none.mp4", &[]).status, 405);
    assert_eq!(serving.request("OPTIONS", "/watch/none.mp4", &[]).status, 204);
}

#[test]
fn a_title_that_is_no_movie_has_a_page_with_what_is_known() {
    let folder = folder();
    let serving = serve(&folder);
    let page = serving.get("/watch/song.mp3", &[]);
    assert_eq!(page.status, 200);
    assert_eq!(json_ld(text(&page))["@type"], "AudioObject");
    assert!(text(&page).contains("<audio controls"), "{}", text(&page));
    assert!(meta(text(&page), "og:audio").unwrap().ends_with("/media/song.mp3"));
}

/// The names on the cards of a document, in their order.
fn cards(document: &str) -> Vec<&str> {
    let behind = document.split("<bdi class=\"name\">").skip(1);
    behind.filter_map(|rest| rest.split_once("</bdi>").map(|(name, _)| name)).collect()
}

#[test]
fn the_page_of_a_folder_lists_folders_and_titles_as_links() {
    let folder = folder();
    for number in [10, 2, 1] {
        folder.put(format!("series/Ep {number}.mp4"), "");
    }
    let serving = serve(&folder);
    serving.until_scanned();
    let home = serving.get("/", &[]);
    let names = cards(text(&home));
    assert_eq!(names[..2], ["films", "series"]);
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(text(&home).contains("<a class=\"folder\" href=\"/library/series/\""));
    assert!(text(&home).contains("2 folders, 2 titles"));
    let series = serving.get("/library/series/", &[]);
    assert_eq!(cards(text(&series)), ["Ep 1", "Ep 2", "Ep 10"]);
    assert!(text(&series).contains("<li><a href=\"/\"><bdi>Library</bdi></a></li>"));
    assert!(text(&series).contains("<title>series · Headwater</title>"));
    assert!(text(&series).contains("href=\"/watch/series/Ep%2010.mp4\""));
    let watch = serving.get("/watch/series/Ep%202.mp4", &[]);
    assert_eq!(cards(text(&watch)), ["Ep 1", "Ep 2", "Ep 10"]);
    assert!(text(&watch).contains("title=\"Ep 2\" aria-current=\"page\""));
    assert!(text(&watch).contains("<li><a href=\"/library/series/\"><bdi>series</bdi></a></li>"));
}

#[test]
fn the_page_of_a_folder_without_titles_is_404() {
    let folder = folder();
    let serving = serve(&folder);
    serving.until_scanned();
    for target in [
        "/library/none/",
        "/library/song.mp3/",
        "/library/../x/",
        "/library/%zz/",
        "/library//films/",
        "/library/films//",
    ] {
        let page = serving.get(target, &[]);
        assert_eq!(page.status, 404, "{target}");
        assert!(text(&page).contains("This folder is not in the library"), "{target}");
    }
    assert_eq!(serving.get("/library/films", &[]).status, 200);
    assert_eq!(serving.get("/library/", &[]).status, 200);
    let bare = serving.get("/library?search=sea", &[]);
    assert_eq!((bare.status, bare.field("location")), (308, Some("/library/?search=sea")));
}

#[test]
fn a_document_lists_what_a_search_finds_and_leads_to_the_next_titles() {
    let folder = folder();
    for number in 0..150 {
        folder.put(format!("many/{number}.mp4"), "");
    }
    let serving = serve(&folder);
    serving.until_scanned();
    let found = serving.get("/?search=sky+sea", &[]);
    assert_eq!(cards(text(&found)), ["Sea &amp; sky"]);
    assert!(text(&found).contains("<bdi class=\"fact\">films</bdi>"));
    let first = serving.get("/library/many/", &[]);
    assert_eq!(cards(text(&first)).len(), 100);
    let next = "/library/many/?search=&amp;offset=100";
    assert!(text(&first).contains(&format!("<a href=\"{next}\">Next</a>")));
    assert_eq!(cards(text(&serving.get(&next.replace("&amp;", "&"), &[]))).len(), 50);
    // What is no number is the beginning.
    assert_eq!(cards(text(&serving.get("/library/many/?offset=x", &[]))).len(), 100);
}

#[test]
fn a_page_says_whether_its_client_may_change_anything() {
    let folder = folder();
    let serving = serve(&folder);
    for (target, class) in [("/watch/song.mp3", "watching read-only"), ("/", "read-only")] {
        let forwarded = serving.get(target, &["X-Forwarded-For: 192.0.2.1"]);
        assert!(text(&forwarded).contains(&format!("<body class=\"{class}\">")), "{target}");
        assert!(!text(&serving.get(target, &[])).contains("read-only"), "{target}");
    }
}
