//! A database that fails for a moment costs nothing of what was made.

use headwater::{
    queue::{Job, State},
    store::Value,
    transcode::JobSpec,
};

use crate::support::{
    deployment::{Deployment, on_both, wish_for_rendition},
    wait::until_slowly,
};

/// Changes the rows of artifacts behind the queue's back.
fn meddle(deployment: &Deployment, sql: &'static str, key: &str) {
    let meddled = deployment.ask(async {
        let mut transaction = deployment.queue.database().begin().await?;
        transaction.execute(sql, &[Value::from(key)]).await?;
        transaction.commit().await
    });
    meddled.expect("a database");
}

on_both! {

what_was_made_is_named_although_nobody_can_say_at_first_what_it_was_made_of |deployment: &Deployment| {
    let program = deployment.serve(&["--worker=false"]);
    wish_for_rendition(&program, "one.mp4", 90);
    drop(program);
    let task: JobSpec = serde_json::from_str(&deployment.jobs()[0].payload).expect("a task");
    // Among the rows of its pieces there is one that nobody understands: who asks for them gets an error.
    let key = format!("{}none", task.intermediates().expect("pieces"));
    let put = "INSERT INTO artifacts (key, token, bytes, kind, title, created_ms, used_ms)
        VALUES ($1, 1, -1, 'piece', 'one.mp4', 0, 0)";
    meddle(deployment, put, &key);
    // So long that it does not run out in this test.
    let program = deployment.serve(&["--job-lease-s=600"]);
    until_slowly("the worker has asked in vain", || {
        program.logged().contains("could not update job, retrying")
    });
    meddle(deployment, "DELETE FROM artifacts WHERE key = $1", &key);
    deployment.wait_for_the_end();
    let jobs = deployment.jobs();
    let is_whole = |job: &&Job| job.parent.is_none();
    let rendition = jobs.iter().find(is_whole).expect("a job");
    assert_eq!((rendition.state, rendition.attempts), (State::Done, 1));
    let kinds: Vec<_> = deployment.artifacts().into_iter().map(|artifact| artifact.kind).collect();
    assert_eq!(kinds, ["rendition"], "its pieces have gone");
    deployment.assert_in_order();
};

}
