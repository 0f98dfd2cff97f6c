//! All URLs of a title besides its file, found as a player finds them: from the multivariant
//! playlist on.

use std::{fs, path::Path};

use crate::support::{
    client::{Client, Response},
    folder::Folder,
    manifests::{self, Multivariant, Playlist, Representation},
    server::Serving,
};

/// A clip of the sample library, which needs no ffmpeg: H.264 and AAC, moov in front.
pub const CLOCK: &str = "Clock.mp4";

/// Puts a clip of the sample library into a folder.
pub fn put_sample(folder: &Folder, sample: &str, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(sample);
    folder.put(name, fs::read(path).expect("a sample"));
}

/// The derived URLs of a title.
pub struct Streams {
    /// The virtual MP4.
    pub play: String,
    /// The URL of the multivariant playlist, and the playlist.
    pub multivariant: (String, Multivariant),
    /// The URL of each media playlist, and the playlist, each once, videos first.
    pub playlists: Vec<(String, Playlist)>,
    /// The URL of the MPD, and its representations.
    pub description: (String, Vec<Representation>),
}

/// A GET that must succeed.
pub fn fetch(client: &mut Client, target: &str) -> Response {
    let response = client.request("GET", target, &[]);
    assert_eq!(response.status, 200, "{target}: {}", String::from_utf8_lossy(&response.body));
    response
}

impl Streams {
    /// Reads all manifests of a title, which is percent-encoded.
    pub fn read(serving: &Serving, title: &str) -> Self {
        let client = &mut serving.connect();
        let at = |view: &str| format!("/v/{title}/{view}");
        let url = at("index.m3u8");
        let multivariant = manifests::multivariant(&url, &fetch(client, &url).body);
        assert!(!multivariant.variants.is_empty(), "{title}: no variant");
        let videos = multivariant.variants.iter().map(|(url, _)| url);
        let audio_tracks =
            multivariant.renditions.iter().filter(|rendition| rendition["TYPE"] == "AUDIO");
        let audio_tracks = audio_tracks.filter_map(|rendition| rendition.get("URI"));
        let mut playlists: Vec<(String, Playlist)> = Vec::new();
        for url in videos.chain(audio_tracks) {
            if playlists.iter().all(|(known, _)| known != url) {
                let playlist = manifests::playlist(url, &fetch(client, url).body);
                assert!(!playlist.segments.is_empty(), "{url} is empty");
                assert!(!playlist.init.is_empty(), "{url} has no map");
                playlists.push((url.clone(), playlist));
            }
        }
        let description = at("manifest.mpd");
        let text = fetch(client, &description).body;
        let representations = manifests::representations(&description, &text);
        Self {
            play: at("play.mp4"),
            multivariant: (url, multivariant),
            playlists,
            description: (description, representations),
        }
    }

    /// The text resources: manifests and playlists.
    pub fn texts(&self) -> Vec<&str> {
        let playlists = self.playlists.iter().map(|(url, _)| url.as_str());
        [self.multivariant.0.as_str(), &self.description.0].into_iter().chain(playlists).collect()
    }

    /// The versioned media resources: each track's init segment and all its segments.
    pub fn segments(&self) -> Vec<&str> {
        let mut urls = Vec::new();
        for (_, playlist) in &self.playlists {
            urls.push(playlist.init.as_str());
            urls.extend(playlist.segments.iter().map(|segment| segment.url.as_str()));
        }
        urls
    }

    /// A sample of all URLs: the manifests, the virtual MP4, and of each track the init segment,
    /// the first segment and the last.
    pub fn samples(&self) -> Vec<&str> {
        let mut urls = self.texts();
        urls.push(&self.play);
        for (_, playlist) in &self.playlists {
            let (first, last) = (playlist.segments.first(), playlist.segments.last());
            urls.push(&playlist.init);
            urls.extend(first.into_iter().chain(last).map(|segment| segment.url.as_str()));
        }
        urls.dedup();
        urls
    }

    /// The version in the URLs.
    pub fn version(&self) -> &str {
        let url = &self.playlists[0].0;
        let name = url.split('/').rev().nth(2).expect("a version");
        name.strip_prefix('~').expect("a version")
    }
}
