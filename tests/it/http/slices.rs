//! `config/nginx-slice.conf` in front of two origins with the same files.

use std::{fs, sync::Barrier, thread};

use crate::support::{
    client::Client,
    folder::{Folder, pattern},
    manifests,
    program::Program,
    proxies::Proxy,
    streams::put_sample,
};

/// The length of a slice.
const SLICE: usize = 1 << 20;

/// The length of the large file.
const LARGE: usize = 5 * SLICE + 1;

/// Requests that wait for the same slice.
const HERD: usize = 50;

/// Two origins of one folder, and nginx in front of them.
struct Site {
    folder: Folder,
    origins: Vec<Program>,
    nginx: Proxy,
}

impl Site {
    /// `None` if nginx is not installed.
    fn new() -> Option<Self> {
        let folder = Folder::new();
        for title in titles() {
            put_sample(&folder, "Clock.mp4", &format!("films/{title}"));
        }
        folder.put("films/large.webm", pattern(LARGE));
        let films = folder.path("films").display().to_string();
        let origin = |number: usize| {
            let data = format!("--data={}", folder.path(format!("data-{number}")).display());
            Program::serve(&[&films, &data, "--local-worker=false"], &[])
        };
        let origins = vec![origin(0), origin(1)];
        let Some(nginx) = Proxy::slices(&[origins[0].address, origins[1].address]) else {
            eprintln!("this test did not run, because nginx is not installed");
            return None;
        };
        Some(Self { folder, origins, nginx })
    }

    fn get(&self, target: &str, fields: &[&str]) -> Vec<u8> {
        let response = Client::connect(self.nginx.address).request("GET", target, fields);
        let expected = if fields.is_empty() { 200 } else { 206 };
        assert_eq!(response.status, expected, "{target}");
        response.body
    }

    /// The requests for media that each origin has had.
    fn requests(&self) -> Vec<u64> {
        let routes = ["file", "progressive", "manifest", "segment"];
        let count = |origin: &Program| {
            let count = |route| {
                let name =
                    format!("headwater_http_requests_total{{route=\"{route}\",status=\"2xx\"}}");
                origin.metric(&name).unwrap_or_default()
            };
            routes.into_iter().map(count).sum()
        };
        self.origins.iter().map(count).collect()
    }
}

fn titles() -> Vec<String> {
    let names = (0..8).map(|number| format!("{number}.mp4"));
    names.chain(["a b.mp4".to_owned(), "sub/c.mp4".to_owned()]).collect()
}

#[test]
fn each_title_has_one_origin_and_its_successor() {
    let Some(mut site) = Site::new() else { return };
    let sample = fs::read(site.folder.path("films/0.mp4")).expect("a title");
    let mut used = [0, 0];
    for title in titles() {
        let title = title.replace(' ', "%20");
        let before = site.requests();
        assert!(site.get(&format!("/media/{title}"), &[]) == sample);
        assert!(!site.get(&format!("/v/{title}/play.mp4"), &[]).is_empty());
        let url = format!("/v/{title}/index.m3u8");
        let multivariant = manifests::multivariant(&url, &site.get(&url, &[]));
        let (url, _) = &multivariant.variants[0];
        let playlist = manifests::playlist(url, &site.get(url, &[]));
        for segment in &playlist.segments {
            assert!(!site.get(&segment.url, &[]).is_empty());
        }
        let after = site.requests();
        let asked: Vec<_> = (0..2).filter(|&origin| after[origin] > before[origin]).collect();
        assert_eq!(asked.len(), 1, "{title}: {before:?}, {after:?}");
        used[asked[0]] += 1;
    }
    assert!(used[0] > 0 && used[1] > 0, "titles are spread: {used:?}");
    // The titles of an origin that fails are the other's.
    drop(site.origins.remove(0));
    for title in titles() {
        let url = format!("/v/{}/manifest.mpd", title.replace(' ', "%20"));
        assert!(!site.get(&url, &[]).is_empty());
    }
}

#[test]
fn a_slice_is_fetched_once() {
    let Some(site) = Site::new() else { return };
    let large = pattern(LARGE);
    let asked = || site.requests().iter().sum::<u64>();
    let before = asked();
    let begin = Barrier::new(HERD);
    thread::scope(|scope| {
        for _ in 0..HERD {
            scope.spawn(|| {
                begin.wait();
                let range = format!("Range: bytes={}-{}", 2 * SLICE + 5, 2 * SLICE + 14);
                let part = site.get("/media/large.webm", &[&range]);
                assert_eq!(part, large[2 * SLICE + 5..2 * SLICE + 15]);
            });
        }
    });
    assert_eq!(asked() - before, 1, "one request for one slice");
    assert!(site.get("/media/large.webm", &[]) == large);
    assert_eq!(asked() - before, 6, "one request for each other slice");
    let across = format!("Range: bytes={}-{}", SLICE - 3, 4 * SLICE + 3);
    assert!(site.get("/media/large.webm", &[&across]) == large[SLICE - 3..4 * SLICE + 4]);
    assert_eq!(asked() - before, 6, "from the cache");
}
