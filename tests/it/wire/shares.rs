//! Each client's share of what the server has: however much one asks for, others are served.

use std::{net::TcpStream, sync::mpsc};

use headwater::{http::events::SUBSCRIBERS_MAX, shares::ClientKey};

use crate::support::{
    client::{Client, head, socket_from},
    folder::{Folder, pattern},
    http2,
    jobs::one_title,
    program::Program,
    server::{Serving, occupy, serve_with},
    wait::until,
};

/// The last bytes of the clients' addresses in 127.0.0.0/8.
const GREEDY: u8 = 2;
const INNOCENT: u8 = 3;

fn one_file(configuration: &str) -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve_with(&[folder.path("")], configuration);
    (folder, serving)
}

/// A connection that has received a response, so that the server has taken it for certain.
fn served(number: u8, serving: &Serving) -> Client {
    let mut client = Client::connect_from(number, serving.address);
    assert_eq!(client.request("GET", "/media/a.mp4", &[]).status, 200);
    client
}

#[test]
fn an_address_at_its_limit_does_not_stop_another() {
    let (_folder, serving) = one_file("connections_per_address = 2\nmax_connections = 4");
    let mut within = [served(GREEDY, &serving), served(GREEDY, &serving)];
    // They stay open on the client's side.
    let mut above: Vec<_> =
        (0..200).map(|_| Client::connect_from(GREEDY, serving.address)).collect();
    let mut innocent = [served(INNOCENT, &serving), served(INNOCENT, &serving)];
    for refused in &mut above {
        assert_eq!(refused.read("GET").expect("a response without a request").status, 503);
        assert!(refused.is_closed());
    }
    for client in within.iter_mut().chain(&mut innocent) {
        assert_eq!(client.request("GET", "/media/a.mp4", &[]).status, 200);
    }
    drop(within);
    until("their places are free", || serving.site().metrics.open_connections() == 2);
    served(GREEDY, &serving);
    let metric = r#"headwater_refusals_total{resource="connections",reason="address"}"#;
    drop(innocent);
    assert_eq!(serving.metric(metric), 200);
}

#[test]
fn a_full_server_takes_a_new_address_in_place_of_the_newest_of_the_greediest() {
    let (_folder, serving) = one_file("max_connections = 10");
    let mut greedy: Vec<_> = (0..10).map(|_| served(GREEDY, &serving)).collect();
    let mut innocent: Vec<_> = (0..5).map(|_| served(INNOCENT, &serving)).collect();
    for client in greedy.drain(5..) {
        assert!({ client }.is_closed(), "its place went to the other address");
    }
    for number in [GREEDY, INNOCENT] {
        // Each has its half now.
        let refused = Client::connect_from(number, serving.address).read("GET");
        assert_eq!(refused.expect("a response").status, 503);
    }
    for client in greedy.iter_mut().chain(&mut innocent) {
        assert_eq!(client.request("GET", "/media/a.mp4", &[]).status, 200);
    }
}

#[test]
fn three_hundred_cold_requests_of_one_address_do_not_delay_another() {
    let (_folder, serving) = one_file("disk_threads = 1");
    serving.until_scanned();
    let pool = serving.site().titles.library.roots()[0].root.pool();
    let held = occupy(&serving, 0);
    let ask = |number: u8, name: &str| -> Client {
        let waiting = pool.waiting();
        let mut client = Client::connect_from(number, serving.address);
        // A missing file takes exactly one call.
        client.send(head("GET", &format!("/media/{name}.mp4"), &[]));
        until("it waits for the disk", || pool.waiting() > waiting);
        client
    };
    let mut first = ask(GREEDY, "missing");
    // The second call of the greedy client ends only when the test says so.
    let (release, wait) = mpsc::channel::<()>();
    let greedy = ClientKey::from(first.socket().local_addr().expect("an address").ip());
    pool.run_detached(greedy, move || wait.recv().unwrap_or_default());
    let others: Vec<_> = (0..300).map(|number| ask(GREEDY, &number.to_string())).collect();
    let mut innocent = ask(INNOCENT, "absent");
    drop(held);
    assert_eq!(first.read("GET").expect("a response").status, 404);
    assert_eq!(innocent.read("GET").expect("a response").status, 404);
    assert!(pool.waiting() >= others.len(), "all others wait behind the second call");
    drop(release);
    for mut client in others {
        assert_eq!(client.read("GET").expect("a response").status, 404);
    }
}

