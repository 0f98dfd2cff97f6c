//! A client that requests more images than a worker renders does not keep other clients from theirs.

use std::thread;

use headwater::queue::{Class, Filter, State};

use crate::support::{
    client::{Client, Response},
    deployment::{Deployment, TITLES, on_both},
    json::json,
    wait::until_slowly,
};

/// The last numbers of the addresses of a stranger, and of a visitor.
const STRANGER: u8 = 2;
const VISITOR: u8 = 3;

/// The connections of the stranger.
const CONNECTIONS: u32 = 64;

on_both! {
    distinct_times_are_few_images distinct_times;
    a_visitor_gets_a_poster_while_a_stranger_fills_the_queue poster_meanwhile;
    over_its_share_only_the_stranger_is_refused share;
    a_visitor_who_asks_for_thumbnails_writes_no_lines_of_the_log lines;
}

fn thumbnail(number: u32, more: &str) -> String {
    let time_ms = number * 180;
    format!("/v/{}/thumbnail.jpg?time={}.{:03}{more}", TITLES[0], time_ms / 1000, time_ms % 1000)
}

fn distinct_times(deployment: &Deployment) {
    let program = deployment.serve(&["--image-wait-s=60"]);
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let mut client = Client::connect_from(STRANGER, program.address);
            thread::spawn(move || client.request("GET", &thumbnail(number, ""), &[]).status)
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().expect("a response"), 200);
    }
    // Segments begin at 0 s and about 6 s.
    assert!(deployment.jobs().len() <= 3, "{:#?}", deployment.jobs());
}

fn poster_meanwhile(deployment: &Deployment) {
    let program = deployment.serve(&["--image-wait-s=60"]);
    let mut strangers: Vec<_> =
        (0..CONNECTIONS).map(|_| Client::connect_from(STRANGER, program.address)).collect();
    for (number, stranger) in (0..).zip(&mut strangers) {
        stranger.send(crate::support::client::head("GET", &thumbnail(number, "&exact"), &[]));
    }
    let waiting = || {
        let filter = Filter {
            class: Some(Class::Thumbnail),
            state: Some(State::Queued),
            ..Filter::default()
        };
        deployment.ask(deployment.queue.jobs(&filter, 500, None)).expect("a database").len()
    };
    until_slowly("the stranger has a queue", || waiting() > 30);
    let mut visitor = Client::connect_from(VISITOR, program.address);
    for view in ["poster.jpg?width=320", "storyboard.jpg"] {
        let response = visitor.request("GET", &format!("/v/{}/{view}", TITLES[1]), &[]);
        assert_eq!(response.status, 200, "{view}");
        assert!(waiting() > 0, "{view} came before the thumbnails of the stranger");
    }
    let thumbnail = format!("/v/{}/thumbnail.jpg?time=3&exact", TITLES[1]);
    assert_eq!(visitor.request("GET", &thumbnail, &[]).status, 200);
    assert!(waiting() > 0, "a thumbnail of the visitor has its turn");
}

fn lines(deployment: &Deployment) {
    let program = deployment.serve(&["--image-wait-s=60"]);
    let mut visitor = program.connect();
    for view in ["thumbnail.jpg?time=3&exact", "poster.jpg"] {
        let response = visitor.request("GET", &format!("/v/{}/{view}", TITLES[0]), &[]);
        assert_eq!(response.status, 200, "{view}");
    }
    until_slowly("a job's end is logged", || program.logged().contains("job ended"));
    let logged = program.logged();
    assert!(logged.contains("kind=\"poster\""), "{logged}");
    assert!(!logged.contains("kind=\"thumbnail\""), "{logged}");
}

fn share(deployment: &Deployment) {
    let program = deployment.serve(&["--local-worker=false"]);
    let request = |client: &mut Client, number: u32| -> Response {
        client.request(
            "GET",
            &thumbnail(number % 60, &format!("&exact&wait=0&width={}", 90 + 90 * (number / 60))),
            &[],
        )
    };
    let mut stranger = Client::connect_from(STRANGER, program.address);
    let mut accepted = 0;
    let refused = loop {
        let response = request(&mut stranger, accepted);
        if response.status != 202 {
            break response;
        }
        accepted += 1;
        assert!(accepted < 256, "the stranger has all places");
    };
    assert_eq!(accepted, 128, "half of the places");
    assert_eq!(json(&refused, 503)["type"], "/errors/busy");
    assert_eq!(refused.field("retry-after"), Some("5"));
    let mut visitor = Client::connect_from(VISITOR, program.address);
    for number in 200..210 {
        assert_eq!(request(&mut visitor, number).status, 202);
    }
    // The stranger still gets what needs no place.
    let response = stranger.request("GET", &format!("/v/{}/index.m3u8", TITLES[0]), &[]);
    assert_eq!(response.status, 200);
}
