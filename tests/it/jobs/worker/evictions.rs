//! Evictions: which artifacts go first, and that their disk space is free.

use std::{fs, sync::Mutex, time::Duration};

use headwater::{
    jobs::housekeeping::{ArtifactCaches, Housekeeping},
    queue::{Class, JobSubmission, NewArtifact, Queue},
    store::{
        Database,
        artifacts::{ArtifactStore, Key},
    },
};

use crate::support::{
    deployment::{Deployment, on_both, request_rendition},
    folder::Folder,
    manifests,
    streams::fetch,
    wait::{SLOW_POLL_INTERVAL, until_slowly},
};

const MIB: u64 = 1 << 20;

on_both! {
    an_evicted_rendition_occupies_no_disk_space evicted_rendition_is_closed;
}

/// Records an artifact as a worker does, under a class that no worker claims here.
async fn record(queue: &Queue, artifact: NewArtifact) -> i64 {
    let job = JobSubmission {
        class: Class::Webhook,
        kind: "test".into(),
        title: "films/a.mp4".into(),
        payload: "{}".into(),
        priority: 0,
        dedupe_key: None,
        max_attempts: 1,
    };
    queue.enqueue(job).await.expect("a database");
    let claimed = queue.claim("a test", &[Class::Webhook], Duration::from_secs(600)).await;
    let (_, lease) = claimed.expect("a database").expect("a job");
    assert!(queue.finish(&lease, &[artifact]).await.expect("a database"));
    lease.token
}

fn artifact(key: &str, bytes: u64, work_ms: u64) -> NewArtifact {
    let (key, kind, title) = (key.into(), "test".into(), "films/a.mp4".into());
    NewArtifact { key, bytes, work_ms, kind, title }
}

fn evicted_rendition_is_closed(deployment: &Deployment) {
    let program = deployment.serve(&["--artifacts-max-mib=16"]);
    request_rendition(&program, "one.mp4", 90);
    deployment.wait_for_the_end();
    let title = "/v/one.mp4/index.m3u8";
    let mut variants = Vec::new();
    until_slowly("the rendition is part of its title", || {
        let manifest = fetch(&mut program.connect(), title);
        variants = manifests::multivariant(title, &manifest.body).variants;
        variants.len() == 2
    });
    let playlist = &variants[1].0;
    let playlist = manifests::playlist(playlist, &fetch(&mut program.connect(), playlist).body);
    let segment = &playlist.segments[0].url;
    fetch(&mut program.connect(), segment);
    let [rendition] = &deployment.artifacts()[..] else { panic!("{:?}", deployment.artifacts()) };
    let folder = deployment.data().join("artifacts").join(&rendition.key);
    assert!(folder.is_dir());
    // Housekeeping notes the use; after that it stays unused for a long time.
    until_slowly("its use is noted", || deployment.artifacts()[0].used_ms > rendition.used_ms);
    let unused = deployment.ask(async {
        let mut transaction = deployment.queue.database().begin().await?;
        transaction.execute("UPDATE artifacts SET used_ms = 0", &[]).await?;
        transaction.commit().await
    });
    unused.expect("a database");
    // More than the maximum, and worth more than the rendition.
    let other = artifact("other", 16 * MIB, u64::MAX / 4);
    deployment.ask(record(&deployment.queue, other));
    until_slowly("the rendition is evicted", || !folder.exists());
    until_slowly("the server has closed it", || program.removed_files().is_empty());
    until_slowly("its segments are 404", || program.get(segment, &[]).status == 404);
    let left: Vec<_> = deployment.artifacts().into_iter().map(|artifact| artifact.key).collect();
    assert_eq!(left, ["other"]);
}

/// Notes what a server would close.
#[derive(Default)]
struct Closed(Mutex<Vec<String>>);

impl ArtifactCaches for &Closed {
    fn take_used(&self) -> Vec<String> {
        Vec::new()
    }

    fn forget(&self, key: &str, _token: i64) {
        self.0.lock().expect("no panic").push(key.to_owned());
    }

    fn forget_removed(&self) {}
}

/// Five hundred images fill the storage beside a rendition of hours, which no client has watched lately.
async fn images_do_not_evict_a_rendition(url: Option<String>) {
    let folder = Folder::new();
    let data = folder.path("data");
    let queue = Queue::new(Database::open(url.as_deref(), &data).await.expect("a database"));
    let store = ArtifactStore::open(&data, 0).expect("folders");
    let keep = async |key: &str, bytes: u64, work_ms: u64| {
        let token = record(&queue, artifact(key, bytes, work_ms)).await;
        let workspace = store.workspace(token, 0).expect("disk space");
        fs::write(workspace.path().join("file"), key).expect("a file");
        workspace.publish(&Key::new(key).expect("a key")).expect("published");
    };
    keep("rendition", 8 * MIB, 2 * 3_600_000).await;
    for number in 1..=507 {
        keep(&format!("image-{number}"), 32 << 10, 300).await;
    }
    let housekeeping = Housekeeping {
        queue: queue.clone(),
        artifacts: store.clone(),
        max_bytes: 16 * MIB,
        job_retention: Duration::from_secs(86_400),
    };
    let closed = Closed::default();
    let evict = async {
        while queue.artifacts_bytes().await.expect("a database") > 16 * MIB {
            tokio::time::sleep(SLOW_POLL_INTERVAL).await;
        }
    };
    tokio::select! {
        () = housekeeping.run(&closed) => unreachable!("it runs forever"),
        () = evict => {}
    }
    assert!(queue.artifact("rendition").await.expect("a database").is_some());
    assert!(data.join("artifacts/rendition").is_dir());
    // 8 MiB are left for the images: 256 of them.
    let images = queue.artifacts_with_prefix("image-").await.expect("a database");
    assert_eq!(images.len(), 256);
    let closed = closed.0.lock().expect("no panic");
    assert!(closed.len() + 1 >= 507 - 256 && closed.iter().all(|key| key.starts_with("image-")));
}

#[tokio::test]
async fn images_do_not_evict_a_rendition_on_sqlite() {
    images_do_not_evict_a_rendition(None).await;
}

#[tokio::test]
async fn images_do_not_evict_a_rendition_on_postgresql() {
    images_do_not_evict_a_rendition(Some(crate::support::postgres::database().await)).await;
}
