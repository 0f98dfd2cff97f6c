//! Small films beside the repository that other products got wrong, judged by the script beside them.

use std::{path::Path, process::Command};

use crate::support::ffmpeg;

#[test]
fn small_films_beside_the_repository_play_as_their_table_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/media");
    let script = folder.join("check.py");
    if !script.is_file() || !ffmpeg::is_installed() {
        eprintln!("this test did not run: there is no {}", script.display());
        return;
    }
    let mut check = Command::new("python3");
    check.arg(script).arg(env!("CARGO_BIN_EXE_headwater")).arg(folder);
    let output = check.output().expect("python3 runs");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
}
