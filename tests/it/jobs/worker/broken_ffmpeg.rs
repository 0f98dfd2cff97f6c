//! Broken programs in the place of ffmpeg: the server says so, and blames no title.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use headwater::transcode::program::find_program;

use crate::support::{
    deployment::{Deployment, TITLES},
    ffmpeg,
    json::json,
    program::Program,
    wait::until_slowly,
};

/// Replaces the ffmpeg of a folder, as an upgrade does.
fn install(bin: &Path, program: &Path, mode: u32) {
    let fresh = bin.join("fresh");
    fs::copy(program, &fresh).expect("a program");
    fs::set_permissions(&fresh, Permissions::from_mode(mode)).expect("a mode");
    fs::rename(fresh, bin.join("ffmpeg")).expect("replaced");
}

/// Requests a poster until the server has a reason why there is none, and returns it.
fn reason(program: &Program, title: &str) -> String {
    let mut why = None;
    until_slowly("the server says why there is no poster", || {
        let response = program.get(&format!("/v/{title}/poster.jpg"), &[]);
        let problem = json(&response, 503);
        why = (problem["type"] == "/errors/unavailable").then(|| problem["detail"].to_string());
        why.is_some()
    });
    why.expect("just found")
}

#[test]
fn a_broken_ffmpeg_is_not_blamed_on_the_title_and_images_return_with_a_repaired_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    let real = find_program("ffmpeg").expect("installed");
    for (name, mode, expected) in [
        // Fails whatever it is asked.
        ("false", 0o755, "ffmpeg does not work on the server: ffmpeg ended with exit status: 1"),
        // Succeeds and does nothing.
        ("true", 0o755, "ffmpeg does not work on the server: "),
        // Prints its arguments, and does nothing.
        ("echo", 0o755, "ffmpeg does not work on the server: "),
        // Is not executable.
        ("ffmpeg", 0o644, "ffmpeg cannot be executed: Permission denied"),
    ] {
        let broken = find_program(name).expect("a program of every system");
        let deployment = Deployment::new(None);
        let bin = deployment.folder.path("bin");
        fs::create_dir(&bin).expect("a folder");
        install(&bin, &broken, mode);
        let path = env::join_paths([bin.clone(), "/usr/bin".into(), "/bin".into()]);
        let path = path.expect("names without colons").into_string().expect("text");
        let program = deployment.serve_in(&[], &[("PATH", &path)]);
        let why = reason(&program, TITLES[0]);
        assert!(why.contains(expected), "{name}: {why}");
        assert!(!why.contains('/'), "{name}: {why}");
        for job in deployment.jobs() {
            let error = job.last_error.unwrap_or_default();
            assert!(!error.contains('/'), "{name}: {error}");
        }
        install(&bin, &real, 0o755);
        let poster = format!("/v/{}/poster.jpg", TITLES[1]);
        until_slowly("images are rendered again", || program.get(&poster, &[]).status == 200);
        let logged = program.logged();
        let complaints = logged.lines().filter(|line| line.contains("ffmpeg is broken")).count();
        assert!(complaints <= 1, "{name}: {logged}");
    }
}
