//! A cell of cold titles: how long is it from a connection to the first byte of what is made of a
//! title that nobody has asked for, when its disk has to be asked for everything?

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Long, index_memory};
use crate::peers::Server;
use crate::turn;
use crate::verify::Client;

/// Titles that are asked for each of the two things.
pub const SAMPLES: u64 = 9;

/// Titles that it takes: no title is asked for twice, and one tells the names.
pub const TITLES: u64 = 2 * SAMPLES + 1;

/// Times to the first byte, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub segment: Vec<Duration>,
    pub playlist: Vec<Duration>,
}

/// Times the first segment of some titles, and the multivariant playlist of others.
pub fn sample(server: &Server) -> Result<Sample> {
    let folder = index_memory::folder(&mut Client::connect(server.address)?, 0)?;
    let mut sample = Sample::default();
    for number in 0..SAMPLES {
        let title = Long::name(1 + 2 * number);
        sample.segment.push(time(server, &format!("/v/{title}/{folder}1.m4s"))?);
        let title = Long::name(2 + 2 * number);
        sample.playlist.push(time(server, &format!("/v/{title}/index.m3u8"))?);
    }
    Ok(sample)
}

/// Whether this program may empty the page cache.
pub fn may_drop_caches() -> bool {
    nix::unistd::geteuid().is_root()
}

fn time(server: &Server, path: &str) -> Result<Duration> {
    // Programs' pages that are in use stay, so that it is the title that is cold.
    fs::write("/proc/sys/vm/drop_caches", "3").context("cannot empty the page cache")?;
    turn::wait_for_rest(std::iter::once(server))?;
    let begun = Instant::now();
    Client::connect(server.address)?.first_byte(path)?;
    Ok(begun.elapsed())
}
