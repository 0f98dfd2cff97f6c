//! A database that fails for a moment costs no finished work.

use headwater::{
    queue::{Job, State},
    store::Value,
    transcode::JobSpec,
};

use crate::support::{
    deployment::{Deployment, on_both, request_rendition},
    wait::until_slowly,
};

/// Changes the rows of artifacts behind the queue's back.
fn tamper(deployment: &Deployment, sql: &'static str, key: &str) {
    let tampered = deployment.ask(async {
        let mut transaction = deployment.queue.database().begin().await?;
        transaction.execute(sql, &[Value::from(key)]).await?;
        transaction.commit().await
    });
    tampered.expect("a database");
}

on_both! {

a_rendition_is_published_although_the_rows_of_its_chunks_cannot_be_read_at_first |deployment: &Deployment| {
    let program = deployment.serve(&["--local-worker=false"]);
    request_rendition(&program, "one.mp4", 90);
    drop(program);
    let task: JobSpec = serde_json::from_str(&deployment.jobs()[0].payload).expect("a task");
    // One of the rows of its chunks is invalid: a query for them is an error.
    let key = format!("{}none", task.intermediates().expect("chunks"));
    let put = "INSERT INTO artifacts (key, token, bytes, work_ms, kind, title, created_ms, used_ms)
        VALUES ($1, 1, -1, 0, 'chunk', 'one.mp4', 0, 0)";
    tamper(deployment, put, &key);
    // Longer than this test takes.
    let program = deployment.serve(&["--job-lease-s=600"]);
    until_slowly("a query of the worker has failed", || {
        program.logged().contains("could not update job, retrying")
    });
    tamper(deployment, "DELETE FROM artifacts WHERE key = $1", &key);
    deployment.wait_for_the_end();
    let jobs = deployment.jobs();
    let is_whole = |job: &&Job| job.parent.is_none();
    let rendition = jobs.iter().find(is_whole).expect("a job");
    assert_eq!((rendition.state, rendition.attempts), (State::Done, 1));
    let kinds: Vec<_> = deployment.artifacts().into_iter().map(|artifact| artifact.kind).collect();
    assert_eq!(kinds, ["rendition"], "its chunks are deleted");
    deployment.assert_consistent();
};

}
