//! Whom it is told what has become of the jobs, and by which requests.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::mpsc::{Receiver, channel},
    thread,
};

use headwater::{
    queue::{Class, Filter, Job, Retry},
    webhooks::Secret,
};
use serde_json::Value;

use crate::{
    jobs::api::{claim, queue, wish},
    support::{
        folder::Folder,
        json::{ask, json},
        server::{Serving, serve_with, start},
        streams::put_sample,
        wait::{block_on, until},
    },
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const RENDITION: &str = r#"{"kind":"rendition","title":"a.mp4","height":240,"codec":"h264"}"#;

/// Somebody who is told.
pub struct Receiving {
    /// Where.
    pub url: String,
    told: Receiver<Told>,
}

/// A delivery as it came.
pub struct Told {
    line: String,
    fields: Vec<(String, String)>,
    body: String,
}

impl Told {
    /// The value of a field that it must have.
    pub fn field(&self, name: &str) -> &str {
        let value = self.fields.iter().find(|field| field.0 == name);
        &value.unwrap_or_else(|| panic!("{name} in {:?}", self.fields)).1
    }

    /// What was told, by whom it says it was.
    pub fn data(&self) -> Value {
        let secret = Secret::parse(SECRET).expect("a secret");
        let timestamp = self.field("webhook-timestamp").parse().expect("a number");
        let signature = secret.sign(self.field("webhook-id"), timestamp, &self.body);
        assert_eq!(self.field("webhook-signature"), signature);
        assert_eq!(self.field("content-type"), "application/json");
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl Receiving {
    /// Answers each delivery with these fields, and with the next of these statuses; the last stays.
    pub fn answering(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}/told?by=us", listener.local_addr().expect("an address"));
        let (tell, told) = channel();
        let mut answers = statuses.iter().chain(std::iter::repeat(statuses.last().expect("one")));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut lines = reader.by_ref().lines().map_while(Result::ok);
                let line = lines.next().unwrap_or_default();
                let head = lines.take_while(|line| !line.is_empty());
                let fields: Vec<_> = head
                    .filter_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        Some((name.to_ascii_lowercase(), value.to_owned()))
                    })
                    .collect();
                let length = fields.iter().find(|field| field.0 == "content-length");
                let length = length.and_then(|field| field.1.parse().ok()).unwrap_or_default();
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("all of it");
                let answer = answers.next().expect("the last stays");
                let mut stream = reader.into_inner();
                write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").expect("taken");
                let body = String::from_utf8(body).expect("text");
                if tell.send(Told { line, fields, body }).is_err() {
                    return;
                }
            }
        });
        Self { url, told }
    }

    /// The next delivery.
    pub fn next(&self) -> Told {
        let mut told = None;
        until("something is told", || {
            told = self.told.try_recv().ok();
            told.is_some()
        });
        told.expect("just seen")
    }
}

/// The lines that configure one who is told.
pub fn configured(folder: &Folder, url: &str, events: &str) -> String {
    let file = folder.put("secret", format!("{SECRET}\n"));
    let file = file.display();
    format!("[[webhook]]\nurl = \"{url}\"\nsecret_file = \"{file}\"\nevents = [{events}]\n")
}

fn library() -> Folder {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    folder
}

/// The deliveries that there are.
fn deliveries(serving: &Serving) -> Vec<Job> {
    let filter = Filter { class: Some(Class::Webhook), ..Filter::default() };
    block_on(queue(serving).jobs(&filter, 100, None)).expect("a database")
}

