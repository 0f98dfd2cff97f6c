//! A cell of answers while films are encoded: what does a viewer notice of it?
//!
//! Ranges and segments are asked for at a moderate rate: first while the machine does nothing else,
//! then while the queue encodes on every core, then while bare ffmpeg does so that nobody has told to
//! step back. The three take turns, so that what drifts on the machine drifts for all.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headwater::transcode::ladder::spec::Effort;

use super::films::Films;
use super::rendition;
use super::wishes::Wishes;
use crate::clients::{Latency, wrk};
use crate::cpu;
use crate::dataset;
use crate::interrupt;
use crate::options::Options;
use crate::peers::Server;
use crate::process::{Group, on_cores};
use crate::random::Random;
use crate::requests::{Requests, Target};
use crate::titles::film::ffmpeg;
use crate::titles::links;
use crate::turn;
use crate::verify::{self, Client};

/// Connections, so few that none waits for another.
const CONNECTIONS: usize = 8;

/// Length of a range, in bytes.
const RANGE: u64 = 64 << 10;

/// How long each connection waits between two ranges, and between two segments, in milliseconds: some
/// 600 ranges and 80 segments a second.
const PAUSE_MS: [u64; 2] = [12, 100];

/// Heights that are encoded: what there is to do must last for the whole cell.
const HEIGHTS: [u32; 4] = [720, 480, 360, 240];

/// Longest answer, in bytes.
const LIMIT: u64 = 64 << 20;

/// What else the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Ranges,
    Segments,
}

impl Asked {
    pub const ALL: [Asked; 2] = [Asked::Ranges, Asked::Segments];
}

impl fmt::Display for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Asked::Ranges => "ranges of 64 KiB",
            Asked::Segments => "video segments",
        })
    }
}

/// One turn.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub beside: Beside,
    pub asked: Asked,
    pub requests: u64,
    pub latency: Latency,
    /// How busy the cores were, from 0 to 1.
    pub busy: f64,
}

/// Has all turns of one server with `cores`, and tells `heard` of each.
pub fn samples(
    server: &Server,
    films: &Films,
    options: &Options,
    cores: &[usize],
    scratch: &Path,
    mut heard: impl FnMut(u64, &Sample),
) -> Result<Vec<Sample>> {
    Wishes(server).wait_until_ready()?;
    let film = films.path(Films::FILM);
    dataset::read_all(&film)?;
    let length = std::fs::metadata(&film)?.len();
    let whole = [Target { path: format!("/media/{}", Films::FILM), length }];
    let segments = segments(server)?;
    let mut samples = Vec::new();
    for number in 0..options.others_turns {
        for beside in Beside::ALL {
            let busy = Busy::start(beside, server, &film, cores, scratch)?;
            for asked in Asked::ALL {
                let random = Random::new(options.seed, 7 << 48 | (asked as u64) << 32 | number);
                let requests = match asked {
                    Asked::Ranges => Requests::parts(&whole, RANGE, CONNECTIONS, random),
                    Asked::Segments => Requests::whole(&segments, CONNECTIONS, random),
                }?;
                let heads = heads(server, &requests, films)?;
                let before = of_cores(cores)?;
                let pause_ms = PAUSE_MS[asked as usize];
                // Three times as long as other turns: one answer of a thousand is looked for.
                let lasts = Duration::from_secs(3 * options.seconds);
                let load = wrk::paced(server, &requests, heads, pause_ms, lasts, scratch)?;
                let busy = (of_cores(cores)? - before).as_secs_f64();
                let sample = Sample {
                    beside,
                    asked,
                    requests: load.requests,
                    latency: load.latency.context("wrk told no times")?,
                    busy: busy / load.elapsed.as_secs_f64() / cores.len() as f64,
                };
                heard(number, &sample);
                samples.push(sample);
            }
            busy.stop()?;
        }
    }
    Ok(samples)
}

/// What keeps the cores busy.
enum Busy<'a> {
    Nothing,
    Queue { wishes: Wishes<'a>, jobs: Vec<String>, encoders: usize },
    Bare { groups: Vec<Group> },
}

impl<'a> Busy<'a> {
    fn start(
        beside: Beside,
        server: &'a Server,
        film: &Path,
        cores: &[usize],
        scratch: &Path,
    ) -> Result<Self> {
        Ok(match beside {
            Beside::Nothing => {
                turn::wait_for_rest(std::iter::once(server))?;
                Busy::Nothing
            }
            Beside::Queue => {
                let wishes = Wishes(server);
                let effort = Effort::Thorough.as_str();
                let jobs = HEIGHTS.map(|height| wishes.rendition(Films::FILM, height, effort));
                let jobs = jobs.into_iter().collect::<Result<_>>()?;
                wishes.wait_for_encoders(cores.len())?;
                Busy::Queue { wishes, jobs, encoders: cores.len() }
            }
            Beside::BareFfmpeg => {
                let start = |number| {
                    let to = scratch.join(format!("bare-{number}.mp4"));
                    // Not only where this program is.
                    let mut command = on_cores(cores, ffmpeg().get_program().as_ref());
                    command.args(ffmpeg().get_args());
                    command.args(rendition::arguments(film, Effort::Thorough, HEIGHTS[0], &to)?);
                    Group::spawn(&mut command)
                };
                Busy::Bare { groups: (0..cores.len()).map(start).collect::<Result<_>>()? }
            }
        })
    }

    /// Ends it, and makes sure that it has lasted until now.
    fn stop(self) -> Result<()> {
        match self {
            Busy::Nothing => {}
            Busy::Queue { wishes, jobs, encoders } => {
                // Between two pieces there is none for a moment.
                wishes.wait_for_encoders(encoders).context("raise --rendition-s")?;
                jobs.iter().try_for_each(|job| wishes.cancel(job))?;
                wishes.wait_for_encoders(0)?;
            }
            Busy::Bare { mut groups } => {
                let log = Path::new("/dev/null");
                groups.iter_mut().try_for_each(|group| group.check_alive(log))?;
            }
        }
        Ok(())
    }
}

/// All video segments of the film.
fn segments(server: &Server) -> Result<Vec<Target>> {
    let mut client = Client::connect(server.address)?;
    let index = format!("/v/{}/index.m3u8", Films::FILM);
    let mut named = |path: &str, end: &str| {
        let playlist = String::from_utf8(client.whole(path, LIMIT)?)?;
        let links = links::of(&playlist).filter(|link| link.ends_with(end));
        anyhow::Ok(links.map(|link| links::resolve(path, link)).collect::<Vec<_>>())
    };
    let media = named(&index, "/video-1/media.m3u8")?;
    let paths = named(media.first().context("a playlist without pictures")?, ".m4s")?;
    let mut segments = Vec::new();
    for path in paths {
        interrupt::check()?;
        let length = client.whole(&path, LIMIT)?.len() as u64;
        segments.push(Target { path, length });
    }
    ensure!(!segments.is_empty(), "a playlist without segments");
    Ok(segments)
}

/// How long heads are. Ranges are compared with the file; segments have none to compare with here, and
/// heads about as long.
fn heads(server: &Server, requests: &Requests, films: &Films) -> Result<verify::HeadLength> {
    let root = films.media().parent().context("a folder in another")?;
    let mut client = Client::connect(server.address)?;
    let few = &requests.list[..32];
    match few[0].offset {
        Some(_) => verify::answers(server.address, root, few),
        None => client.heads(few),
    }
}

fn of_cores(cores: &[usize]) -> Result<Duration> {
    cores.iter().try_fold(Duration::ZERO, |sum, &core| Ok(sum + cpu::of_core(core)?))
}
