//! A cell of responses beside encoding: how encoding affects the latency of requests.
//!
//! Ranges and segments are requested at a moderate rate: on an idle machine, while the queue encodes on
//! every core, and while bare ffmpeg does so at normal priority. The three take turns, so that drift of
//! the machine affects all of them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use headwater::transcode::renditions::spec::Effort;
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::rendition;
use super::sources::JobSources;
use crate::cell::Track;
use crate::clients::{Latency, wrk};
use crate::cpu;
use crate::dataset;
use crate::interrupt;
use crate::options::Options;
use crate::peers::Server;
use crate::process::{Group, on_cores};
use crate::random::rng;
use crate::requests::{Requests, Target};
use crate::titles::hls;
use crate::titles::video::ffmpeg;
use crate::turn;
use crate::verify::Client;

/// Connections, so few that none waits for another.
const CONNECTIONS: usize = 8;

/// Length of a range, in bytes.
const RANGE: u64 = 64 << 10;

/// Pause of each connection between two ranges, and between two segments, in milliseconds: some 600
/// ranges and 80 segments a second.
const PAUSE_MS: [u64; 2] = [12, 100];

/// Heights that the queue encodes: its jobs must last for the whole cell.
const HEIGHTS: [u32; 4] = [720, 480, 360, 240];

/// The other load of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Beside {
    Nothing,
    Queue,
    BareFfmpeg,
}

impl Beside {
    pub const ALL: [Beside; 3] = [Beside::Nothing, Beside::Queue, Beside::BareFfmpeg];
}

impl fmt::Display for Beside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Beside::Nothing => "nothing",
            Beside::Queue => "the queue on all cores",
            Beside::BareFfmpeg => "bare ffmpeg on all cores",
        })
    }
}

/// The requested resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Ranges,
    Segments,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Ranges, Kind::Segments];
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Kind::Ranges => "ranges of 64 KiB",
            Kind::Segments => "video segments",
        })
    }
}

/// One turn.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub beside: Beside,
    pub kind: Kind,
    pub requests: u64,
    pub latency: Latency,
    /// Busy share of the cores, from 0 to 1.
    pub busy: f64,
}

/// Measures all turns of one server on all cores.
pub fn samples(
    server: &Server,
    sources: &JobSources,
    options: &Options,
    scratch: &Path,
) -> Result<Vec<Sample>> {
    Jobs(server).wait_until_ready()?;
    let cores = options.all_cores();
    let source = sources.path(JobSources::SHORT);
    dataset::read_all(&source)?;
    let length = std::fs::metadata(&source)?.len();
    let whole = [Target { path: format!("/media/{}", JobSources::SHORT), length }];
    let segments = segments(server)?;
    let mut samples = Vec::new();
    for number in 0..options.others_turns {
        for beside in Beside::ALL {
            let other_load = OtherLoad::start(beside, server, &source, &cores, scratch)?;
            for kind in Kind::ALL {
                let random = rng(options.seed, 7 << 48 | (kind as u64) << 32 | number);
                let requests = match kind {
                    Kind::Ranges => Requests::parts(&whole, RANGE, CONNECTIONS, random),
                    Kind::Segments => Requests::whole(&segments, CONNECTIONS, random),
                }?;
                let before = busy_time(&cores)?;
                let pause_ms = PAUSE_MS[kind as usize];
                // Three times as long as other turns, for a meaningful 99.9th percentile.
                let duration = Duration::from_secs(3 * options.seconds);
                let load = wrk::paced(server, &requests, pause_ms, duration, scratch)?;
                let busy = (busy_time(&cores)? - before).as_secs_f64();
                let sample = Sample {
                    beside,
                    kind,
                    requests: load.requests,
                    latency: load.latency.context("wrk printed no latencies")?,
                    busy: busy / load.elapsed.as_secs_f64() / cores.len() as f64,
                };
                println!(
                    "  turn {:<2} {kind} beside {beside}: {} responses",
                    number + 1,
                    load.requests
                );
                samples.push(sample);
            }
            other_load.stop()?;
        }
    }
    Ok(samples)
}

/// The running [`Beside`].
enum OtherLoad<'a> {
    Nothing,
    Queue { jobs: Jobs<'a>, ids: Vec<String>, encoders: usize },
    Bare { groups: Vec<Group> },
}

impl<'a> OtherLoad<'a> {
    fn start(
        beside: Beside,
        server: &'a Server,
        source: &Path,
        cores: &[usize],
        scratch: &Path,
    ) -> Result<Self> {
        Ok(match beside {
            Beside::Nothing => {
                turn::wait_for_rest(std::iter::once(server))?;
                OtherLoad::Nothing
            }
            Beside::Queue => {
                let jobs = Jobs(server);
                let effort = Effort::Thorough.as_str();
                let ids = HEIGHTS.map(|height| jobs.rendition(JobSources::SHORT, height, effort));
                let ids = ids.into_iter().collect::<Result<_>>()?;
                jobs.wait_for_encoders(cores.len())?;
                OtherLoad::Queue { jobs, ids, encoders: cores.len() }
            }
            Beside::BareFfmpeg => {
                let start = |number| {
                    let to = scratch.join(format!("bare-{number}.mp4"));
                    // On all cores, not only on this program's.
                    let mut command = on_cores(cores, ffmpeg().get_program().as_ref());
                    command.args(ffmpeg().get_args());
                    command.args(rendition::arguments(source, Effort::Thorough, HEIGHTS[0], &to)?);
                    Group::spawn(&mut command)
                };
                OtherLoad::Bare { groups: (0..cores.len()).map(start).collect::<Result<_>>()? }
            }
        })
    }

    /// Ends it, and verifies that it has lasted until now.
    fn stop(self) -> Result<()> {
        match self {
            OtherLoad::Nothing => {}
            OtherLoad::Queue { jobs, ids, encoders } => {
                // Between two chunks there is none for a moment.
                jobs.wait_for_encoders(encoders).context("raise --rendition-s")?;
                ids.iter().try_for_each(|id| jobs.cancel(id))?;
                jobs.wait_for_encoders(0)?;
            }
            OtherLoad::Bare { mut groups } => {
                let log = Path::new("/dev/null");
                groups.iter_mut().try_for_each(|group| group.check_alive(log))?;
            }
        }
        Ok(())
    }
}

/// All video segments of the short source.
fn segments(server: &Server) -> Result<Vec<Target>> {
    let mut client = Client::connect(server.address)?;
    let mut paths = hls::segments(&mut client, JobSources::SHORT, Track::Video)?;
    paths.retain(|path| path.ends_with(".m4s"));
    let target = |path: String| {
        interrupt::check()?;
        Ok(Target { length: client.whole(&path, hls::LIMIT)?.len() as u64, path })
    };
    paths.into_iter().map(target).collect()
}

fn busy_time(cores: &[usize]) -> Result<Duration> {
    cores.iter().try_fold(Duration::ZERO, |sum, &core| Ok(sum + cpu::of_core(core)?))
}
