//! A cell of a storyboard: what do the small pictures of a film of two hours cost?
//!
//! The queue is asked for it, and ffmpeg is told to do it in the way that is widely recommended:
//! to decode key frames only, and to take one every so often. The film is not in the page cache.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::films::{Films, limit};
use super::usage::{self, Usage};
use super::wishes::{Tiles, Wishes};
use crate::peers::Server;
use crate::process::Group;
use crate::titles::film::ffmpeg;

/// What one way of making it cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub usage: Usage,
    pub elapsed: Duration,
}

/// The same storyboard, in two ways.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub tiles: Tiles,
    /// By the queue: the server, its worker and all that these started.
    pub queue: Cost,
    /// By `ffmpeg -skip_frame nokey`.
    pub bare: Cost,
}

/// Makes it by a freshly started server, and by ffmpeg.
pub fn sample(server: &Server, films: &Films, seconds: u64, scratch: &Path) -> Result<Sample> {
    let (wishes, limit) = (Wishes(server), limit(seconds));
    wishes.wait_until_ready()?;
    let tiles = wishes.tiles(Films::LONG)?;

    films.evict(Films::LONG)?;
    let (before, begun) = (usage::of_server(server)?, Instant::now());
    let elapsed = wishes.wait(&wishes.storyboard(Films::LONG)?, limit)? - begun;
    let queue = Cost { usage: usage::of_server(server)? - before, elapsed };

    films.evict(Films::LONG)?;
    let mut command = command(&films.path(Films::LONG), tiles, scratch);
    let begun = Instant::now();
    let (_, usage) = usage::of_children(|| Group::spawn(&mut command)?.finish(limit))?;
    Ok(Sample { tiles, queue, bare: Cost { usage, elapsed: begun.elapsed() } })
}

fn command(film: &Path, tiles: Tiles, folder: &Path) -> Command {
    let Tiles { width, height, interval_s, .. } = tiles;
    let mut command = ffmpeg();
    command.args(["-threads", "1"]).args(["-skip_frame", "nokey"]);
    command.arg("-i").arg(film).args(["-an", "-filter_threads", "1", "-vf"]);
    command.arg(format!("fps=1/{interval_s},scale={width}:{height},tile=5x5"));
    command.args(["-threads", "1", "-q:v", "5"]).arg(folder.join("sheet-%d.jpg"));
    command
}
