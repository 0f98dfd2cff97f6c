//! The event stream: which changes a subscriber receives.

use std::{net::Shutdown, time::Duration};

use headwater::{http::events::SUBSCRIBERS_MAX, queue::Progress};

use crate::support::{
    client::{Client, head},
    http2,
    jobs::{claim, one_title, post_job, queue},
    json::json,
    server::serve_with,
    subscriber::Subscriber,
    wait::{block_on, until},
};

const JOB_REQUEST: &str =
    r#"{"kind":"rendition","title":"films/a.mp4","height":240,"codec":"h264"}"#;

/// More changes than the server keeps for a slow subscriber.
const CHANGES: u16 = 400;

#[test]
fn a_subscriber_receives_each_change_after_the_state_of_the_list() {
    let (_folder, serving) = one_title();
    let before = post_job(&serving, r#"{"kind":"storyboard","title":"films/a.mp4"}"#);
    let list = json(&serving.get("/api/jobs", &[]), 200);
    assert_eq!(list["changed"], before["changed"]);
    let mut subscriber =
        Subscriber::begin(&serving, &format!("/api/events?since={}", list["changed"]), &[]);
    let job = post_job(&serving, JOB_REQUEST);
    let event = subscriber.next_job();
    assert_eq!(event.data, job);
    let (queue, mut last) = (queue(&serving), event.id);
    let first = claim(&queue);
    let event = subscriber.next_job();
    assert_eq!((&event.data["id"], &event.data["state"]), (&before["id"], &"running".into()));
    let progress = Progress { permille: 500, stage: "reading".into(), note: "line\nline".into() };
    block_on(queue.renew(&first, &progress, Duration::from_secs(600))).expect("a beat");
    let event = subscriber.next_job();
    assert_eq!(event.data["progress"]["note"], "line\nline");
    assert!(std::mem::replace(&mut last, event.id) < event.id);
    block_on(queue.finish(&first, &[])).expect("a database");
    let event = subscriber.next_job();
    assert_eq!((event.id > last, &event.data["state"]), (true, &"done".into()));
}

#[test]
fn a_subscriber_that_reconnects_receives_missed_changes_once() {
    let (_folder, serving) = one_title();
    let mut subscriber = Subscriber::begin(&serving, "/api/events?since=0", &[]);
    let job = post_job(&serving, JOB_REQUEST);
    let id = subscriber.next_job().id.expect("an id");
    drop(subscriber);
    let lease = claim(&queue(&serving));
    block_on(queue(&serving).finish(&lease, &[])).expect("a database");
    // Its last event is newer than its starting point.
    let came = format!("Last-Event-ID: {id}");
    let mut subscriber = Subscriber::begin(&serving, "/api/events?since=0", &[&came]);
    let event = subscriber.next_job();
    assert_eq!((&event.data["id"], &event.data["state"]), (&job["id"], &"done".into()));
    let next = post_job(&serving, JOB_REQUEST);
    assert_eq!(subscriber.next_job().data, next);
    // An id from another database.
    let mut subscriber = Subscriber::begin(&serving, "/api/events", &["Last-Event-ID: 999999"]);
    assert_eq!(subscriber.next_job().data["state"], "done");
    for query in ["since=x", "since=-1", "since=", "colour=1", "since=0&colour=1"] {
        assert_eq!(serving.get(&format!("/api/events?{query}"), &[]).status, 400, "{query}");
    }
}

#[test]
fn changes_of_the_library_are_events() {
    let (folder, serving) = one_title();
    serving.until_watching(&folder);
    let mut subscriber = Subscriber::begin(&serving, "/api/events?since=0", &[]);
    // After its first line a subscriber receives every change.
    post_job(&serving, JOB_REQUEST);
    subscriber.next_job();
    folder.put("films/b.mp4", [0; 10]);
    let mut event = subscriber.next();
    while event.data["titles"] != 2 {
        event = subscriber.next();
    }
    assert_eq!((&*event.name, event.id), ("titles", None));
}

#[test]
fn a_slow_subscriber_costs_no_memory_and_receives_the_last_state_of_each_job() {
    let (folder, _) = one_title();
    let serving = serve_with(&[folder.path("")], "send_buffer_kib = 4\nnotsent_lowat_kib = 16");
    let job = post_job(&serving, JOB_REQUEST);
    let (queue, lease) = (queue(&serving), claim(&queue(&serving)));
    let mut slow = Client::narrow(serving.address, 4096);
    slow.send(head("GET", "/api/events?since=0", &[]));
    assert_eq!(slow.read_head().expect("a head").status, 200);
    let mut quick = Subscriber::begin(&serving, "/api/events?since=0", &[]);
    assert_eq!(quick.next_job().data["id"], job["id"]);
    let mut beat = |permille: u16| {
        let note = "x".repeat(2000);
        let progress = Progress { permille, stage: "reading".into(), note };
        block_on(queue.renew(&lease, &progress, Duration::from_secs(600))).expect("a beat");
        while quick.next_job().data["progress"]["percent"] != f64::from(permille) / 10.0 {}
    };
    (1..=CHANGES).for_each(&mut beat);
    let mut slow = Subscriber::over(slow);
    let (mut last, mut count) = (0, 0);
    loop {
        let event = slow.next_job();
        let id = event.id.expect("an id");
        assert!(id > last, "in order, and each once");
        (last, count) = (id, count + 1);
        if event.data["progress"]["percent"] == f64::from(CHANGES) / 10.0 {
            break;
        }
    }
    assert!(count < CHANGES, "it received every change");
}

#[test]
fn the_number_of_subscribers_is_limited_and_a_closed_one_frees_its_place() {
    let (_folder, serving) = one_title();
    let clients = [(); 3].map(|()| http2::Client::connect(serving.address));
    let late = http2::Client::connect(serving.address);
    let begin = |client: &http2::Client| {
        client.begin("GET", "http://localhost/api/events", &[]).expect("a response")
    };
    let mut subscribers: Vec<_> =
        (0..SUBSCRIBERS_MAX).map(|place| begin(&clients[place % clients.len()])).collect();
    assert!(subscribers.iter().all(|subscriber| subscriber.head.status == 200));
    assert_eq!(begin(&late).head.status, 503);
    subscribers.pop();
    until("a place is free again", || begin(&late).head.status == 200);
}

#[test]
fn subscribers_do_not_delay_a_shutdown() {
    let (_folder, mut serving) = one_title();
    let mut subscribers = [
        Subscriber::begin(&serving, "/api/events", &[]),
        Subscriber::begin(&serving, "/api/events", &[]),
    ];
    let has_ended = serving.drain();
    for subscriber in &mut subscribers {
        assert!(subscriber.client.read_chunk().expect("the end").is_empty());
        assert!(subscriber.client.is_closed());
    }
    until("the server has ended", has_ended);
}

#[test]
fn a_subscriber_that_closes_its_side_is_disconnected() {
    let (_folder, serving) = one_title();
    let mut subscriber = Subscriber::begin(&serving, "/api/events", &[]);
    subscriber.client.socket().shutdown(Shutdown::Write).expect("half closed");
    assert!(subscriber.client.read_chunk().expect("the end").is_empty());
    until("the connection is closed", || serving.site().metrics.open_connections() == 0);
}
