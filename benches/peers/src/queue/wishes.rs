//! The queue, as whoever wishes for something sees it: over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::interrupt;
use crate::peers::Server;
use crate::process::wait_for;
use crate::tree;
use crate::turn;
use crate::verify::Client;

/// How often a job is looked at, so as not to be in its way.
const LOOK: Duration = Duration::from_millis(100);

/// Longest time until a worker has started, and until it has stopped what it was told to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest answer, in bytes: a job with all its pieces.
const LIMIT: u64 = 4 << 20;

/// The queue of a server.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a>(pub &'a Server);

impl Wishes<'_> {
    /// Waits until the worker beside the server has started, and nothing is done any more.
    pub fn wait_until_ready(self) -> Result<()> {
        wait_for("the worker to start", PATIENCE, || {
            let state = self.get("/api/status")?;
            let worker = state["worker"].as_str().context("no word of a worker")?;
            Ok(worker.starts_with("running").then_some(()))
        })?;
        turn::wait_for_rest(std::iter::once(self.0))
    }

    /// Wishes for the storyboard of a film, and returns the job.
    pub fn storyboard(self, film: &str) -> Result<String> {
        self.wish(&json!({ "kind": "storyboard", "title": film }))
    }

    /// Wishes for a rendition of a film in H.264, and returns the job.
    pub fn rendition(self, film: &str, height: u32, effort: &str) -> Result<String> {
        let codec = "h264";
        self.wish(&json!({
            "kind": "rendition", "title": film, "height": height, "codec": codec, "effort": effort,
        }))
    }

    fn wish(self, wish: &Value) -> Result<String> {
        let answer = Client::connect(self.0.address)?.post("/api/jobs", &wish.to_string())?;
        let job: Value = serde_json::from_slice(&answer)?;
        job["id"].as_str().map(str::to_owned).with_context(|| format!("no job: {job}"))
    }

    /// Waits until a job is done; an error if it comes to another end. Returns when that was, to 0.1 s.
    pub fn wait(self, job: &str, limit: Duration) -> Result<Instant> {
        let deadline = Instant::now() + limit;
        loop {
            let now = self.get(&format!("/api/jobs/{job}"))?;
            match now["state"].as_str() {
                Some("done") => return Ok(Instant::now()),
                Some("failed" | "cancelled") => bail!("the job came to a bad end: {now}"),
                _ => {}
            }
            ensure!(Instant::now() < deadline, "not done within {} s: {now}", limit.as_secs());
            interrupt::sleep(LOOK)?;
        }
    }

    /// Waits until so many programs are at work for the queue.
    pub fn wait_for_encoders(self, count: usize) -> Result<()> {
        let what = format!("{count} encoders to be at work");
        wait_for(&what, PATIENCE, || Ok((self.encoders()? == count).then_some(())))
    }

    /// How many programs are at work for the queue.
    pub fn encoders(self) -> Result<usize> {
        let processes = tree::of(self.0.id())?;
        let is_encoder = |id: &u32| {
            std::fs::read_to_string(format!("/proc/{id}/comm"))
                .is_ok_and(|name| name.trim_end() == "ffmpeg")
        };
        Ok(processes.into_keys().filter(is_encoder).count())
    }

    /// Cancels a job, and all that it was split into.
    pub fn cancel(self, job: &str) -> Result<()> {
        Client::connect(self.0.address)?.post(&format!("/api/jobs/{job}/cancel"), "").map(drop)
    }

    fn get(self, path: &str) -> Result<Value> {
        let answer = Client::connect(self.0.address)?.whole(path, LIMIT)?;
        serde_json::from_slice(&answer).with_context(|| path.to_owned())
    }

    /// The size of tiles and what lies between two of them, as a film's storyboard tells.
    pub fn tiles(self, film: &str) -> Result<Tiles> {
        let board = self.get(&format!("/v/{film}/storyboard.json"))?;
        let start = |tile: usize| board["sheets"][0]["tiles"][tile]["start"].as_f64();
        let tiles = || {
            let sheets = board["sheets"].as_array()?.iter();
            Some(Tiles {
                width: board["tile_width"].as_u64()?,
                height: board["tile_height"].as_u64()?,
                interval_s: start(1)? - start(0)?,
                count: sheets.filter_map(|sheet| Some(sheet["tiles"].as_array()?.len())).sum(),
            })
        };
        tiles().context("a storyboard without tiles")
    }
}

/// The pictures of a storyboard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiles {
    pub width: u64,
    pub height: u64,
    pub interval_s: f64,
    pub count: usize,
}
