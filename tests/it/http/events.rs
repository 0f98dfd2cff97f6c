//! What is told to whoever listens.

use std::{net::Shutdown, time::Duration};

use headwater::{http::events::LISTENERS_MAX, queue::Progress};
use serde_json::Value;

use crate::{
    jobs::api::{claim, one_film, queue, wish},
    support::{
        client::{Client, head},
        http2,
        json::json,
        server::{Serving, serve_with},
        wait::{block_on, until},
    },
};

const WISH: &str = r#"{"kind":"rendition","title":"films/a.mp4","height":240,"codec":"h264"}"#;

/// More changes than are kept for anybody.
const LIVE_AND_MORE: u16 = 400;

/// Somebody who listens.
pub struct Listener {
    client: Client,
    unread: String,
}

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Of what.
    pub name: String,
    id: Option<i64>,
    /// What is told.
    pub data: Value,
}

impl Listener {
    /// Begins to listen.
    pub fn begin(serving: &Serving, target: &str, fields: &[&str]) -> Self {
        let mut client = serving.connect();
        client.send(head("GET", target, fields));
        let answer = client.read_head().expect("a head");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("content-type"), Some("text/event-stream"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("content-encoding"), None);
        let mut listener = Self { client, unread: String::new() };
        assert_eq!(listener.block(), "retry: 2000");
        listener
    }

    /// The next lines up to an empty one.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return block;
            }
            let chunk = self.client.read_chunk().expect("more");
            assert!(!chunk.is_empty(), "the stream has ended");
            self.unread += std::str::from_utf8(&chunk).expect("text");
        }
    }

    /// The next event.
    pub fn next(&mut self) -> Event {
        loop {
            let block = self.block();
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start().to_owned())
            };
            let Some(name) = field("event:") else {
                continue;
            };
            let id = field("id:").map(|id| id.parse().expect("a number"));
            let data = serde_json::from_str(&field("data:").expect("data")).expect("JSON");
            return Event { name, id, data };
        }
    }

    /// The next that is told of a job.
    fn next_job(&mut self) -> Event {
        loop {
            let event = self.next();
            if event.name == "job" {
                assert_eq!(event.id, event.data["changed"].as_i64());
                return event;
            }
        }
    }
}

