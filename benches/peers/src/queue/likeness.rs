//! How much pictures are like others: SSIM, by ffmpeg, as the mean over all pictures and planes.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Group;

/// 1 is equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// What was joined of pieces, to the film.
    pub joined: f64,
    /// What was encoded whole, to the film.
    pub whole: f64,
    /// The one to the other.
    pub each_other: f64,
}

/// Compares two renditions with the film, which is scaled for that, and with each other.
pub fn measure(
    film: &Path,
    joined: &Path,
    whole: &Path,
    (width, height): (u32, u32),
    limit: Duration,
    scratch: &Path,
) -> Result<Likeness> {
    let filters = format!(
        "[0:v]scale={width}:{height}:flags=bicubic,split[a][b];[1:v]split[c][d];[2:v]split[e][f];\
         [c][a]ssim@joined;[e][b]ssim@whole;[d][f]ssim@other"
    );
    let log = scratch.join("likeness.log");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-nostats", "-hide_banner", "-y"]);
    for input in [film, joined, whole] {
        command.arg("-i").arg(input);
    }
    command.args(["-an", "-filter_complex", &filters, "-f", "null", "-"]);
    command.stdin(Stdio::null()).stderr(File::create(&log)?);
    let ended = Group::spawn(&mut command)?.finish(limit);
    let said = fs::read_to_string(&log)?;
    ended.with_context(|| said.clone())?;
    let all = |name: &str| all(&said, name).with_context(|| format!("no SSIM of {name}: {said}"));
    Ok(Likeness { joined: all("joined")?, whole: all("whole")?, each_other: all("other")? })
}

/// The mean that a filter of this name has printed: `[ssim@joined @ 0x1] SSIM Y:… All:0.98 (17.9)`.
fn all(said: &str, name: &str) -> Option<f64> {
    let begin = format!("[ssim@{name} @ ");
    let line = said.lines().rfind(|line| line.starts_with(&begin) && line.contains(" SSIM "))?;
    line.split_once(" All:")?.1.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_all_planes_is_read_from_the_line_of_its_filter() {
        let said = "[ssim@whole @ 0x1] SSIM Y:0.9 (10) U:0.9 (10) V:0.9 (10) All:0.95 (13.0)\n\
                    [ssim@joined @ 0x2] SSIM Y:1 (inf) U:1 (inf) V:1 (inf) All:1.000000 (inf)\n";
        assert_eq!((all(said, "whole"), all(said, "joined")), (Some(0.95), Some(1.0)));
        assert_eq!(all(said, "other"), None);
    }
}
