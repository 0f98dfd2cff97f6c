//! Titles, and their segments as files.
//!
//! Headwater makes segments just in time. A file server needs them beforehand: this program downloads
//! them from Headwater once and stores them under the same paths, so that both servers send the same
//! bytes. ffmpeg compares their samples with those of the source.

pub mod hls;
pub mod video;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::cell::{Track, Work};
use crate::dataset;
use crate::interrupt;
use crate::options::Options;
use crate::peers::{Dedicated, Role, Server};
use crate::random::rng;
use crate::requests::{Requests, Target};
use crate::verify::Client;

/// The titles of which audio is requested: one title in so many. Viewers of a few titles request it again and
/// again, which is what Headwater's cache of gathered segments is for; the others would be in no cache.
const AUDIO_TITLES: usize = 4;

/// A library of titles, and their segments.
#[derive(Debug)]
pub struct Titles {
    /// The document root: the source files are in its folder `media`, segments in `v`.
    root: PathBuf,
    names: Vec<String>,
    videos: Vec<Target>,
    audios: Vec<Target>,
}

impl Titles {
    /// Creates source files in the new folder `root`, and downloads their segments from Headwater.
    pub fn create(options: &Options, root: PathBuf) -> Result<Self> {
        println!("\nmaking {} titles of {} s", options.titles, options.title_s);
        let media = root.join("media");
        fs::create_dir_all(&media)?;
        let names: Vec<String> = (0..options.titles).map(Self::name).collect();
        let (short, first) = (root.join("short.mp4"), media.join(&names[0]));
        video::encode(&short)?;
        video::repeat(&short, options.title_s, &first)?;
        for name in &names {
            let file = media.join(name);
            if file != first {
                fs::copy(&first, &file)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            dataset::sync_and_evict(&File::open(file)?)?;
        }
        dataset::wait_for_quiet(names.iter().map(|name| media.join(name)))?;
        let mut titles = Titles { root, names, videos: Vec::new(), audios: Vec::new() };
        let headwater = Dedicated::start(options, &media, &titles.names[0], 1, &titles.root, &[])?;
        titles.videos = titles.download(&headwater.server, Track::Video)?;
        titles.audios = titles.download(&headwater.server, Track::Audio)?;
        Ok(titles)
    }

    pub fn name(index: u64) -> String {
        format!("title-{index:03}.mp4")
    }

    /// The folder of the source files.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// The document root: below it, every file has the path of its URL.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The requests of turn `number`.
    pub fn requests(&self, work: Work, seed: u64, number: u64) -> Result<Requests> {
        let Work::Segments { track, connections } = work else {
            bail!("titles have segments only");
        };
        let targets = match track {
            Track::Video => &self.videos[..],
            Track::Audio => &self.audios[..self.audios.len().div_ceil(AUDIO_TITLES)],
        };
        Requests::whole(targets, connections, rng(seed, 1 << 48 | number))
    }

    /// Reads the files that a peer sends into the page cache: Headwater the sources, the others the
    /// segments.
    pub fn warm(&self, role: Role) -> Result<()> {
        if role == Role::Ours {
            let media = self.media();
            return self.names.iter().try_for_each(|name| dataset::read_all(&media.join(name)));
        }
        let mut segments = self.videos.iter().chain(&self.audios);
        segments.try_for_each(|segment| dataset::read_all(&self.file(&segment.path)))
    }

    /// The path of one segment, and its file.
    pub fn example(&self) -> Result<(&str, PathBuf)> {
        let target = self.videos.first().context("there are no segments")?;
        Ok((&target.path, self.file(&target.path)))
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Downloads all segments of a track into files, and compares the video of the first title with its source.
    fn download(&self, server: &Server, track: Track) -> Result<Vec<Target>> {
        let mut client = Client::connect(server.address)?;
        let mut segments = Vec::new();
        for (index, name) in self.names.iter().enumerate() {
            let paths = hls::segments(&mut client, name, track)?;
            for path in &paths {
                interrupt::check()?;
                let body = client.whole(path, hls::LIMIT)?;
                let file = self.file(path);
                fs::create_dir_all(file.parent().context("a segment is in a folder")?)?;
                fs::write(&file, &body)?;
                dataset::sync_and_evict(&File::open(&file)?)?;
                // A player requests an init segment once: it is no load.
                if path.ends_with(".m4s") {
                    segments.push(Target { path: path.clone(), length: body.len() as u64 });
                }
            }
            if index == 0 && track == Track::Video {
                self.compare(&paths)?;
            }
        }
        Ok(segments)
    }

    /// Compares all samples in the segments of the first title with those of its source.
    fn compare(&self, segments: &[String]) -> Result<()> {
        let joined = self.root.join("joined.mp4");
        let mut file = File::create(&joined)?;
        for path in segments {
            io::copy(&mut File::open(self.file(path))?, &mut file)?;
        }
        let sent = video::digest(&joined)?;
        let source = video::digest(&self.media().join(&self.names[0]))?;
        ensure!(sent == source, "the samples of segments are {sent}, those of the source {source}");
        Ok(fs::remove_file(joined)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_requested_whole_and_are_files_under_the_paths_of_their_urls() {
        let path = "/v/title-000.mp4/~v/video-1/1.m4s";
        let segments = vec![Target { path: path.to_owned(), length: 5000 }];
        let (names, audios) = (vec![Titles::name(0)], Vec::new());
        let titles = Titles { root: "/scratch".into(), names, videos: segments, audios };
        let request = |work| titles.requests(work, 1, 0);
        let work = Work::Segments { track: Track::Video, connections: 1 };
        let first = &request(work).unwrap().list[0];
        assert_eq!((&first.path[..], first.offset, first.length), (path, None, 5000));
        assert!(request(Work::Whole).is_err());
        let file = PathBuf::from("/scratch/v/title-000.mp4/~v/video-1/1.m4s");
        assert_eq!(titles.example().unwrap(), (path, file));
    }
}
