//! A database that fails for a moment costs nothing of what was made.

use headwater::{
    derive::Task,
    jobs::queue::{Job, State},
    store::Value,
};

use super::house::{House, on_both, wait_until, wish_for_rendition};

/// Changes the rows of artifacts behind the queue's back.
fn meddle(house: &House, sql: &'static str, key: &str) {
    let meddled = house.ask(async {
        let mut transaction = house.queue.database().begin().await?;
        transaction.execute(sql, &[Value::from(key)]).await?;
        transaction.commit().await
    });
    meddled.expect("a database");
}

on_both! {

what_was_made_is_named_although_nobody_can_say_at_first_what_it_was_made_of |house: &House| {
    let program = house.serve(&["--worker=false"]);
    wish_for_rendition(&program, "one.mp4", 90);
    drop(program);
    let task: Task = serde_json::from_str(&house.jobs()[0].payload).expect("a task");
    // Among the rows of its pieces there is one that nobody understands: who asks for them gets an error.
    let key = format!("{}none", task.scaffolding().expect("pieces"));
    let put = "INSERT INTO artifacts (key, token, bytes, kind, title, made_ms, used_ms)
        VALUES ($1, 1, -1, 'piece', 'one.mp4', 0, 0)";
    meddle(house, put, &key);
    // So long that it does not run out in this test.
    let program = house.serve(&["--job-lease-s=600"]);
    wait_until("the worker has asked in vain", || {
        program.logged().contains("the queue did not hear")
    });
    meddle(house, "DELETE FROM artifacts WHERE key = $1", &key);
    house.wait_for_the_end();
    let jobs = house.jobs();
    let is_whole = |job: &&Job| job.parent.is_none();
    let rendition = jobs.iter().find(is_whole).expect("a job");
    assert_eq!((rendition.state, rendition.attempts), (State::Done, 1));
    let kinds: Vec<_> = house.artifacts().into_iter().map(|artifact| artifact.kind).collect();
    assert_eq!(kinds, ["rendition"], "its pieces have gone");
    house.assert_in_order();
};

}
