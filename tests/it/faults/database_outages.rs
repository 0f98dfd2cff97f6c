//! PostgreSQL freezes, or fails over, under a server: what plays, plays, and the rest is 503 until it is back.

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    database_proxy::DatabaseProxy,
    deployment::{Deployment, post_job, postgres, request_rendition},
    ffmpeg,
    folder::Folder,
    json::json,
    program::Program,
    streams::put_sample,
    wait::until_slowly,
};

const STORYBOARD: &str = r#"{"kind":"storyboard","title":"a.mp4"}"#;

#[test]
fn playback_goes_on_while_postgresql_is_frozen_and_jobs_after_it_failed_over() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let proxy = DatabaseProxy::start(&postgres(), Duration::ZERO);
    let arguments = [
        folder.path("films").display().to_string(),
        format!("--data={}", folder.path("data").display()),
        format!("--database={}", proxy.url),
        "--local-worker=false".to_owned(),
    ];
    let program = Program::serve(&arguments, &[]);
    until_slowly("the database is used", || program.metric("headwater_database_up") == Some(1));
    proxy.freeze();
    until_slowly("the outage is noticed", || program.metric("headwater_database_up") == Some(0));
    let manifest = program.get("/v/a.mp4/index.m3u8", &[]);
    assert_eq!(manifest.status, 200);
    let master = String::from_utf8(manifest.body).expect("text");
    let playlist = master.lines().find(|line| line.ends_with("media.m3u8")).expect("a playlist");
    assert_eq!(program.get(&format!("/v/a.mp4/{playlist}"), &[]).status, 200);
    let refused = post_job(&program, STORYBOARD);
    assert_eq!(refused.field("retry-after"), Some("5"));
    let problem: Value = json(&refused, 503);
    assert_eq!(problem["type"], "/errors/database-unavailable");
    // Connections so far stay silent.
    proxy.fail_over();
    until_slowly("jobs are accepted", || {
        matches!(post_job(&program, STORYBOARD).status, 200 | 202)
    });
    assert_eq!(program.metric("headwater_database_up"), Some(1));
}

#[test]
fn a_worker_goes_on_with_its_jobs_after_postgresql_failed_over() {
    if !ffmpeg::is_installed() {
        return;
    }
    let url = postgres();
    let proxy = DatabaseProxy::start(&url, Duration::ZERO);
    let mut deployment = Deployment::new(Some(url));
    deployment.reach_database_at(&proxy.url);
    let program = deployment.serve(&[]);
    request_rendition(&program, "one.mp4", 90);
    until_slowly("it has begun", || !deployment.ffmpegs().is_empty());
    proxy.freeze();
    until_slowly("the outage is noticed", || program.metric("headwater_database_up") == Some(0));
    assert!(deployment.live() > 0, "the end of a job needs the database");
    proxy.fail_over();
    deployment.wait_for_the_end();
    drop(program);
    until_slowly("no process is left", || deployment.processes().is_empty());
    let _program = deployment.serve(&["--local-worker=false"]);
    deployment.assert_consistent();
}
