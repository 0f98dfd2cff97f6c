//! The event stream: which changes a subscriber receives.

use std::{fs, net::Shutdown, time::Duration};

use headwater::{http::events::SUBSCRIBERS_MAX, queue::Progress};
use serde_json::{Value, json};

use crate::support::{
    client::{Client, head},
    http2,
    jobs::{claim, one_title, post_job, queue},
    json::json,
    server::serve_with,
    streams::put_sample,
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
    block_on(queue.report(&first, &progress, Duration::from_secs(600))).expect("a beat");
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

/// Reads events of titles until the data of one meets a condition. All have one of the two forms.
fn until_titles(subscriber: &mut Subscriber, mut condition: impl FnMut(&Value) -> bool) -> Value {
    loop {
        let event = subscriber.next();
        if event.name != "titles" {
            continue;
        }
        assert_eq!(event.id, None);
        let is_list = |member: &&str| event.data[*member].is_array();
        assert!(
            event.data == json!({ "all": true })
                || ["added", "changed", "removed"].iter().all(is_list),
            "{}",
            event.data
        );
        if condition(&event.data) {
            return event.data;
        }
    }
}

/// The item of a title among those that are new or changed.
fn changed<'a>(data: &'a Value, path: &str) -> Option<&'a Value> {
    let mut items = ["added", "changed"].iter().flat_map(|list| data[*list].as_array()).flatten();
    items.find(|item| item["path"] == path)
}

#[test]
fn events_carry_the_titles_that_changed_and_the_paths_of_those_that_are_gone() {
    let (folder, serving) = one_title();
    serving.until_watching(&folder);
    let mut subscriber = Subscriber::begin(&serving, "/api/events?since=0", &[]);
    // After its first line a subscriber receives every change.
    post_job(&serving, JOB_REQUEST);
    subscriber.next_job();
    put_sample(&folder, "Clock.mp4", "films/b.mp4");
    let is_known = |data: &Value| {
        changed(data, "films/b.mp4").is_some_and(|item| item["duration_s"].is_number())
    };
    let data = until_titles(&mut subscriber, is_known);
    let list = json(&serving.get("/api/titles?folder=films", &[]), 200);
    assert_eq!(changed(&data, "films/b.mp4"), Some(&list["titles"][1]));
    fs::rename(folder.path("films/b.mp4"), folder.path("films/c.mp4")).expect("renamed");
    let mut gone = false;
    let data = until_titles(&mut subscriber, |data| {
        gone |= data["removed"] == json!(["films/b.mp4"]);
        changed(data, "films/c.mp4").is_some()
    });
    assert!(gone, "{data}");
    // A title that becomes a part of another one is gone for lists, too.
    fs::rename(folder.path("films/c.mp4"), folder.path("films/a.720p.mp4")).expect("renamed");
    until_titles(&mut subscriber, |data| data["removed"] == json!(["films/c.mp4"]));
    fs::remove_file(folder.path("films/a.mp4")).expect("removed");
    until_titles(&mut subscriber, |data| changed(data, "films/a.720p.mp4").is_some());
}

#[test]
fn an_event_of_more_changes_than_it_names_says_that_all_titles_may_have_changed() {
    let (folder, serving) = one_title();
    for number in 0..60 {
        folder.put(format!(".hidden/{number}.mp4"), []);
    }
    serving.until_watching(&folder);
    let mut subscriber = Subscriber::begin(&serving, "/api/events?since=0", &[]);
    post_job(&serving, JOB_REQUEST);
    subscriber.next_job();
    fs::rename(folder.path(".hidden"), folder.path("shown")).expect("renamed");
    until_titles(&mut subscriber, |data| data["all"] == true);
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
        block_on(queue.report(&lease, &progress, Duration::from_secs(600))).expect("a beat");
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

#[test]
fn a_subscriber_receives_what_changed_after_its_list_of_titles() {
    let (folder, serving) = one_title();
    serving.until_watching(&folder);
    serving.until_indexed();
    let list = json(&serving.get("/api/titles?folder=films", &[]), 200);
    put_sample(&folder, "Clock.mp4", "films/b.mp4");
    until("the new title is listed", || {
        json(&serving.get("/api/titles?folder=films", &[]), 200)["total"] == 2
    });
    let since = |number: &Value| format!("/api/events?titles_since={number}");
    let mut subscriber = Subscriber::begin(&serving, &since(&list["changed"]), &[]);
    let data = until_titles(&mut subscriber, |_any| true);
    assert_eq!((&data["added"][0]["path"], &data["changed"]), (&json!("films/b.mp4"), &json!([])));
    // A number of another server, and one from before the start of this one.
    for number in [json!(u64::MAX >> 1), json!(1)] {
        let mut subscriber = Subscriber::begin(&serving, &since(&number), &[]);
        assert_eq!(until_titles(&mut subscriber, |_any| true), json!({ "all": true }));
    }
    assert_eq!(serving.get("/api/events?titles_since=x", &[]).status, 400);
}
