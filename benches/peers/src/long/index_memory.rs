//! A cell of indices: what memory does Headwater keep for titles that were asked for?
//!
//! Each title is asked for its multivariant playlist, for the media playlist of its pictures and for
//! one of their segments, all in random order, over one connection.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Long, SEGMENTS};
use crate::interrupt;
use crate::memory::{self, Memory};
use crate::peers::Server;
use crate::random::Random;
use crate::turn;
use crate::verify::Client;

/// Longest answer, in bytes: segments have about 2 MB.
const LIMIT: u64 = 64 << 20;

/// What a freshly started server had before and after.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub titles: u64,
    pub requests: u64,
    pub before: Memory,
    pub after: Memory,
    /// How long all requests took.
    pub elapsed: Duration,
}

/// Asks for everything.
pub fn sample(server: &Server, titles: u64, seed: u64) -> Result<Sample> {
    let rest = || turn::wait_for_rest(std::iter::once(server));
    rest()?;
    let before = memory::of_tree(server.id())?;
    let mut client = Client::connect(server.address)?;
    let folder = folder(&mut client, 0)?;
    let begun = Instant::now();
    let paths = paths(titles, &folder, Random::new(seed, 6 << 48));
    for path in &paths {
        interrupt::check()?;
        client.whole(path, LIMIT)?;
    }
    let elapsed = begun.elapsed();
    rest()?;
    let after = memory::of_tree(server.id())?;
    Ok(Sample { titles, requests: paths.len() as u64, before, after, elapsed })
}

/// The folder of the pictures, which has the same name for all titles, as one title tells it.
pub fn folder(client: &mut Client, title: u64) -> Result<String> {
    let playlist = client.whole(&format!("/v/{}/index.m3u8", Long::name(title)), LIMIT)?;
    let playlist = String::from_utf8(playlist)?;
    let line = playlist.lines().find(|line| line.ends_with("/video-1/media.m3u8"));
    let media = line.context("a playlist without pictures")?;
    Ok(media.trim_end_matches("media.m3u8").to_owned())
}

/// Three paths of each title, in random order (Fisher and Yates).
fn paths(titles: u64, folder: &str, mut random: Random) -> Vec<String> {
    let mut paths = Vec::new();
    for title in (0..titles).map(Long::name) {
        let segment = random.below(SEGMENTS) + 1;
        paths.push(format!("/v/{title}/index.m3u8"));
        paths.push(format!("/v/{title}/{folder}media.m3u8"));
        paths.push(format!("/v/{title}/{folder}{segment}.m4s"));
    }
    for last in (1..paths.len()).rev() {
        let other = random.below(last as u64 + 1) as usize;
        paths.swap(last, other);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_title_is_asked_for_three_things_in_another_order() {
        let ordered = |seed| paths(50, "~v/video-1/", Random::new(seed, 1));
        let mut sorted = ordered(1);
        assert_eq!(sorted, ordered(1));
        assert_ne!(sorted, ordered(2));
        assert!(!sorted.is_sorted());
        sorted.sort();
        assert_eq!(sorted.len(), 150);
        assert_eq!(sorted.iter().filter(|path| path.ends_with(".m4s")).count(), 50);
        assert_eq!(sorted[0], "/v/long-0000.mp4/index.m3u8");
        assert_eq!(sorted[2], "/v/long-0000.mp4/~v/video-1/media.m3u8");
    }
}
