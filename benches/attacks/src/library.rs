//! The titles that the server serves, made by ffmpeg in some seconds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A minute of 640x360 at 3 Mbit/s: what innocents watch.
pub const FILM: &str = "film.mp4";

/// Two hours of 24 frames a second of a few bytes each, audio between them: 172,800 samples of video
/// that nothing joins.
pub const TWO_HOURS: &str = "two-hours.mp4";

/// A file that its server may not read, unless it is root's.
pub const UNREADABLE: &str = "unreadable.mp4";

/// Titles whose posters were never requested.
pub const NEW: usize = 200;

/// Titles that make lists long and searches slow.
const MANY: usize = 10_000;

/// Duration of the part of the two hours that is encoded; the rest repeats it.
const SHORT_S: u64 = 60;
const TWO_HOURS_S: u64 = 7200;

/// A folder with titles.
#[derive(Debug)]
pub struct Library {
    pub folder: PathBuf,
    /// Length of [`FILM`].
    pub film_bytes: u64,
}

impl Library {
    /// Makes it in `scratch`.
    pub fn create(scratch: &Path) -> Result<Self> {
        let folder = scratch.join("library");
        fs::create_dir(&folder)?;
        let film = folder.join(FILM);
        encode(&film, &Video { size: "640x360", rate: 25, seconds: 60, bit_rate: Some("3M") })?;
        two_hours(scratch, &folder.join(TWO_HOURS))?;
        let short = scratch.join("short.mp4");
        encode(&short, &Video { size: "320x180", rate: 25, seconds: 2, bit_rate: None })?;
        for number in 0..NEW {
            fs::copy(&short, folder.join(new_title(number)))?;
        }
        fs::create_dir(folder.join("many"))?;
        for number in 0..MANY {
            fs::hard_link(&short, folder.join(format!("many/Title {number:05}.mp4")))?;
        }
        let unreadable = folder.join(UNREADABLE);
        fs::copy(&short, &unreadable)?;
        fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o000))?;
        Ok(Library { film_bytes: fs::metadata(film)?.len(), folder })
    }
}

/// The name of a title whose poster is new.
pub fn new_title(number: usize) -> String {
    format!("new-{:03}.mp4", number % NEW)
}

struct Video {
    size: &'static str,
    rate: u64,
    seconds: u64,
    /// Constant, if it is given.
    bit_rate: Option<&'static str>,
}

/// Encodes moving test patterns and a tone.
fn encode(file: &Path, video: &Video) -> Result<()> {
    let Video { size, rate, seconds, bit_rate } = video;
    let mut command = ffmpeg();
    command
        .args(["-f", "lavfi", "-i", &format!("testsrc2=size={size}:rate={rate}")])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"])
        .args(["-t", &seconds.to_string(), "-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-pix_fmt", "yuv420p", "-g", "48", "-c:a", "aac", "-b:a", "48k"]);
    if let Some(bit_rate) = bit_rate {
        command.args(["-b:v", bit_rate, "-minrate", bit_rate, "-maxrate", bit_rate]);
        command.args(["-bufsize", bit_rate, "-x264-params", "nal-hrd=cbr"]);
    }
    run(command.args(["-movflags", "+faststart"]).arg(file))
}

/// Encodes a minute, and repeats it by stream copy.
fn two_hours(scratch: &Path, file: &Path) -> Result<()> {
    let minute = scratch.join("minute.mp4");
    encode(&minute, &Video { size: "64x36", rate: 24, seconds: SHORT_S, bit_rate: None })?;
    let repeats = (TWO_HOURS_S / SHORT_S).to_string();
    run(ffmpeg()
        .args(["-stream_loop", &repeats, "-i"])
        .arg(&minute)
        .args(["-t", &TWO_HOURS_S.to_string(), "-c", "copy", "-movflags", "+faststart"])
        .arg(file))
}

/// ffmpeg that prints errors only.
fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start ffmpeg")?;
    ensure!(status.success(), "ffmpeg failed ({status})");
    Ok(())
}
