//! Jobs over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::interrupt;
use crate::peers::Server;
use crate::process::wait_for;
use crate::tree;
use crate::turn;
use crate::verify::Client;

/// Pause between requests for a job's state; long, so as not to disturb the job.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Longest time for a worker to start, and to stop a cancelled job.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest response, in bytes: a job with all its chunks.
const LIMIT: u64 = 4 << 20;

/// The jobs of a server.
#[derive(Clone, Copy, Debug)]
pub struct Jobs<'a>(pub &'a Server);

impl Jobs<'_> {
    /// Waits until the server's worker has started, and both are idle.
    pub fn wait_until_ready(self) -> Result<()> {
        wait_for("the worker to start", TIMEOUT, || {
            let state = self.get("/api/status")?;
            let worker = state["worker"].as_str().context("no state of a worker")?;
            Ok(worker.starts_with("running").then_some(()))
        })?;
        turn::wait_for_rest(std::iter::once(self.0))
    }

    /// Creates the job of a storyboard, and returns its id.
    pub fn storyboard(self, title: &str) -> Result<String> {
        self.create(&json!({ "kind": "storyboard", "title": title }))
    }

    /// Creates the job of a rendition in H.264, and returns its id.
    pub fn rendition(self, title: &str, height: u32, effort: &str) -> Result<String> {
        let codec = "h264";
        self.create(&json!({
            "kind": "rendition", "title": title, "height": height, "codec": codec, "effort": effort,
        }))
    }

    fn create(self, request: &Value) -> Result<String> {
        let body = Client::connect(self.0.address)?.post("/api/jobs", &request.to_string())?;
        let job: Value = serde_json::from_slice(&body)?;
        job["id"].as_str().map(str::to_owned).with_context(|| format!("no job: {job}"))
    }

    /// Waits for a job, and returns the time of its end, to 0.1 s; fails unless it succeeds.
    pub fn wait(self, job: &str, limit: Duration) -> Result<Instant> {
        let deadline = Instant::now() + limit;
        loop {
            let now = self.get(&format!("/api/jobs/{job}"))?;
            match now["state"].as_str() {
                Some("done") => return Ok(Instant::now()),
                Some("failed" | "cancelled") => bail!("the job ended without success: {now}"),
                _ => {}
            }
            ensure!(Instant::now() < deadline, "not done within {} s: {now}", limit.as_secs());
            interrupt::sleep(POLL_INTERVAL)?;
        }
    }

    /// Waits until `count` encoders run for the queue.
    pub fn wait_for_encoders(self, count: usize) -> Result<()> {
        let what = format!("{count} running encoders");
        wait_for(&what, TIMEOUT, || Ok((self.encoders()? == count).then_some(())))
    }

    /// Encoders that run for the queue.
    fn encoders(self) -> Result<usize> {
        let processes = tree::of(self.0.id())?;
        Ok(processes.iter().filter(|(_, stat)| stat.comm == "ffmpeg").count())
    }

    /// Cancels a job and all its chunks.
    pub fn cancel(self, job: &str) -> Result<()> {
        Client::connect(self.0.address)?.post(&format!("/api/jobs/{job}/cancel"), "").map(drop)
    }

    fn get(self, path: &str) -> Result<Value> {
        let body = Client::connect(self.0.address)?.whole(path, LIMIT)?;
        serde_json::from_slice(&body).with_context(|| path.to_owned())
    }

    /// Size, interval and number of a storyboard's tiles.
    pub fn tiles(self, title: &str) -> Result<Tiles> {
        let board = self.get(&format!("/v/{title}/storyboard.json"))?;
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

/// The tiles of a storyboard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tiles {
    pub width: u64,
    pub height: u64,
    pub interval_s: f64,
    pub count: usize,
}
