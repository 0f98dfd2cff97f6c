//! What is shown of a title: of its file, and of each of its views.

use serde_json::Value;

use crate::support::{
    boxes, clips,
    ffmpeg::{self, Kind, Seconds},
    folder::Folder,
    json,
    server::{Serving, serve},
    streams::{Streams, fetch},
};

/// The views that hold the whole title.
const VIEWS: [&str; 3] = ["play.mp4", "index.m3u8", "manifest.mpd"];

/// A frame: when it is presented after the first one, in nanoseconds, and its digest.
pub type Frame = (i128, String);

/// The decoded frames of the first video track.
pub fn frames(input: &str) -> Vec<Frame> {
    let tracks = ffmpeg::tracks(input).unwrap_or_else(|why| panic!("{input}: {why}"));
    let video = tracks.iter().find(|track| track.kind == Kind::Video).expect("a video track");
    let decoded =
        ffmpeg::decode(input, &[video.index]).unwrap_or_else(|why| panic!("{input}: {why}"));
    let frames = &decoded[0].frames;
    let first = frames[0].0;
    let later = |(at, digest): &(Seconds, String)| ((*at - first).nanoseconds(), digest.clone());
    frames.iter().map(later).collect()
}

/// The digests of the packets of the first audio track.
pub fn audio_packets(input: &str) -> Vec<String> {
    let tracks = ffmpeg::tracks(input).unwrap_or_else(|why| panic!("{input}: {why}"));
    let audio = tracks.iter().find(|track| track.kind == Kind::Audio).expect("an audio track");
    audio.packets.iter().map(|packet| packet.digest.clone()).collect()
}

/// A served folder with one title.
pub struct Title {
    pub folder: Folder,
    pub serving: Serving,
    pub name: &'static str,
}

impl Title {
    /// Serves a file under this name.
    pub fn new(name: &'static str, bytes: &[u8]) -> Self {
        let folder = Folder::new();
        folder.put(name, bytes);
        let serving = serve(&folder);
        Self { folder, serving, name }
    }

    /// The path of its file.
    pub fn path(&self) -> String {
        self.folder.path(self.name).to_str().expect("text").to_owned()
    }

    /// The URL of a view.
    pub fn url(&self, view: &str) -> String {
        format!("http://{}/v/{}/{view}", self.serving.address, self.name)
    }

    /// Its manifests.
    pub fn streams(&self) -> Streams {
        Streams::read(&self.serving, self.name)
    }

    /// The number of segments of a track, and the longest in seconds.
    pub fn segments(&self, track: &str) -> (usize, f64) {
        let streams = self.streams();
        let (_, playlist) = streams
            .playlists
            .iter()
            .find(|(url, _)| url.contains(&format!("/{track}/")))
            .expect("a playlist of the track");
        let longest = playlist.segments.iter().map(|segment| segment.duration_ns).max();
        (playlist.segments.len(), longest.expect("a segment") as f64 / 1e9)
    }

    /// The total duration of a track by its playlist, in seconds.
    pub fn duration_s(&self, track: &str) -> f64 {
        let streams = self.streams();
        let of_track = |(url, _): &&(String, _)| url.contains(&format!("/{track}/"));
        let (_, playlist) =
            streams.playlists.iter().find(of_track).expect("a playlist of the track");
        playlist.segments.iter().map(|segment| segment.duration_ns).sum::<i128>() as f64 / 1e9
    }

    /// Checks that every view shows these frames at these times.
    pub fn every_view_shows(&self, expected: &[Frame]) {
        for view in VIEWS {
            let shown = frames(&self.url(view));
            assert_eq!(shown.len(), expected.len(), "{}, {view}: number of frames", self.name);
            for (place, (shown, expected)) in shown.iter().zip(expected).enumerate() {
                assert_eq!(shown.1, expected.1, "{}, {view}: frame {place} differs", self.name);
                // Rounded to ticks of each file.
                let apart = (shown.0 - expected.0).abs();
                assert!(
                    apart < 1_100_000,
                    "{}, {view}: frame {place}: {shown:?}, {expected:?}",
                    self.name
                );
            }
        }
    }

    /// Checks that every view has the audio packets of the file, up to one more or less at its start.
    pub fn every_view_has_audio(&self, expected: &[String]) {
        for view in VIEWS {
            let packets = audio_packets(&self.url(view));
            let missing = expected.len().abs_diff(packets.len());
            assert!(missing <= 1, "{}, {view}: {} of {}", self.name, packets.len(), expected.len());
            assert_eq!(packets.last(), expected.last(), "{}, {view}", self.name);
        }
    }

    /// The sentences of the report about problems.
    pub fn problems(&self) -> Vec<String> {
        let report = self.report();
        let problems = report["problems"].as_array().expect("problems").iter();
        problems
            .map(|problem| problem["sentence"].as_str().expect("a sentence").to_owned())
            .collect()
    }

    /// The report.
    pub fn report(&self) -> Value {
        let target = format!("/v/{}/inspect", self.name);
        json::json(&self.serving.get(&target, &[]), 200)
    }

    /// Whether a sentence of the report contains this.
    pub fn says(&self, words: &str) -> bool {
        self.problems().iter().any(|sentence| sentence.contains(words))
    }

    /// The text of a view.
    pub fn text(&self, view: &str) -> String {
        let body = fetch(&mut self.serving.connect(), &format!("/v/{}/{view}", self.name)).body;
        String::from_utf8(body).expect("text")
    }

    /// The sync samples that play.mp4 lists for its tracks; of a track without the table there is none.
    pub fn syncs_in_play(&self) -> Vec<Vec<u32>> {
        let body = fetch(&mut self.serving.connect(), &format!("/v/{}/play.mp4", self.name)).body;
        let tables = boxes::contents(&body, "moov/trak/mdia/minf/stbl/stss");
        let numbers = |table: &&[u8]| table[8..].chunks(4).map(boxes::number).collect();
        tables.iter().map(numbers).collect()
    }
}

/// The bytes of a clip.
pub fn clip(name: &str) -> Vec<u8> {
    std::fs::read(clips::named(name).path()).expect("a clip")
}

/// A file of these inputs and options, by ffmpeg.
pub fn encoded(arguments: &str) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path("encoded.mp4");
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let output = path.to_str().expect("text");
    ffmpeg::run(&[&["-y"], &arguments[..], &[output]].concat()).expect("a clip");
    std::fs::read(path).expect("a clip")
}
