//! A cell of a rendition: how long does the queue take for it, and how good is it?
//!
//! The queue cuts a film into pieces, encodes each by itself and joins them. Bare ffmpeg encodes the
//! film in one go, told the very same in all else: its arguments are those of one piece that is the
//! whole film. All may use both cores; one slot, or one thread, has no use for the second.

use std::ffi::OsString;
use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headwater::extent::disk::PlainFile;
use headwater::movie::Movie;
use headwater::transcode::ladder::{
    chunks::Pieces,
    encode::{self, Colours, Encoder, Start},
    spec::{Coding, Effort, Pictures, Rung},
};

use super::films::{Films, limit};
use super::likeness::{self, Likeness};
use super::usage::{self, Usage};
use super::wishes::Wishes;
use crate::bench::Alone;
use crate::dataset;
use crate::process::Group;
use crate::titles::film::ffmpeg;

/// Lines of the rendition.
pub const LINES: u32 = 360;

/// What lasts as long in Headwater's segments: its default.
const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).unwrap();

/// What one way of encoding took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cpu: Duration,
    pub elapsed: Duration,
    /// Length of what was made.
    pub bytes: u64,
}

/// The same rendition, in three ways.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub bare: Cost,
    pub one_slot: Cost,
    pub two_slots: Cost,
    pub likeness: Likeness,
}

/// Encodes by ffmpeg, then by servers that `start` starts with so many slots.
pub fn sample(
    films: &Films,
    seconds: u64,
    scratch: &Path,
    start: impl Fn(usize) -> Result<Alone>,
) -> Result<Sample> {
    let (film, limit) = (films.path(Films::FILM), limit(seconds));
    dataset::read_all(&film)?;
    let whole = scratch.join("whole.mp4");
    let mut command = ffmpeg();
    command.args(arguments(&film, Effort::Quick, LINES, &whole)?);
    let begun = Instant::now();
    let (_, Usage { cpu, .. }) = usage::of_children(|| Group::spawn(&mut command)?.finish(limit))?;
    let bare = Cost { cpu, elapsed: begun.elapsed(), bytes: fs::metadata(&whole)?.len() };

    let joined = [scratch.join("joined-1.mp4"), scratch.join("joined-2.mp4")];
    let by_queue = |slots: usize, keep: &Path| {
        let alone = start(slots)?;
        let (server, wishes) = (&alone.server, Wishes(&alone.server));
        wishes.wait_until_ready()?;
        let (before, begun) = (usage::of_server(server)?, Instant::now());
        let job = wishes.rendition(Films::FILM, LINES, Effort::Quick.as_str())?;
        let elapsed = wishes.wait(&job, limit)? - begun;
        let cpu = (usage::of_server(server)? - before).cpu;
        let made =
            find(alone.state.path(), "rendition.mp4")?.context("a rendition that is not there")?;
        let bytes = fs::copy(made, keep)?;
        anyhow::Ok(Cost { cpu, elapsed, bytes })
    };
    let one_slot = by_queue(1, &joined[0])?;
    let two_slots = by_queue(2, &joined[1])?;
    let is_same = fs::read(&joined[0])? == fs::read(&joined[1])?;
    ensure!(is_same, "two slots have made another rendition than one");
    let size = (LINES * 16 / 9, LINES);
    let likeness = likeness::measure(&film, &joined[0], &whole, size, limit, scratch)?;
    Ok(Sample { bare, one_slot, two_slots, likeness })
}

/// What ffmpeg is told to encode a film in one go as the queue would do it in pieces.
pub fn arguments(film: &Path, effort: Effort, lines: u32, to: &Path) -> Result<Vec<OsString>> {
    let file = PlainFile::open(film)?;
    let movie = Movie::read(&file, GRID_MS)?.context("a film that cannot be read")?;
    let track = movie.tracks.iter().find(|track| track.is_video()).context("no pictures")?;
    let whole = Pieces::of(track, &file, NonZeroU64::MAX)?;
    let [piece] = &whole.pieces[..] else {
        anyhow::bail!("{} pieces", whole.pieces.len());
    };
    let pictures = Pictures::of(track).context("no pictures")?;
    let rung = Rung::new(&pictures, lines, Coding::H264, effort).context("a larger rendition")?;
    let colours = Colours::of(&pictures, Coding::H264);
    let encoder = Encoder { rung, colours, threads: 1, start: Start::KeyFrame };
    let output = to.to_str().context("a scratch folder that is no text")?;
    Ok(encode::arguments(film, &whole, piece, &encoder, output))
}

/// A file somewhere in a folder, by its name.
fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == name {
            return Ok(Some(entry.path()));
        }
        if entry.file_type()?.is_dir()
            && let Some(found) = find(&entry.path(), name)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
