//! Webhooks about jobs: deliveries, signatures and retries.

use std::{path::Path, time::Duration};

use headwater::{
    queue::{Class, Filter, Job, Queue, Retry},
    store::Database,
};

use crate::support::{
    folder::Folder,
    jobs::{claim, post_job, queue},
    json::{ask, json, post, read},
    program::Program,
    server::{Serving, serve_with, start},
    streams::put_sample,
    wait::{block_on, until},
    webhook_receiver::{LOCALHOST, WebhookReceiver, configured},
};

const RENDITION: &str = r#"{"kind":"rendition","title":"a.mp4","height":240,"codec":"h264"}"#;

fn library() -> Folder {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    folder
}

/// The delivery jobs of a server.
fn deliveries(serving: &Serving) -> Vec<Job> {
    let filter = Filter { class: Some(Class::Webhook), ..Filter::default() };
    block_on(queue(serving).jobs(&filter, 100, None)).expect("a database")
}

#[test]
fn the_end_of_a_job_is_delivered_once_and_signed() {
    let folder = library();
    let receiver = WebhookReceiver::responding(&["204 No Content"]);
    let events = r#""rendition.ready", "job.failed""#;
    let lines = configured(&folder, &receiver.url, events);
    let serving = serve_with(&[folder.path("films")], &lines);
    let queue = queue(&serving);
    // No subscribed event.
    post_job(&serving, r#"{"kind":"storyboard","title":"a.mp4"}"#);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    let job = post_job(&serving, RENDITION);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    let delivery = receiver.next();
    assert_eq!(delivery.line, "POST /hook?by=us HTTP/1.1");
    assert_eq!(delivery.data()["type"], "rendition.ready");
    assert_eq!(delivery.data()["data"]["id"], job["id"]);
    assert_eq!(delivery.data()["data"]["height"], 240);
    post_job(&serving, RENDITION);
    let lease = claim(&queue);
    assert!(block_on(queue.fail(&lease, "it broke", Retry::Never)).expect("a database"));
    let failed = receiver.next();
    assert_eq!(failed.data()["type"], "job.failed");
    assert_eq!(failed.data()["data"]["error"], "it broke");
    assert_ne!(failed.field("webhook-id"), delivery.field("webhook-id"));
    until("both are done", || deliveries(&serving).iter().all(|job| job.state.is_end()));
    assert_eq!(deliveries(&serving).len(), 2);
    // Delivery jobs are not listed among the jobs.
    let list = json(&serving.get("/api/jobs", &[]), 200);
    assert_eq!(list["jobs"].as_array().expect("a list").len(), 3);
    let target = format!("/api/jobs/{}", delivery.field("webhook-id"));
    assert_eq!(serving.get(&target, &[]).status, 404);
    assert_eq!(ask(&serving, "PATCH", &target, r#"{"priority":1}"#).status, 404);
    for what in ["cancel", "retry"] {
        assert_eq!(ask(&serving, "POST", &format!("{target}/{what}"), "").status, 404);
    }
}

#[test]
fn a_refused_delivery_is_retried_later_and_follows_no_redirect() {
    for (status_line, error) in [("500 No", "500"), ("302 Found\r\nLocation: /other", "302")] {
        let folder = library();
        let status_lines: &'static [&'static str] = Box::leak(Box::new([status_line]));
        let receiver = WebhookReceiver::responding(status_lines);
        let lines = configured(&folder, &receiver.url, r#""rendition.ready""#);
        let serving = serve_with(&[folder.path("films")], &lines);
        post_job(&serving, RENDITION);
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
        assert!(delivery.last_error.expect("an error").contains(error));
    }
}

#[test]
fn a_receiver_that_responds_410_gets_no_further_delivery() {
    let folder = library();
    let receiver = WebhookReceiver::responding(&["410 Gone"]);
    let lines = configured(&folder, &receiver.url, r#""rendition.ready""#);
    let serving = serve_with(&[folder.path("films")], &lines);
    post_job(&serving, RENDITION);
    let queue = queue(&serving);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    until("the delivery ends", || deliveries(&serving).iter().any(|job| job.state.is_end()));
    receiver.next();
    assert_eq!(deliveries(&serving).len(), 1, "a failed delivery is no event");
}

#[test]
fn an_invalid_webhook_is_refused_at_start() {
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

#[test]
fn deliveries_trust_the_root_certificates_of_the_platform() {
    let folder = library();
    let receiver = WebhookReceiver::responding_over_tls(&["204 No Content"]);
    let lines = configured(&folder, &receiver.url, r#""job.failed""#);
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    let config = path(&folder.put("headwater.toml", lines));
    let roots = path(&folder.put("roots.pem", LOCALHOST));
    let data = folder.path("data");
    let arguments = ["--config", &config, "--data", &path(&data), &path(&folder.path("films"))];
    let variables = [("HEADWATER_LOCAL_WORKER", "false"), ("SSL_CERT_FILE", &roots)];
    let program = Program::serve(&arguments, &variables);
    let mut client = program.connect();
    client.send(post("/api/jobs", RENDITION));
    let job = json(&read(&mut client), 202);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let queue = Queue::new(Database::open(None, &data).await.expect("a database"));
        let claimed = queue.claim("a test", &[Class::Encode], Duration::from_secs(600)).await;
        let (_, lease) = claimed.expect("a database").expect("a job");
        assert!(queue.fail(&lease, "it broke", Retry::Never).await.expect("a database"));
    });
    assert_eq!(receiver.next().data()["data"]["id"], job["id"], "{}", program.logged());
}
