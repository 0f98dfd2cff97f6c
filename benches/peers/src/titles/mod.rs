//! Titles that segments, playlists and whole films are made of, and all of that as files.
//!
//! Headwater makes what is asked for just in time. A server of files has to have it beforehand: here
//! it was fetched from Headwater once and lies under the same paths, so that both send the very same
//! bytes. What was fetched is compared with the film that it was made of, sample by sample.

mod fetch;
pub mod film;
pub mod links;
pub mod product;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cell::Work;
use crate::dataset::{self, Scratch};
use crate::options::Options;
use crate::peers::{self, Role, Server, Site, headwater::Headwater};
use crate::random::Random;
use crate::requests::{Requests, Target};
use product::Product;

/// A library of films, and what was made of them.
#[derive(Debug)]
pub struct Titles {
    /// The document root: the films are in its folder `media`, what was made of them in `v`.
    root: PathBuf,
    films: Vec<String>,
    /// By what they are; empty if nothing asks for them.
    video: Vec<Target>,
    audio: Vec<Target>,
    play: Vec<Target>,
    playlists: Vec<Target>,
    mpds: Vec<Target>,
}

impl Titles {
    /// Makes films in the new folder `root`, and has Headwater make of them what is asked for by
    /// `works`.
    pub fn create(options: &Options, root: PathBuf, works: &[Work]) -> Result<Self> {
        println!("\nmaking {} films of {} s", options.titles, options.title_s);
        let media = root.join("media");
        fs::create_dir_all(&media)?;
        let films: Vec<String> = (0..options.titles).map(Self::name).collect();
        let (short, first) = (root.join("short.mp4"), media.join(&films[0]));
        film::encode(&short)?;
        film::repeat(&short, options.title_s, &first)?;
        for film in &films {
            let file = media.join(film);
            if file != first {
                fs::copy(&first, &file)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            let file = File::open(file)?;
            file.sync_all()?;
            dataset::evict(&file)?;
        }
        dataset::settle(films.iter().map(|film| media.join(film)))?;
        let mut titles = Titles {
            root,
            films,
            video: Vec::new(),
            audio: Vec::new(),
            play: Vec::new(),
            playlists: Vec::new(),
            mpds: Vec::new(),
        };
        titles.make(options, works)?;
        Ok(titles)
    }

    /// Name of a film.
    pub fn name(index: u64) -> String {
        format!("film-{index:03}.mp4")
    }

    /// The folder of the films.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// The folder below which every file has the path that it has in URLs.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The requests of turn `number` of some work; none if it asks for nothing that is here.
    pub fn requests(&self, work: Work, seed: u64, number: u64) -> Result<Option<Requests>> {
        let Work::Made { product, connections } = work else {
            return Ok(None);
        };
        let random = Random::new(seed, product.stream() | number);
        let targets = self.targets(product);
        let requests = match product {
            Product::Play { length } => Requests::parts(targets, length, connections, random),
            _ => Requests::whole(targets, connections, random),
        };
        requests.map(Some)
    }

    /// Reads the files that a peer needs for some work into the page cache: Headwater the films, the
    /// others what was made of them.
    pub fn warm(&self, work: Work, role: Role) -> Result<()> {
        let Work::Made { product, .. } = work else {
            return Ok(());
        };
        if role == Role::Ours {
            let media = self.media();
            return self.films.iter().try_for_each(|film| dataset::read_all(&media.join(film)));
        }
        let targets = self.targets(product).iter();
        targets.map(|target| self.file(&target.path)).try_for_each(|file| dataset::read_all(&file))
    }

    /// One path that is asked for, and its file.
    pub fn example(&self, product: Product) -> Result<(&str, PathBuf)> {
        let target = self.targets(product).first().context("nothing was made")?;
        Ok((&target.path, self.file(&target.path)))
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn targets(&self, product: Product) -> &[Target] {
        match product {
            Product::Video => &self.video,
            Product::Audio => &self.audio,
            Product::Play { .. } => &self.play,
            Product::Playlist => &self.playlists,
            Product::Mpd => &self.mpds,
        }
    }

    /// Starts a Headwater for as long as it takes to make all files.
    fn make(&mut self, options: &Options, works: &[Work]) -> Result<()> {
        let state = Scratch::create(&self.root)?;
        let site = Site {
            media: self.media(),
            state: state.path().to_owned(),
            cores: options.cores(1),
            first: format!("/media/{}", self.films[0]),
        };
        let server = peers::start(&Headwater::of(options), &site)?;
        let is_asked = |is: fn(Product) -> bool| {
            let is = |work: &Work| matches!(work, Work::Made { product, .. } if is(*product));
            works.iter().any(is)
        };
        if is_asked(|product| matches!(product, Product::Play { .. })) {
            self.play = self.fetch(&server, self.of_each("play.mp4"))?;
            self.compare(0, &self.play[0].path, &["v", "a"])?;
        }
        if is_asked(|product| product == Product::Mpd) {
            self.mpds = self.fetch(&server, self.of_each("manifest.mpd"))?;
        }
        if is_asked(|product| !matches!(product, Product::Play { .. } | Product::Mpd)) {
            let mut playlists = self.fetch(&server, self.of_each("index.m3u8"))?;
            let is_media = |path: &String| path.ends_with("/media.m3u8");
            let named = self.named(&playlists)?.into_iter().filter(is_media).collect();
            let media = self.fetch(&server, named)?;
            if is_asked(|product| product == Product::Video) {
                self.video = self.segments(&server, &media, "/video-1/")?;
            }
            if is_asked(|product| product == Product::Audio) {
                self.audio = self.segments(&server, &media, "/audio-1/")?;
            }
            playlists.extend(media);
            self.playlists = playlists;
        }
        Ok(())
    }

    /// Fetches the segments of one track of all titles; those of the first title are compared with
    /// the film.
    fn segments(&self, server: &Server, media: &[Target], track: &str) -> Result<Vec<Target>> {
        let media: Vec<Target> =
            media.iter().filter(|target| target.path.contains(track)).cloned().collect();
        let named = self.named(&media)?;
        let first = media.first().with_context(|| format!("no playlist of {track}"))?;
        let of_first = self.named(std::slice::from_ref(first))?;
        ensure!(of_first.len() > 1, "{} names no segments", first.path);
        let mut fetched = self.fetch(server, named)?;

        let (joined, kind) = match track {
            "/video-1/" => ("joined-video.mp4", "v"),
            _ => ("joined-audio.mp4", "a"),
        };
        let mut file = File::create(self.file(joined))?;
        for path in &of_first {
            io::copy(&mut File::open(self.file(path))?, &mut file)?;
        }
        self.compare(0, joined, &[kind])?;
        fs::remove_file(self.file(joined))?;
        // Init segments are asked for once by each player, and are no load.
        fetched.retain(|target| target.path.ends_with(".m4s"));
        Ok(fetched)
    }

    /// Compares all samples of a file with those of the film that it was made of.
    fn compare(&self, film: usize, made: &str, kinds: &[&str]) -> Result<()> {
        for kind in kinds {
            let is = film::digest(&self.media().join(&self.films[film]), kind)?;
            let got = film::digest(&self.file(made), kind)?;
            ensure!(got == is, "the samples of {made} are {got}, those of its film {is}");
        }
        Ok(())
    }

    fn fetch(&self, server: &Server, paths: Vec<String>) -> Result<Vec<Target>> {
        fetch::fetch(server, &self.root, &paths)
    }

    /// One path of each title.
    fn of_each(&self, view: &str) -> Vec<String> {
        self.films.iter().map(|film| format!("/v/{film}/{view}")).collect()
    }

    /// All paths that fetched playlists name.
    fn named(&self, playlists: &[Target]) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for Target { path, .. } in playlists {
            let text = fs::read_to_string(self.file(path))?;
            paths.extend(links::of(&text).map(|link| links::resolve(path, link)));
        }
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles() -> Titles {
        let targets = |path: &str| vec![Target { path: path.to_owned(), length: 5000 }];
        Titles {
            root: PathBuf::from("/scratch"),
            films: vec![Titles::name(0)],
            video: targets("/v/film-000.mp4/~v/video-1/1.m4s"),
            audio: Vec::new(),
            play: targets("/v/film-000.mp4/play.mp4"),
            playlists: targets("/v/film-000.mp4/index.m3u8"),
            mpds: targets("/v/film-000.mp4/manifest.mpd"),
        }
    }

    fn first(cell: &str) -> Option<crate::requests::Asked> {
        let work = cell.parse::<crate::cell::Cell>().unwrap().work;
        let requests = titles().requests(work, 1, 0).unwrap();
        requests.map(|requests| requests.list[0].clone())
    }

    #[test]
    fn a_film_is_asked_for_in_ranges_and_all_else_whole() {
        let play = first("play-4k").unwrap();
        assert_eq!((play.path.as_str(), play.offset), ("/v/film-000.mp4/play.mp4", Some(0)));
        assert_eq!(play.length, 4096);
        for (cell, end) in [("hls-video", "1.m4s"), ("playlist", ".m3u8"), ("mpd", ".mpd")] {
            let asked = first(cell).unwrap();
            assert!(asked.path.ends_with(end), "{asked:?}");
            assert_eq!((asked.offset, asked.length), (None, 5000));
        }
        assert_eq!(first("4k"), None);
    }

    #[test]
    fn what_was_not_made_cannot_be_asked_for() {
        let work = "hls-audio".parse::<crate::cell::Cell>().unwrap().work;
        assert!(titles().requests(work, 1, 0).is_err());
    }

    #[test]
    fn a_file_lies_in_the_document_root_under_the_path_of_its_url() {
        let titles = titles();
        let (path, file) = titles.example(Product::Mpd).unwrap();
        assert_eq!(path, "/v/film-000.mp4/manifest.mpd");
        assert_eq!(file, PathBuf::from("/scratch/v/film-000.mp4/manifest.mpd"));
    }
}
