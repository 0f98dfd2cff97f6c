//! A disk that fills up and is freed again costs no later job.

use std::{fs::File, io::Write as _, time::Instant};

use crate::support::{
    deployment::postgres,
    ffmpeg,
    folder::{Folder, Tmpfs},
    program::Program,
    streams::put_sample,
    wait::until_slowly,
};

/// How often the disk is filled and freed.
const ROUNDS: usize = 20;

/// Serves one title, with the data folder on a small disk. Fills it and frees it again and again, and requests
/// images all the while. No request may get 500, and each time the queue must work again without help.
fn fill_and_free(database: Option<&str>) {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let data = folder.path("data");
    let Some(_small) = Tmpfs::mount(&data, "size=24m") else { return };
    let mut arguments = vec![
        format!("--data={}", data.display()),
        "--min-free-disk-mib=0".into(),
        "--image-wait-s=5".into(),
        folder.path("films").display().to_string(),
    ];
    arguments.extend(database.map(|url| format!("--database={url}")));
    let program = Program::serve(&arguments, &[]);
    let mut time_ms = 0;
    // Each time another image, which no earlier job has made or failed to make.
    let mut request_image = |query: &str| {
        time_ms += 40;
        let time = f64::from(time_ms) / 1000.0;
        program.get(&format!("/v/a.mp4/thumbnail.jpg?exact&time={time}{query}"), &[]).status
    };
    until_slowly("an image is ready", || request_image("") == 200);
    let filled = data.join("filled");
    for round in 0..ROUNDS {
        fill(&mut File::create(&filled).expect("a file"));
        for _ in 0..4 {
            let status = request_image("&wait=0");
            assert!(status == 202 || status == 503, "round {round}: {status}");
        }
        std::fs::remove_file(&filled).expect("a file");
        let freed = Instant::now();
        until_slowly("an image is ready again", || match request_image("") {
            200 => true,
            503 => false,
            other => panic!("round {round}: {other}, {}", program.logged()),
        });
        eprintln!("round {round}: the queue works after {:?}", freed.elapsed());
    }
    let jobs = String::from_utf8(program.get("/api/jobs", &[]).body).expect("text");
    assert!(jobs.starts_with('{'), "{jobs}");
}

/// Writes until the disk is full.
fn fill(file: &mut File) {
    for size in [64 << 10, 1 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn sqlite_on_a_disk_that_fills_up_works_again_once_it_is_freed() {
    fill_and_free(None);
}

#[test]
fn artifacts_beside_postgresql_on_a_disk_that_fills_up_are_made_again_once_it_is_freed() {
    fill_and_free(Some(&postgres()));
}
