//! A cell of a storyboard: the cost of its tiles for two hours of video.
//!
//! The queue makes it, and ffmpeg makes it in the widely recommended way: it decodes key frames only,
//! and takes one per interval. The source is out of the page cache.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::jobs::{Jobs, Tiles};
use super::sources::{JobSources, limit};
use super::usage::{self, Usage};
use crate::peers::Server;
use crate::process::Group;
use crate::titles::video::ffmpeg;

/// The cost of one way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    pub usage: Usage,
    pub elapsed: Duration,
}

/// The same storyboard in two ways.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub tiles: Tiles,
    /// By the queue: the server, its worker and all their children.
    pub queue: Cost,
    /// By `ffmpeg -skip_frame nokey`.
    pub bare: Cost,
}

/// Makes it with a freshly started server, and with ffmpeg.
pub fn sample(
    server: &Server,
    sources: &JobSources,
    seconds: u64,
    scratch: &Path,
) -> Result<Sample> {
    let (jobs, limit) = (Jobs(server), limit(seconds));
    jobs.wait_until_ready()?;
    let tiles = jobs.tiles(JobSources::LONG)?;

    sources.evict(JobSources::LONG)?;
    let (before, begun) = (usage::of_server(server)?, Instant::now());
    let elapsed = jobs.wait(&jobs.storyboard(JobSources::LONG)?, limit)? - begun;
    let queue = Cost { usage: usage::of_server(server)? - before, elapsed };

    sources.evict(JobSources::LONG)?;
    let mut command = command(&sources.path(JobSources::LONG), tiles, scratch);
    let begun = Instant::now();
    let (_, usage) = usage::of_children(|| Group::spawn(&mut command)?.finish(limit))?;
    Ok(Sample { tiles, queue, bare: Cost { usage, elapsed: begun.elapsed() } })
}

fn command(source: &Path, tiles: Tiles, folder: &Path) -> Command {
    let Tiles { width, height, interval_s, .. } = tiles;
    let mut command = ffmpeg();
    command.args(["-threads", "1"]).args(["-skip_frame", "nokey"]);
    command.arg("-i").arg(source).args(["-an", "-filter_threads", "1", "-vf"]);
    command.arg(format!("fps=1/{interval_s},scale={width}:{height},tile=5x5"));
    command.args(["-threads", "1", "-q:v", "5"]).arg(folder.join("sheet-%d.jpg"));
    command
}