#[test]
fn who_listens_is_told_of_each_change_and_what_was_before_is_in_the_list() {
    let (_folder, serving) = one_film();
    let before = wish(&serving, r#"{"kind":"storyboard","title":"films/a.mp4"}"#);
    let list = json(&serving.get("/api/jobs", &[]), 200);
    assert_eq!(list["changed"], before["changed"]);
    let mut listener =
        Listener::begin(&serving, &format!("/api/events?since={}", list["changed"]), &[]);
    let job = wish(&serving, WISH);
    let told = listener.next_job();
    assert_eq!(told.data, job);
    let (queue, mut last) = (queue(&serving), told.id);
    let first = claim(&queue);
    let told = listener.next_job();
    assert_eq!((&told.data["id"], &told.data["state"]), (&before["id"], &"running".into()));
    let progress = Progress { permille: 500, stage: "reading".into(), note: "line\nline".into() };
    block_on(queue.renew(&first, &progress, Duration::from_secs(600))).expect("a beat");
    let told = listener.next_job();
    assert_eq!(told.data["progress"]["note"], "line\nline");
    assert!(std::mem::replace(&mut last, told.id) < told.id);
    block_on(queue.finish(&first, &[])).expect("a database");
    let told = listener.next_job();
    assert_eq!((told.id > last, &told.data["state"]), (true, &"done".into()));
}

#[test]
fn who_comes_back_is_told_what_it_has_missed_and_nothing_twice() {
    let (_folder, serving) = one_film();
    let mut listener = Listener::begin(&serving, "/api/events?since=0", &[]);
    let job = wish(&serving, WISH);
    let id = listener.next_job().id.expect("an id");
    drop(listener);
    let lease = claim(&queue(&serving));
    block_on(queue(&serving).finish(&lease, &[])).expect("a database");
    // What it was told last is newer than where it began.
    let came = format!("Last-Event-ID: {id}");
    let mut listener = Listener::begin(&serving, "/api/events?since=0", &[&came]);
    let told = listener.next_job();
    assert_eq!((&told.data["id"], &told.data["state"]), (&job["id"], &"done".into()));
    let next = wish(&serving, WISH);
    assert_eq!(listener.next_job().data, next);
    // The number of another database's.
    let mut listener = Listener::begin(&serving, "/api/events", &["Last-Event-ID: 999999"]);
    assert_eq!(listener.next_job().data["state"], "done");
    for query in ["since=x", "since=-1", "since=", "colour=1", "since=0&colour=1"] {
        assert_eq!(serving.get(&format!("/api/events?{query}"), &[]).status, 400, "{query}");
    }
}

#[test]
fn other_titles_are_told_of_too() {
    let (folder, serving) = one_film();
    serving.until_watching(&folder);
    let mut listener = Listener::begin(&serving, "/api/events?since=0", &[]);
    // Its first word: from then on it is listened to all.
    wish(&serving, WISH);
    listener.next_job();
    folder.put("films/b.mp4", [0; 10]);
    let mut told = listener.next();
    while told.data["titles"] != 2 {
        told = listener.next();
    }
    assert_eq!((&*told.name, told.id), ("titles", None));
}

#[test]
fn a_slow_listener_costs_no_memory_and_is_told_the_last_state_of_all() {
    let (folder, _) = one_film();
    let serving = serve_with(&[folder.path("")], "send_buffer_kib = 4\nunsent_kib = 16");
    let job = wish(&serving, WISH);
    let (queue, lease) = (queue(&serving), claim(&queue(&serving)));
    let mut slow = Client::narrow(serving.address, 4096);
    slow.send(head("GET", "/api/events?since=0", &[]));
    assert_eq!(slow.read_head().expect("a head").status, 200);
    let mut quick = Listener::begin(&serving, "/api/events?since=0", &[]);
    assert_eq!(quick.next_job().data["id"], job["id"]);
    let mut beat = |permille: u16| {
        let note = "x".repeat(2000);
        let progress = Progress { permille, stage: "reading".into(), note };
        block_on(queue.renew(&lease, &progress, Duration::from_secs(600))).expect("a beat");
        while quick.next_job().data["progress"]["percent"] != f64::from(permille) / 10.0 {}
    };
    (1..=LIVE_AND_MORE).for_each(&mut beat);
    let mut slow = Listener { client: slow, unread: String::new() };
    let (mut last, mut count) = (0, 0);
    loop {
        let told = slow.next_job();
        let id = told.id.expect("an id");
        assert!(id > last, "in order, and none twice");
        (last, count) = (id, count + 1);
        if told.data["progress"]["percent"] == f64::from(LIVE_AND_MORE) / 10.0 {
            break;
        }
    }
    assert!(count < LIVE_AND_MORE, "it was told of every change");
}

#[test]
fn so_many_may_listen_and_one_who_goes_makes_room() {
    let (_folder, serving) = one_film();
    let client = http2::Client::connect(serving.address);
    let other = http2::Client::connect(serving.address);
    let third = http2::Client::connect(serving.address);
    let begin = |client: &http2::Client| {
        client.begin("GET", "http://localhost/api/events", &[]).expect("an answer")
    };
    let mut listeners: Vec<_> = (0..LISTENERS_MAX)
        .map(|place| match place % 2 {
            0 => begin(&client),
            _ => begin(&other),
        })
        .collect();
    assert!(listeners.iter().all(|listener| listener.head.status == 200));
    assert_eq!(begin(&third).head.status, 503);
    listeners.pop();
    until("there is room again", || begin(&third).head.status == 200);
}

#[test]
fn listeners_do_not_hold_up_a_server_that_goes_down() {
    let (_folder, mut serving) = one_film();
    let mut listeners = [
        Listener::begin(&serving, "/api/events", &[]),
        Listener::begin(&serving, "/api/events", &[]),
    ];
    let has_ended = serving.drain();
    for listener in &mut listeners {
        assert!(listener.client.read_chunk().expect("the end").is_empty());
        assert!(listener.client.is_closed());
    }
    until("the server has ended", has_ended);
}

#[test]
fn who_has_closed_its_side_is_let_go() {
    let (_folder, serving) = one_film();
    let mut listener = Listener::begin(&serving, "/api/events", &[]);
    listener.client.socket().shutdown(Shutdown::Write).expect("half closed");
    assert!(listener.client.read_chunk().expect("the end").is_empty());
    until("it is gone", || serving.site().metrics.open_connections() == 0);
}
