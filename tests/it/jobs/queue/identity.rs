//! Whether a database and an artifact storage belong together.

use std::fs;

use futures::future::join_all;
use headwater::store::{
    artifacts::ArtifactStore,
    identity::{IdentityError, check},
};

use super::{TestQueue, job, on_both};

fn storage(bench: &TestQueue, data: &str) -> ArtifactStore {
    ArtifactStore::open(&bench.folder.path(data), 0).expect("a folder")
}

fn id_in(storage: &ArtifactStore) -> String {
    fs::read_to_string(storage.published_dir().join("store.id")).expect("an id").trim().to_owned()
}

on_both! {

another_data_folder_is_refused_until_it_has_the_id(bench) {
    let (own, other) = (storage(&bench, "data"), storage(&bench, "other folder"));
    check(bench.database(), &own).await.expect("a new store");
    check(bench.elsewhere().await.database(), &own).await.expect("the same store");
    let refused = check(bench.database(), &other).await.expect_err("another folder");
    assert!(matches!(refused, IdentityError::Mismatch { found: None, .. }), "{refused:?}");
    let message = refused.to_string();
    let file = other.published_dir().join("store.id");
    let way_out = format!("echo {} > '{}'", id_in(&own), file.display());
    for part in [&way_out, "--data", "--database", "none yet"] {
        assert!(message.contains(part), "{message}");
    }
    fs::write(file, format!("{}\n", id_in(&own))).unwrap();
    check(bench.database(), &other).await.expect("the id of the store");
}

a_new_database_takes_the_id_of_the_data_folder_and_an_old_one_keeps_its_own(bench) {
    let shared = storage(&bench, "shared");
    let (new, old) = (TestQueue::sqlite().await, TestQueue::sqlite().await);
    check(bench.database(), &shared).await.expect("a new store");
    let id = id_in(&shared);
    check(new.database(), &shared).await.expect("a new database");
    check(old.database(), &storage(&old, "data")).await.expect("a store of its own");
    let refused = check(old.database(), &shared).await.expect_err("the data folder of another");
    assert!(refused.to_string().contains(&id), "{refused}");
    assert!(refused.to_string().contains(&id_in(&storage(&old, "data"))), "{refused}");
    assert_eq!(id_in(&shared), id);
}

servers_that_start_at_once_agree(bench) {
    let starts = (0..8).map(async |_| {
        check(bench.elsewhere().await.database(), &storage(&bench, "shared")).await
    });
    for started in join_all(starts).await {
        started.expect("one store");
    }
}

a_data_folder_that_was_deleted_under_a_server_gets_its_id_back(bench) {
    let storage = storage(&bench, "shared");
    check(bench.database(), &storage).await.expect("a new store");
    let id = id_in(&storage);
    fs::remove_dir_all(bench.folder.path("shared")).unwrap();
    drop(storage.workspace(1, 0).expect("a workspace"));
    assert_eq!(id_in(&storage), id);
}

}

#[tokio::test]
async fn the_database_file_in_the_data_folder_belongs_to_whatever_is_there() {
    let bench = TestQueue::sqlite().await;
    let own = storage(&bench, "data");
    check(bench.database(), &own).await.expect("a new store");
    let id = id_in(&own);
    fs::remove_dir_all(own.published_dir()).unwrap();
    let own = storage(&bench, "data");
    check(bench.database(), &own).await.expect("nothing of others");
    assert_eq!(id_in(&own), id);
    bench.add(job("poster", 1)).await;
}

#[tokio::test]
async fn a_new_file_of_sqlite_takes_no_storage_elsewhere_that_has_an_id() {
    let (one, other) = (TestQueue::sqlite().await, TestQueue::sqlite().await);
    let shared = one.folder.path("shared");
    let elsewhere = |bench: &TestQueue| {
        ArtifactStore::open_in(&shared, &bench.folder.path("data"), 0).expect("a folder")
    };
    check(one.database(), &elsewhere(&one)).await.expect("a new store");
    let id = id_in(&elsewhere(&one));
    for _start in 0..2 {
        let refused = check(other.database(), &elsewhere(&other)).await.expect_err("of another");
        assert!(refused.to_string().contains(&id), "{refused}");
    }
    check(one.database(), &elsewhere(&one)).await.expect("its own store");
    assert_eq!(id_in(&elsewhere(&one)), id);
}
