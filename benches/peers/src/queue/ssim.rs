//! SSIM by ffmpeg, as the mean over all frames and planes.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::process::Group;

/// 1 means equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ssim {
    /// Of the rendition from chunks, to the source.
    pub joined: f64,
    /// Of the rendition in one go, to the source.
    pub whole: f64,
    /// Of the two, to each other.
    pub each_other: f64,
}

/// Compares two renditions with the source, which is scaled for that, and with each other.
pub fn measure(
    source: &Path,
    joined: &Path,
    whole: &Path,
    (width, height): (u32, u32),
    limit: Duration,
    scratch: &Path,
) -> Result<Ssim> {
    let filters = format!(
        "[0:v]scale={width}:{height}:flags=bicubic,split[a][b];[1:v]split[c][d];[2:v]split[e][f];\
         [c][a]ssim@joined;[e][b]ssim@whole;[d][f]ssim@other"
    );
    let log = scratch.join("ssim.log");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-nostats", "-hide_banner", "-y"]);
    for input in [source, joined, whole] {
        command.arg("-i").arg(input);
    }
    command.args(["-an", "-filter_complex", &filters, "-f", "null", "-"]);
    command.stdin(Stdio::null()).stderr(File::create(&log)?);
    let ended = Group::spawn(&mut command)?.finish(limit);
    let text = fs::read_to_string(&log)?;
    ended.with_context(|| text.clone())?;
    let mean = |name: &str| mean(&text, name).with_context(|| format!("no SSIM of {name}: {text}"));
    Ok(Ssim { joined: mean("joined")?, whole: mean("whole")?, each_other: mean("other")? })
}

/// The mean in the output of the filter of this name: `[ssim@joined @ 0x1] SSIM Y:… All:0.98 (17.9)`.
fn mean(text: &str, name: &str) -> Option<f64> {
    let begin = format!("[ssim@{name} @ ");
    let line = text.lines().rfind(|line| line.starts_with(&begin) && line.contains(" SSIM "))?;
    line.split_once(" All:")?.1.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_all_planes_is_parsed_from_the_line_of_its_filter() {
        let text = "[ssim@whole @ 0x1] SSIM Y:0.9 (10) U:0.9 (10) V:0.9 (10) All:0.95 (13.0)\n\
                    [ssim@joined @ 0x2] SSIM Y:1 (inf) U:1 (inf) V:1 (inf) All:1.000000 (inf)\n";
        assert_eq!((mean(text, "whole"), mean(text, "joined")), (Some(0.95), Some(1.0)));
        assert_eq!(mean(text, "other"), None);
    }
}
