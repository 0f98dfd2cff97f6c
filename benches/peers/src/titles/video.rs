//! Test videos by ffmpeg: a short one is encoded, and repeated by stream copy.
//!
//! ffmpeg interleaves video and audio samples by time and writes the index behind them: the usual file,
//! and not the easiest to segment. The frames' content does not matter, only their sizes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Group;

/// Duration of the short video in seconds. Its audio is shorter, or each repetition would start after
/// the end of the video before it.
const SHORT_S: u64 = 20;

/// Longest run of ffmpeg.
const LIMIT: Duration = Duration::from_secs(600);

/// Encodes the short video: 720p at 30 fps, 2.5 Mbit/s, a key frame every two seconds, B-frames, and
/// stereo.
pub fn encode(file: &Path) -> Result<()> {
    let mut command = ffmpeg();
    command
        .args([
            "-f",
            "lavfi",
            "-i",
            &format!("testsrc2=s=1280x720:r=30:d={SHORT_S},noise=alls=12:allf=t"),
        ])
        .args(["-f", "lavfi", "-i", &format!("sine=440:r=48000:d={}", SHORT_S as f64 - 0.1)])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"])
        .args(["-g", "60", "-sc_threshold", "0"])
        .args(["-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k"])
        .args(["-c:a", "aac", "-b:a", "128k", "-ac", "2"])
        .arg(file);
    run(command).context("encoding a short video")?;
    Ok(())
}

/// Repeats the short video for `seconds`, into `file`.
pub fn repeat(short: &Path, seconds: u64, file: &Path) -> Result<()> {
    let more = seconds.div_ceil(SHORT_S).saturating_sub(1);
    let mut command = ffmpeg();
    command.args(["-stream_loop", &more.to_string(), "-i"]).arg(short);
    command.args(["-t", &seconds.to_string(), "-c", "copy"]).arg(file);
    run(command).with_context(|| format!("making a video of {seconds} s"))?;
    Ok(())
}

/// A digest of all video samples, independent of the container.
pub fn digest(file: &Path) -> Result<String> {
    let mut command = ffmpeg();
    // An edit list may hide samples.
    command.args(["-ignore_editlist", "1", "-i"]).arg(file);
    command.args(["-map", "0:v", "-c", "copy", "-f", "hash", "-"]);
    command.stdout(Stdio::piped());
    run(command).with_context(|| format!("the digest of {}", file.display()))
}

/// ffmpeg that prints errors only and overwrites files.
pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> Result<String> {
    Group::spawn(&mut command)?.finish(LIMIT)
}
