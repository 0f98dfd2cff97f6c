//! An origin with the database of others and a data folder of its own: it says so, and changes no row.

use std::fs;

use headwater::{queue::NewArtifact, store::Database};

use crate::support::{
    deployment::{post_job, postgres},
    ffmpeg,
    folder::Folder,
    program::{self, Program},
    streams::put_sample,
    wait::until_slowly,
};

const STORYBOARD: &str = r#"{"kind":"storyboard","title":"a.mp4"}"#;

fn arguments(folder: &Folder, data: &str, url: &str) -> Vec<String> {
    vec![
        folder.path("films").display().to_string(),
        format!("--data={}", folder.path(data).display()),
        format!("--database={url}"),
    ]
}

/// Makes, as a worker does, an artifact without its folder, or counts the artifacts.
async fn artifacts(url: &str, make: Option<NewArtifact>) -> usize {
    let database = Database::open(Some(url), std::path::Path::new("")).await.expect("a database");
    let queue = headwater::queue::Queue::new(database);
    if let Some(artifact) = make {
        let all = headwater::queue::Class::ALL;
        let time = std::time::Duration::from_secs(60);
        let (_, lease) = queue.claim("a test", all, time).await.unwrap().expect("a job");
        assert!(queue.finish(&lease, &[artifact]).await.unwrap());
    }
    queue.artifacts_with_prefix("").await.unwrap().len()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn an_origin_with_another_data_folder_serves_files_names_both_stores_and_deletes_nothing() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let url = postgres();
    let serve = |data| {
        let arguments = [arguments(&folder, data, &url), vec!["--local-worker=false".into()]];
        Program::serve(&arguments.concat(), &[])
    };
    let first = serve("data");
    until_slowly("it accepts jobs", || post_job(&first, STORYBOARD).status == 202);
    let artifact = NewArtifact {
        key: "00ff-poster".into(),
        bytes: 10,
        work_ms: 100,
        kind: "poster".into(),
        title: "a.mp4".into(),
    };
    assert_eq!(block_on(artifacts(&url, Some(artifact))), 1);
    let id = fs::read_to_string(folder.path("data/artifacts/store.id")).expect("an id");
    let second = serve("other");
    until_slowly("it says why", || {
        let logged = second.logged();
        logged.contains("belongs to the store") && logged.contains(id.trim())
    });
    assert_eq!(post_job(&second, STORYBOARD).status, 503);
    assert_eq!(second.get("/v/a.mp4/index.m3u8", &[]).status, 200);
    assert_eq!(block_on(artifacts(&url, None)), 1);
    if ffmpeg::is_installed() {
        let worker = [vec!["worker".to_owned()], arguments(&folder, "other", &url)].concat();
        let (status, _, logged) = program::run(&worker);
        assert!(!status.success() && logged.contains(id.trim()), "{logged}");
    }
    // The way out that the message shows.
    fs::write(folder.path("other/artifacts/store.id"), id).expect("written");
    until_slowly("jobs go on", || post_job(&second, STORYBOARD).status < 300);
}