#[test]
fn an_address_with_all_event_streams_gives_one_up_for_another() {
    let (_folder, serving) = one_title();
    let begin = |number| {
        let mut client = Client::connect_from(number, serving.address);
        client.send(head("GET", "/api/events", &[]));
        let status = client.read_head().expect("a head").status;
        (client, status)
    };
    let mut greedy: Vec<_> = (0..SUBSCRIBERS_MAX).map(|_| begin(GREEDY)).collect();
    assert!(greedy.iter().all(|(_, status)| *status == 200));
    let (_innocent, status) = begin(INNOCENT);
    assert_eq!(status, 200);
    let (mut newest, _) = greedy.pop().expect("many");
    // Perhaps before the greeting was sent.
    while !newest.read_chunk().expect("the greeting, and the end").is_empty() {}
    assert_eq!(begin(GREEDY).1, 503, "it has more than another");
    let refusals = |reason| {
        let metric = format!(r#"headwater_refusals_total{{resource="events",reason="{reason}"}}"#);
        serving.metric(&metric)
    };
    assert_eq!((refusals("revoked"), refusals("full")), (1, 1));
}

#[test]
fn an_address_that_follows_as_often_as_possible_gives_one_up_for_another() {
    let (_folder, serving) = one_file("max_connections = 10\nfollow_idle_s = 86400");
    let client = |number| http2::Client::over(socket_from(number, serving.address), http2::WINDOW);
    let (greedy, innocent) = (client(GREEDY), client(INNOCENT));
    let follow = |client: &http2::Client| {
        client.begin("GET", "http://test/media/a.mp4?follow", &[]).expect("a response")
    };
    let mut followed: Vec<_> = (0..10).map(|_| follow(&greedy)).collect();
    assert!(followed.iter().all(|response| response.head.status == 200));
    assert_eq!(follow(&innocent).head.status, 200);
    let newest = followed.pop().expect("ten");
    greedy.finish(newest).expect_err("a reset, for the file goes on");
    let metric = r#"headwater_refusals_total{resource="follow",reason="revoked"}"#;
    assert_eq!(serving.metric(metric), 1);
}

#[test]
fn connections_stay_below_the_limit_of_descriptors_and_files_open_at_any_time() {
    let folder = Folder::new();
    for number in 0..50 {
        folder.put(format!("{number}.mp4"), pattern(1000));
    }
    let program = Program::serve_within(300, &[folder.path("")]);
    until("the log says so", || program.logged().contains("too few file descriptors"));
    let _held: Vec<TcpStream> = (0..400).map(|_| socket_from(GREEDY, program.address)).collect();
    let mut innocent = Client::connect_from(INNOCENT, program.address);
    for number in 0..50 {
        let response = innocent.request("GET", &format!("/media/{number}.mp4"), &[]);
        assert_eq!(response.status, 200, "{number}");
    }
}

#[test]
fn without_a_descriptor_a_file_is_503_until_one_is_free() {
    let folder = Folder::new();
    for number in 0..3 {
        folder.put(format!("{number}.mp4"), pattern(1000));
    }
    // Only requests open files.
    let program = Program::serve(&[folder.path("")], &[("HEADWATER_INDEX_TITLES", "false")]);
    until("it has scanned and opened all that it needs", || program.logged().contains("watching"));
    let mut client = program.connect();
    assert_eq!(client.request("GET", "/media/0.mp4", &[]).status, 200);
    program.limit_descriptors(3);
    let response = client.request("GET", "/media/1.mp4", &[]);
    assert_eq!(response.status, 503);
    assert!(response.field("retry-after").is_some());
    // It waits in the listen queue.
    let mut waiting = program.connect();
    waiting.send(head("GET", "/media/2.mp4", &[]));
    program.limit_descriptors(1000);
    assert_eq!(client.request("GET", "/media/1.mp4", &[]).status, 200);
    assert_eq!(waiting.read("GET").expect("a response").status, 200);
}
