//! Jobs of a server in this process: requests, and claims in the place of a worker.

use std::time::Duration;

use headwater::queue::{Class, Lease, Queue};
use serde_json::Value;

use crate::support::{
    folder::Folder,
    json::{ask, json},
    server::{Serving, serve},
    streams::put_sample,
    wait::block_on,
};

/// A folder with one title, and a server of it.
pub fn one_title() -> (Folder, Serving) {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let serving = serve(&folder);
    (folder, serving)
}

/// The queue of a server.
pub fn queue(serving: &Serving) -> Queue {
    serving.site().jobs.load_full().expect("a queue").queue.clone()
}

/// Posts a job request, and returns the job of the response.
pub fn post_job(serving: &Serving, job_request: &str) -> Value {
    json(&ask(serving, "POST", "/api/jobs", job_request), 202)
}

/// Claims the next job as a worker does.
pub fn claim(queue: &Queue) -> Lease {
    let classes = [Class::Image, Class::Remux, Class::Encode];
    let claimed = block_on(queue.claim("a test", &classes, Duration::from_secs(600)));
    claimed.expect("a database").expect("a job").1
}
