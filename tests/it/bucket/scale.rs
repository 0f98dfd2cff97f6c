//! More origins do not read more of the bucket: `config/nginx-slice.conf` leads all URLs of a title to one.

use std::net::SocketAddr;

use crate::support::{
    bucket::Bucket,
    client::Client,
    fault_proxy::{FaultProxy, Operation},
    folder::{Folder, pattern},
    manifests,
    proxies::Proxy,
    server::{Serving, serve_with},
    streams::{CLOCK, fetch, put_sample},
};

/// The titles.
const TITLES: usize = 12;

/// The length of a file beside them, in bytes: of some slices, and units of a fetch.
const LARGE: usize = (3 << 20) + 1;

/// The names of the titles, percent-encoded.
fn titles() -> impl Iterator<Item = String> {
    (0..TITLES).map(|number| match number % 3 {
        0 => format!("a%20film%20{number}.mp4"),
        1 => format!("films/{number}.mp4"),
        _ => format!("films/more/{number}.mp4"),
    })
}

/// Views all titles, as players do.
fn view(address: SocketAddr) {
    let client = &mut Client::connect(address);
    for title in titles() {
        let url = format!("/v/{title}/index.m3u8");
        let multivariant = manifests::multivariant(&url, &fetch(client, &url).body);
        let audio = multivariant.renditions.iter().filter_map(|rendition| rendition.get("URI"));
        for url in multivariant.variants.iter().map(|(url, _)| url).chain(audio) {
            let playlist = manifests::playlist(url, &fetch(client, url).body);
            fetch(client, &playlist.init);
            for segment in &playlist.segments {
                fetch(client, &segment.url);
            }
        }
        fetch(client, &format!("/v/{title}/manifest.mpd"));
        fetch(client, &format!("/v/{title}/play.mp4"));
        let beside = title.replace(".mp4", ".webm");
        for start in [0, LARGE / 2, LARGE - 10] {
            let range = format!("Range: bytes={start}-{}", start + 9);
            let part = client.request("GET", &format!("/media/{beside}"), &[&range]);
            assert_eq!(part.status, 206, "{beside} {range}");
            assert!(part.body == pattern(LARGE)[start..start + 10], "{beside} {range}");
        }
    }
}

/// The GETs that a bucket receives while all titles are viewed through so many origins, each with a cache of
/// its own. `None` if nginx is not installed.
fn gets(bucket: &Bucket, origins: usize) -> Option<usize> {
    let (counter, folder) = (FaultProxy::start(bucket.address), Folder::new());
    let root = bucket.root(&folder, &counter.endpoint());
    let settings = format!("index_titles = false\nbucket_hedge = false\n{root}");
    let origins: Vec<Serving> = (0..origins).map(|_| serve_with(&[], &settings)).collect();
    origins.iter().for_each(Serving::until_scanned);
    let addresses: Vec<SocketAddr> = origins.iter().map(|origin| origin.address).collect();
    let nginx = Proxy::slices(&addresses)?;
    counter.forget();
    view(nginx.address);
    let used = origins.iter().filter(|origin| origin.metric("headwater_cache_bytes") > 0).count();
    assert_eq!(used, origins.len(), "titles are spread");
    Some(counter.requests(Operation::Get))
}

#[test]
fn four_origins_read_no_more_of_the_bucket_than_one() {
    let (bucket, files) = (Bucket::new(), Folder::new());
    for title in titles() {
        let name = title.replace("%20", " ");
        put_sample(&files, CLOCK, &name);
        files.put(name.replace(".mp4", ".webm"), pattern(LARGE));
    }
    bucket.put_folder(&files.path(""), "");
    let Some(of_one) = gets(&bucket, 1) else {
        eprintln!("this test did not run, because nginx is not installed");
        return;
    };
    // Each title is read, in more than one request.
    assert!(of_one > TITLES, "{of_one} GETs");
    for origins in [2, 4] {
        let of_several = gets(&bucket, origins).expect("nginx ran before");
        eprintln!("{origins} origins: {of_several} GETs, one: {of_one}");
        assert!(of_several * 10 <= of_one * 11, "{origins} origins: {of_several}, one: {of_one}");
    }
}