#[test]
fn what_becomes_of_a_job_is_told_once_and_signed() {
    let folder = library();
    let receiver = Receiving::answering(&["204 No Content"]);
    let events = r#""rendition.ready", "job.failed""#;
    let lines = configured(&folder, &receiver.url, events);
    let serving = serve_with(&[folder.path("films")], &lines);
    let queue = queue(&serving);
    // Of this nobody is told.
    wish(&serving, r#"{"kind":"storyboard","title":"a.mp4"}"#);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    let job = wish(&serving, RENDITION);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    let told = receiver.next();
    assert_eq!(told.line, "POST /told?by=us HTTP/1.1");
    assert_eq!(told.data()["type"], "rendition.ready");
    assert_eq!(told.data()["data"]["id"], job["id"]);
    assert_eq!(told.data()["data"]["make"]["rendition"]["rung"]["lines"], 240);
    wish(&serving, RENDITION);
    let lease = claim(&queue);
    assert!(block_on(queue.fail(&lease, "it broke", Retry::Never)).expect("a database"));
    let failed = receiver.next();
    assert_eq!(failed.data()["type"], "job.failed");
    assert_eq!(failed.data()["data"]["error"], "it broke");
    assert_ne!(failed.field("webhook-id"), told.field("webhook-id"));
    until("both are done", || deliveries(&serving).iter().all(|job| job.state.is_end()));
    assert_eq!(deliveries(&serving).len(), 2);
    // That it was told is not shown among the jobs.
    let list = json(&serving.get("/api/jobs", &[]), 200);
    assert_eq!(list["jobs"].as_array().expect("a list").len(), 3);
    let delivery = format!("/api/jobs/{}", told.field("webhook-id"));
    assert_eq!(serving.get(&delivery, &[]).status, 404);
    assert_eq!(ask(&serving, "PATCH", &delivery, r#"{"priority":1}"#).status, 404);
    for what in ["cancel", "retry"] {
        assert_eq!(ask(&serving, "POST", &format!("{delivery}/{what}"), "").status, 404);
    }
}

#[test]
fn a_delivery_that_is_not_taken_waits_to_be_tried_again_and_follows_no_redirect() {
    for (answer, told) in [("500 No", "500"), ("302 Found\r\nLocation: /other", "302")] {
        let folder = library();
        let answers: &'static [&'static str] = Box::leak(Box::new([answer]));
        let receiver = Receiving::answering(answers);
        let lines = configured(&folder, &receiver.url, r#""rendition.ready""#);
        let serving = serve_with(&[folder.path("films")], &lines);
        wish(&serving, RENDITION);
        let queue = queue(&serving);
        assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
        receiver.next();
        let mut delivery = None;
        until("it has failed", || {
            delivery = deliveries(&serving).pop();
            delivery.as_ref().is_some_and(|job| job.last_error.is_some())
        });
        let delivery = delivery.expect("just seen");
        assert!(!delivery.state.is_end(), "{delivery:?}");
        assert!(delivery.run_at_ms > delivery.created_ms);
        assert!(delivery.last_error.expect("an error").contains(told));
    }
}

#[test]
fn a_receiver_that_is_gone_for_good_is_left_alone() {
    let folder = library();
    let receiver = Receiving::answering(&["410 Gone"]);
    let lines = configured(&folder, &receiver.url, r#""rendition.ready""#);
    let serving = serve_with(&[folder.path("films")], &lines);
    wish(&serving, RENDITION);
    let queue = queue(&serving);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    until("it is given up", || deliveries(&serving).iter().any(|job| job.state.is_end()));
    receiver.next();
    assert_eq!(deliveries(&serving).len(), 1, "of what was not told, nobody is told either");
}

#[test]
fn what_cannot_be_told_is_refused_at_the_start() {
    let folder = library();
    let roots = [folder.path("films")];
    let good = configured(&folder, "http://127.0.0.1:1/", r#""job.failed""#);
    drop(serve_with(&roots, &good));
    for (from, to) in [("job.failed", "job.lost"), ("http:", "ftp:"), ("events", "event")] {
        let bad = good.replace(from, to);
        let read = toml::from_str::<headwater::config::Layer>(&bad);
        assert!(read.is_err_and(|error| error.to_string().contains("line")), "{bad}");
    }
    folder.put("secret", "whsec_short");
    let error = start(&roots, &good).err().expect("no secret").to_string();
    assert!(error.contains("webhook") && error.contains("24 to 64"), "{error}");
    std::fs::remove_file(folder.path(Path::new("secret"))).expect("it was there");
    assert!(start(&roots, &good).is_err());
}
