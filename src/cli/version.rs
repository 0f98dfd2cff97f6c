//! `headwater --version`: the version with its commit, and that of ffmpeg.

use std::process::{Command, Stdio};

use crate::{telemetry::build, transcode::program::find_program};

/// The text of `headwater --version`.
pub(super) fn text() -> String {
    format!("headwater {}\nffmpeg {}\n", build::describe(), ffmpeg())
}

/// The version of the ffmpeg that jobs would run, and its file.
fn ffmpeg() -> String {
    let Some(program) = find_program("ffmpeg") else {
        return "not found: files play without it, images and renditions need it".to_owned();
    };
    let mut command = Command::new(&program);
    let output = command.arg("-version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let printed = output.map(|output| output.stdout).unwrap_or_default();
    // ffmpeg version 7.1 Copyright …
    let printed = String::from_utf8_lossy(&printed);
    let version = printed.split_ascii_whitespace().nth(2).unwrap_or("does not run");
    format!("{version}, {}", program.display())
}
