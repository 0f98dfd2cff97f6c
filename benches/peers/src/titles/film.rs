//! Films, by ffmpeg: a short one is encoded, and repeated without encoding it again.
//!
//! ffmpeg writes the samples of a film one after the other as they are to be shown, pictures and
//! sound in turn, and the index behind them: the usual file, and not the easiest to make segments
//! of. What its pictures show does not matter, only how many bytes they have.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Group;

/// Length of the short film in seconds. Its sound is shorter, or each repetition would begin later
/// than the pictures before it end.
const SHORT_S: u64 = 20;

/// Longest time that ffmpeg may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Encodes the short film: 720p at 30 fps, 2.5 Mbit/s, a key frame every two seconds and
/// pictures that are shown in another order than they are decoded in, and stereo.
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
    run(command).context("encoding a short film")?;
    Ok(())
}

/// Repeats the short film until it is `seconds` long, and writes that to `file`.
pub fn repeat(short: &Path, seconds: u64, file: &Path) -> Result<()> {
    let more = seconds.div_ceil(SHORT_S).saturating_sub(1);
    let mut command = ffmpeg();
    command.args(["-stream_loop", &more.to_string(), "-i"]).arg(short);
    command.args(["-t", &seconds.to_string(), "-c", "copy"]).arg(file);
    run(command).with_context(|| format!("making a film of {seconds} s"))?;
    Ok(())
}

/// A digest of all samples of one kind of track, `v` or `a`, however the file is made up.
pub fn digest(file: &Path, kind: &str) -> Result<String> {
    let mut command = ffmpeg();
    // An edit list may leave samples out that are there.
    command.args(["-ignore_editlist", "1", "-i"]).arg(file);
    command.args(["-map", &format!("0:{kind}"), "-c", "copy", "-f", "hash", "-"]);
    command.stdout(Stdio::piped());
    run(command).with_context(|| format!("the digest of {}", file.display()))
}

/// ffmpeg, which says nothing but errors and overwrites.
pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> Result<String> {
    Group::spawn(&mut command)?.finish(LIMIT)
}
