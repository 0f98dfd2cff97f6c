//! Titles that ffmpeg makes, served by the real program with its worker, until their jobs have ended.

use serde_json::Value;

use crate::support::{
    client::Response,
    ffmpeg,
    folder::Folder,
    json,
    manifests::{self, Attributes, Multivariant},
    program::Program,
    wait::until_slowly,
};

/// Six seconds of video.
pub const VIDEO: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=6";
/// Six seconds of audio.
pub const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=6";
/// H.264 with a key frame every two seconds.
pub const AVC: &str = "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -g 50";

/// Makes a file in a folder; `how` is ffmpeg's arguments without the output. An argument is a word.
pub fn make(folder: &Folder, name: &str, how: &str) -> String {
    let path = folder.path(name).display().to_string();
    let arguments: Vec<_> = how.split_whitespace().collect();
    ffmpeg::run(&[&["-y"], &arguments[..], &[&path]].concat()).expect(name);
    path
}

/// A server of a folder.
pub struct MadeTitles {
    /// The program.
    pub program: Program,
    /// The titles.
    pub folder: Folder,
}

impl MadeTitles {
    /// Serves the files of a folder, with these variables of the environment.
    pub fn serve(folder: Folder, environment: &[(&str, &str)]) -> Self {
        let program = Program::serve(&[folder.path("")], environment);
        Self { program, folder }
    }

    /// Makes titles, and serves them.
    pub fn new(titles: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        for (name, how) in titles {
            make(&folder, name, how);
        }
        Self::serve(folder, &[])
    }

    /// The response to a GET of a view.
    pub fn get(&self, title: &str, view: &str) -> Response {
        self.program.get(&format!("/v/{title}/{view}"), &[])
    }

    /// The URL of a view.
    pub fn url(&self, title: &str, view: &str) -> String {
        format!("http://{}/v/{title}/{view}", self.program.address)
    }

    /// The path of a title's file.
    pub fn path(&self, title: &str) -> String {
        self.folder.path(title).display().to_string()
    }

    /// The first response that does not ask to come again.
    pub fn when_ready(&self, title: &str, view: &str) -> Response {
        let mut response = self.get(title, view);
        until_slowly("the title is ready", || {
            response = self.get(title, view);
            response.status != 503
        });
        response
    }

    /// The first multivariant playlist.
    pub fn settled(&self, title: &str) -> Multivariant {
        self.when_ready(title, "index.m3u8");
        self.playlist(title)
    }

    /// The first multivariant playlist with as many audio tracks from jobs.
    pub fn with_audio_made(&self, title: &str, count: usize) -> Multivariant {
        let mut playlist = self.settled(title);
        until_slowly("the audio is made", || {
            playlist = self.playlist(title);
            let is_made = |audio: &&Attributes| audio["URI"].contains("/aac-");
            members(&playlist, "AUDIO").into_iter().filter(is_made).count() == count
        });
        playlist
    }

    /// The multivariant playlist of this moment.
    pub fn playlist(&self, title: &str) -> Multivariant {
        let url = format!("/v/{title}/index.m3u8");
        let response = self.program.get(&url, &[]);
        assert_eq!(response.status, 200, "{title}: {}", String::from_utf8_lossy(&response.body));
        manifests::multivariant(&url, &response.body)
    }

    /// The audio representations of the MPD, as their codecs.
    pub fn dash_audio(&self, title: &str) -> Vec<String> {
        let url = format!("/v/{title}/manifest.mpd");
        let found = manifests::representations(&url, &self.program.get(&url, &[]).body);
        let is_audio = |of: &Attributes| of["mimeType"] == "audio/mp4";
        let audio = found.iter().filter(|found| is_audio(&found.attributes));
        audio.map(|found| found.attributes["codecs"].clone()).collect()
    }

    /// The inspection report.
    pub fn inspect(&self, title: &str) -> Value {
        json::json(&self.get(title, "inspect"), 200)
    }
}

/// All sentences of a report's problems.
pub fn sentences(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().expect("problems").iter();
    problems.map(|problem| problem["sentence"].as_str().expect("a sentence")).collect()
}

/// A verdict of a report: whether a player plays a view, and the reason.
pub fn verdict<'a>(report: &'a Value, player: &str, view: &str) -> (&'a str, &'a str) {
    let mut players = report["players"].as_array().expect("players").iter();
    let player = players.find(|found| found["name"] == player).expect("a player");
    let text = |name: &str| player[view][name].as_str().expect("text");
    (text("plays"), text("reason"))
}

/// The members of a type in a playlist.
pub fn members<'a>(playlist: &'a Multivariant, kind: &str) -> Vec<&'a Attributes> {
    playlist.renditions.iter().filter(|rendition| rendition["TYPE"] == kind).collect()
}
