//! Shares of the queue: the places and the turns of clients.

use headwater::queue::{Class, JobSubmission};

use super::{TestQueue, keyed, on_both};

/// The places of a class.
const PLACES: u32 = 16;

/// Enqueues jobs of a client until it has its share, and returns their number.
async fn fill(queue: &TestQueue, client: &str, class: Class) -> usize {
    for number in 0.. {
        let name = if class == Class::Image { "" } else { class.as_str() };
        let job = JobSubmission { class, ..keyed(&format!("{name}{client}-{number}")) };
        if queue.enqueue_for(client, PLACES, job).await.unwrap().is_none() {
            return number;
        }
    }
    unreachable!("no client has all places")
}

on_both! {

a_client_has_as_many_jobs_in_the_queue_as_there_are_free_places(queue) {
    assert_eq!(fill(&queue, "127.0.0.2", Class::Image).await, 8);
    assert_eq!(fill(&queue, "127.0.0.3", Class::Image).await, 4);
    assert_eq!(fill(&queue, "127.0.0.4", Class::Image).await, 2);
    assert_eq!(fill(&queue, "127.0.0.2", Class::Thumbnail).await, 8, "each class has its own places");
}

a_claimed_job_leaves_its_place(queue) {
    fill(&queue, "127.0.0.2", Class::Image).await;
    let job = async |key: &str| queue.enqueue_for("127.0.0.2", PLACES, keyed(key)).await.unwrap();
    assert!(job("one more").await.is_none());
    queue.take().await.expect("a job");
    assert!(job("one more").await.is_some());
    assert!(job("two more").await.is_none());
    let queued = job("127.0.0.2-3").await.expect("a queued job");
    queue.cancel(queued.id).await.unwrap();
    assert!(job("two more").await.is_some());
}

a_job_that_is_in_the_queue_needs_no_place(queue) {
    fill(&queue, "127.0.0.2", Class::Image).await;
    let job = queue.enqueue_for("127.0.0.2", PLACES, keyed("127.0.0.2-0")).await.unwrap();
    assert_eq!(job.expect("the queued job").dedupe_key.as_deref(), Some("127.0.0.2-0"));
}

clients_take_turns(queue) {
    fill(&queue, "127.0.0.2", Class::Image).await;
    for number in 0..2 {
        let job = keyed(&format!("127.0.0.3-{number}"));
        queue.enqueue_for("127.0.0.3", PLACES, job).await.unwrap().expect("a place");
    }
    let mut order = Vec::new();
    while order.len() < 5 {
        order.push(queue.take().await.expect("a job").0.dedupe_key.expect("a key"));
    }
    assert_eq!(order, ["127.0.0.2-0", "127.0.0.3-0", "127.0.0.2-1", "127.0.0.3-1", "127.0.0.2-2"]);
}

a_job_that_two_clients_want_has_the_better_turn(queue) {
    fill(&queue, "127.0.0.2", Class::Image).await;
    let job = queue.enqueue_for("127.0.0.3", PLACES, keyed("127.0.0.2-7")).await.unwrap();
    let job = job.expect("the queued job");
    assert_eq!(job.priority, 0);
    let first = queue.take().await.expect("a job").0;
    assert_eq!(first.dedupe_key.as_deref(), Some("127.0.0.2-0"));
    assert_eq!(queue.take().await.expect("a job").0.id, job.id);
}

}
