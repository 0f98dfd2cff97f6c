//! A cell of a rendition: how long the queue takes for it, and how good it is.
//!
//! The queue encodes a title in chunks and joins them. Bare ffmpeg encodes it in one go with otherwise
//! equal settings: the arguments of a single chunk that covers the whole title. All may use both cores;
//! one slot, or one thread, cannot use the second.

use std::ffi::OsString;
use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use headwater::extent::disk::PlainFile;
use headwater::movie::Movie;
use headwater::transcode::renditions::{
    chunks::ChunkPlan,
    encode::{self, Colours, DecodeStart, EncodeSettings},
    spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
};
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::sources::{JobSources, limit};
use super::ssim::{self, Ssim};
use super::usage::{self, Usage};
use crate::dataset;
use crate::peers::Dedicated;
use crate::process::Group;
use crate::titles::video::ffmpeg;

/// Height of the rendition.
pub const HEIGHT: u32 = 360;

/// Headwater's default duration of segments.
const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).unwrap();

/// The cost of one way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    pub cpu: Duration,
    pub elapsed: Duration,
    /// Length of the rendition.
    pub bytes: u64,
}

/// The same rendition in three ways.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub bare: Cost,
    pub one_slot: Cost,
    pub two_slots: Cost,
    pub ssim: Ssim,
}

/// Encodes with ffmpeg, then with servers that `start` starts with a number of slots.
pub fn sample(
    sources: &JobSources,
    seconds: u64,
    scratch: &Path,
    start: impl Fn(usize) -> Result<Dedicated>,
) -> Result<Sample> {
    let (source, limit) = (sources.path(JobSources::SHORT), limit(seconds));
    dataset::read_all(&source)?;
    let whole = scratch.join("whole.mp4");
    let mut command = ffmpeg();
    command.args(arguments(&source, Effort::Quick, HEIGHT, &whole)?);
    let begun = Instant::now();
    let (_, Usage { cpu, .. }) = usage::of_children(|| Group::spawn(&mut command)?.finish(limit))?;
    let bare = Cost { cpu, elapsed: begun.elapsed(), bytes: fs::metadata(&whole)?.len() };

    let joined = [scratch.join("joined-1.mp4"), scratch.join("joined-2.mp4")];
    let by_queue = |slots: usize, keep: &Path| {
        let headwater = start(slots)?;
        let (server, jobs) = (&headwater.server, Jobs(&headwater.server));
        jobs.wait_until_ready()?;
        let (before, begun) = (usage::of_server(server)?, Instant::now());
        let job = jobs.rendition(JobSources::SHORT, HEIGHT, Effort::Quick.as_str())?;
        let elapsed = jobs.wait(&job, limit)? - begun;
        let cpu = (usage::of_server(server)? - before).cpu;
        let rendition = find(headwater.state.path(), "rendition.mp4")?;
        let bytes = fs::copy(rendition.context("there is no rendition")?, keep)?;
        anyhow::Ok(Cost { cpu, elapsed, bytes })
    };
    let one_slot = by_queue(1, &joined[0])?;
    let two_slots = by_queue(2, &joined[1])?;
    let is_same = fs::read(&joined[0])? == fs::read(&joined[1])?;
    ensure!(is_same, "the renditions of one slot and of two differ");
    let size = (HEIGHT * 16 / 9, HEIGHT);
    let ssim = ssim::measure(&source, &joined[0], &whole, size, limit, scratch)?;
    Ok(Sample { bare, one_slot, two_slots, ssim })
}

/// The arguments of ffmpeg that encode a source in one go as the queue does in chunks.
pub fn arguments(source: &Path, effort: Effort, height: u32, to: &Path) -> Result<Vec<OsString>> {
    let file = PlainFile::open(source)?;
    let movie = Movie::read(&file, GRID_MS)?.context("the source is no movie")?;
    let track = movie.tracks.iter().find(|track| track.is_video()).context("no video track")?;
    let whole = ChunkPlan::new(track, &file, NonZeroU64::MAX)?;
    let [chunk] = &whole.chunks[..] else {
        anyhow::bail!("{} chunks", whole.chunks.len());
    };
    let video = VideoTrack::from_track(track).context("no video")?;
    let spec = RenditionSpec::new(&video, height, VideoCodec::H264, effort)
        .context("a larger rendition")?;
    let colours = Colours::for_codec(&video, VideoCodec::H264);
    let settings = EncodeSettings {
        rendition: spec,
        colours,
        may_be_interlaced: false,
        is_turned: false,
        threads: 1,
        start: DecodeStart::KeyFrame,
    };
    let output = to.to_str().context("the scratch folder's name is not UTF-8")?;
    Ok(encode::arguments(source, &whole, chunk, &settings, output))
}

/// A file of this name anywhere in a folder.
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
