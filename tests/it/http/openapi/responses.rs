//! Every response conforms to the description, and every described response occurs.

use std::{collections::BTreeSet, fs, io::Write as _, time::Duration};

use headwater::{
    package::storyboard::ImageFormat,
    queue::{JobId, Progress, Queue, Retry, State},
    transcode::{ImageSpec, JobSpec, Operation, images::Size},
};
use serde_json::{Value, json};

use super::{Api, NO_JOB, target};
use crate::support::{
    api_description::{names, names_of},
    bucket::Bucket,
    client::head,
    fault_proxy::{FaultProxy, Faults},
    folder::Folder,
    fuzz_corpus,
    jobs::{claim, queue},
    json::{ask, post, read, request},
    server::{occupy, serve_with},
    streams::put_sample,
    subscriber::{self, Subscriber},
    wait::{block_on, until},
};

#[test]
fn every_response_conforms_and_every_described_response_occurs() {
    let api = Api::new("revalidate_ms = 0");
    titles_and_texts(&api);
    reports(&api);
    a_job_from_request_to_end(&api);
    jobs_of_every_kind(&api);
    refused_requests(&api);
    notifications_of_a_bucket(&api);
    events(&api);
    unauthorized_requests(&api);
    unavailable_resources(&api);
    assert_eq!(api.description.unseen(), [""; 0]);
}

fn titles_and_texts(api: &Api) {
    for (path, is_kept) in [
        ("/api/titles", true),
        ("/api/titles/{path}", true),
        ("/v/{path}/inspect", true),
        ("/api/openapi.json", true),
        ("/api/status", false),
        ("/api/jobs", false),
        ("/healthz", false),
        ("/readyz", false),
    ] {
        let target = target(path, "");
        api.get(path, &target, 200);
        let tag = api.serving.get(&target, &[]).field("etag").map(str::to_owned);
        assert_eq!(tag.is_some(), is_kept, "{path}");
        if let Some(tag) = tag {
            for (field, status) in [
                ("Range: bytes=0-1", 206),
                ("Range: bytes=0-1, 3-4", 206),
                (&*format!("If-None-Match: {tag}"), 304),
                ("If-Match: \"another\"", 412),
                ("Range: bytes=99999999-", 416),
            ] {
                api.get_with(path, &target, &[field], status);
            }
        }
    }
    let page = api.get("/api/titles", "/api/titles?limit=1&sort=-size", 200);
    api.get("/api/titles", page["next"].as_str().expect("another page"), 200);
    api.get("/api/titles", "/api/titles?folder=", 200);
    api.get("/api/titles", "/api/titles?path=none.mp4", 200);
    api.get("/api/titles", "/api/titles?folder=none", 404);
    let here = format!("[[root]]\nname = \"here\"\ndir = {:?}\n", api.folder.path(""));
    let away = format!("{here}[[root]]\nname = \"away\"\ndir = \"/absent\"\n");
    let away = serve_with(&[], &away);
    api.description.check("GET", "/api/titles", &away.get("/api/titles", &[]), 200);
    api.get("/api/titles", "/api/titles?limit=0", 400);
    api.get("/api/titles/{path}", "/api/titles/none.mp4", 404);
    let long = "a".repeat(9000);
    let refused = api.serving.get(&format!("/api/titles?search={long}"), &[]);
    api.description.check_problem(&refused, 414);
    let refused =
        api.serving.get("/api/titles", &[&*format!("X-Long: {long}{long}{long}{long}"); 2]);
    api.description.check_problem(&refused, 431);
}

/// The seeds of the fuzz targets have everything that a report can have.
fn reports(api: &Api) {
    let path = "/v/{path}/inspect";
    let serving = serve_with(&[fuzz_corpus::movies()], "");
    for seed in fs::read_dir(fuzz_corpus::movies()).expect("a corpus") {
        let name = seed.expect("an entry").file_name();
        let target = format!("/v/{}/inspect", name.to_str().expect("a plain name"));
        api.description.check("GET", path, &serving.get(&target, &[]), 200);
    }
    api.get(path, "/v/films%2Ffilm.webm/inspect", 200);
    api.get(path, "/v/none.mp4/inspect", 404);
}

fn a_job_from_request_to_end(api: &Api) {
    let (one, queue) = ("/api/jobs/{id}", queue(&api.serving));
    let job_request = api
        .job_requests()
        .into_iter()
        .find(|(kind, _)| kind == "rendition")
        .expect("an example")
        .1
        .to_string();
    let job = api.send("POST", "/api/jobs", "", &job_request, 202);
    let id = job["id"].as_str().expect("an id");
    api.send("POST", "/api/jobs", "", &job_request, 200);
    assert_eq!(api.send("PATCH", one, id, r#"{"priority":1000}"#, 200)["priority"], 1000);
    api.send("PATCH", one, id, "", 400);
    let shown = |state: &str| {
        let shown = api.get(one, &target(one, id), 200);
        assert_eq!(shown["state"], state, "{shown}");
        api.get("/api/jobs", "/api/jobs", 200);
        shown
    };
    shown("queued");
    let lease = claim(&queue);
    let progress = Progress { permille: 999, stage: "encoding".into(), note: "a note".into() };
    block_on(queue.report(&lease, &progress, Duration::from_secs(600))).expect("a beat");
    assert_eq!(shown("running")["progress"]["percent"], 99.9);
    let Operation::Rendition { rendition } = operation_of(&queue, id) else {
        panic!("{job} is no rendition");
    };
    let chunk = |number: u32| spec(Operation::Chunk { rendition, number }).submission();
    assert!(block_on(queue.split(&lease, vec![chunk(1), chunk(2)])).expect("a database"));
    assert_eq!(shown("waiting")["children"][1]["parent"], id);
    assert!(block_on(queue.fail(&claim(&queue), "it broke", Retry::Never)).expect("a database"));
    assert_eq!(shown("failed")["error"].as_str().map(|why| why.contains("it broke")), Some(true));
    api.send("POST", "/api/jobs/{id}/cancel", id, "{}", 409);
    api.send("PATCH", "/api/jobs/{id}", id, r#"{"priority":1}"#, 409);
    api.send("POST", "/api/jobs/{id}/retry", id, "{}", 200);
    api.send("POST", "/api/jobs/{id}/cancel", id, "{}", 200);
    shown("cancelled");
    let id = &api.job();
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    assert_eq!(api.get(one, &target(one, id), 200)["state"], "done");
    api.send("POST", "/api/jobs/{id}/retry", id, "{}", 409);
    let states: BTreeSet<_> = State::ALL.iter().map(|state| state.as_str().to_owned()).collect();
    let described = api.description.at("/components/schemas/State/enum").as_array();
    assert_eq!(names(described.expect("names")), states);
}

pub(super) fn spec(operation: Operation) -> JobSpec {
    JobSpec { title: "films/film.mp4".into(), version: "0123456789abcdef".into(), operation }
}

/// The operation in the payload of a job.
fn operation_of(queue: &Queue, id: &str) -> Operation {
    let id: JobId = id.parse().expect("an id");
    let job = block_on(queue.job(id)).expect("a database").expect("a job");
    serde_json::from_str::<JobSpec>(&job.payload).expect("a job spec").operation
}

fn jobs_of_every_kind(api: &Api) {
    let queue = queue(&api.serving);
    for (_, request) in api.job_requests() {
        api.send("POST", "/api/jobs", "", &request.to_string(), 202);
    }
    let list = api.get("/api/jobs", "/api/jobs?state=queued&limit=500", 200);
    let mut jobs = list["jobs"].as_array().expect("a list").iter();
    let rendition = jobs.find(|job| job["kind"] == "rendition").expect("a rendition job");
    let Operation::Rendition { rendition } =
        operation_of(&queue, rendition["id"].as_str().expect("an id"))
    else {
        panic!("{rendition} is no rendition");
    };
    let size = Size::uncropped(320, 180);
    let format = ImageFormat::Webp;
    let images = [
        ImageSpec::Poster { size },
        ImageSpec::Thumbnail { time_ms: 0, exact: true, size, format },
        ImageSpec::Sheet { number: 1 },
        ImageSpec::Overview,
        ImageSpec::Preview { size },
    ];
    let others = [
        (Operation::Storyboard, json!({})),
        (Operation::Remux, json!({})),
        (
            Operation::Rendition { rendition },
            json!({ "height": 240, "codec": "h264", "effort": "quick" }),
        ),
        (
            Operation::Chunk { rendition, number: 7 },
            json!({ "height": 240, "codec": "h264", "effort": "quick", "chunk": 7 }),
        ),
        (Operation::Audio { track: 3 }, json!({ "track": 3 })),
        (Operation::SourcePoster { width: 320 }, json!({})),
        (Operation::Index { start: 0, end: 1 }, json!({})),
    ];
    let name = |value: Value| {
        let name = value.as_object().and_then(|members| members.keys().next().map(String::as_str));
        name.or(value.as_str()).expect("a name").to_owned()
    };
    let value = |image| serde_json::to_value(image).expect("JSON");
    let image_names: BTreeSet<_> = images.iter().map(|image| name(value(image))).collect();
    assert_eq!(image_names, names_of::<ImageSpec>());
    let images = images.map(|image| (Operation::Image(image), json!({})));
    let operations: Vec<_> = images.into_iter().chain(others).collect();
    let value = |operation| serde_json::to_value(operation).expect("JSON");
    let operation_names: BTreeSet<_> =
        operations.iter().map(|(operation, _)| name(value(operation))).collect();
    assert_eq!(operation_names, names_of::<Operation>());
    for (operation, members) in operations {
        let (job, _) = block_on(queue.enqueue(spec(operation).submission())).expect("a database");
        let shown = api.get("/api/jobs/{id}", &format!("/api/jobs/{}", job.id), 200);
        for name in ["height", "codec", "effort", "chunk", "track"] {
            assert_eq!(shown.get(name), members.get(name), "{name} of {shown}");
        }
        // The queue's payload is not shown.
        assert!(shown.get("make").or(shown.get("operation")).or(shown.get("payload")).is_none());
    }
    let list = api.get("/api/jobs", "/api/jobs?state=queued&limit=500", 200);
    let listed = list["jobs"].as_array().expect("a list");
    let described = api.description.at("/components/schemas/Job/properties/kind/enum").as_array();
    let kinds = names(listed.iter().map(|job| &job["kind"]));
    assert_eq!(names(described.expect("names")), kinds);
}

fn refused_requests(api: &Api) {
    let post_job = |content: &str, status| api.send("POST", "/api/jobs", "", content, status);
    post_job("{}", 400);
    post_job(r#"{"kind":"storyboard","title":"none.mp4"}"#, 404);
    post_job(r#"{"kind":"remux","title":"films/film.mp4"}"#, 422);
    // The server queues a job for a missing image.
    let waits = post_job(r#"{"kind":"storyboard","title":"films/film.webm"}"#, 503);
    assert!(waits["job"].is_string(), "{waits}");
    api.get("/api/jobs", "/api/jobs?state=lost", 400);
    put_sample(&api.folder, "Clock.mp4", "grows.mp4");
    api.get("/v/{path}/inspect", "/v/grows.mp4/inspect", 200);
    let path = api.folder.path("grows.mp4");
    let mut file = fs::OpenOptions::new().append(true).open(path).expect("a file");
    let job_request = r#"{"kind":"storyboard","title":"grows.mp4"}"#;
    let inspect = request("GET", "/v/grows.mp4/inspect", &[], "");
    for (method, path, bytes) in [
        ("GET", "/v/{path}/inspect", inspect),
        ("POST", "/api/jobs", post("/api/jobs", job_request)),
    ] {
        let mut response = None;
        // More than one write: the server sees growth only if it knew the length before.
        until("it is seen to grow", || {
            file.write_all(b"\0\0\0\x08free").expect("it grows");
            let mut client = api.serving.connect();
            client.send(&bytes);
            let latest = read(&mut client);
            let is_seen = String::from_utf8_lossy(&latest.body).contains("/errors/file-growing");
            response = Some(latest);
            is_seen
        });
        api.description.check(method, path, &response.expect("just seen"), 503);
    }
}

fn notifications_of_a_bucket(api: &Api) {
    let path = "/api/library/events";
    let examples = &api.description.operation("POST", path)["requestBody"]["content"];
    let examples = examples["application/json"]["examples"].as_object().expect("examples");
    for example in examples.values() {
        api.send("POST", path, "", &example["value"].to_string(), 202);
    }
    // No check of an event ends.
    let bucket = Bucket::new();
    bucket.put("a.mp4", "1");
    let proxy = FaultProxy::start(bucket.address);
    let folder = Folder::new();
    let serving = serve_with(&[], &bucket.root(&folder, &proxy.endpoint()));
    serving.until_scanned();
    let status = serving.get("/api/status", &[]);
    api.description.check("GET", "/api/status", &status, 200);
    proxy.set(Faults { silence: true, ..Faults::default() });
    let mut responses = (0..10).map(|round| {
        let record = |number| {
            let key = format!("{round}/{number}.mp4");
            json!({ "s3": { "bucket": { "name": bucket.name }, "object": { "key": key } } })
        };
        let records: Vec<_> = (0..500).map(record).collect();
        ask(&serving, "POST", path, &json!({ "Records": records }).to_string())
    });
    let full = responses.find(|response| response.status != 202).expect("the queue has an end");
    api.description.check("POST", path, &full, 503);
}

fn events(api: &Api) {
    let path = "/api/events";
    api.description.check("GET", path, &api.head_of("GET", path), 200);
    api.get(path, "/api/events?since=x", 400);
    let mut subscriber = Subscriber::begin(&api.serving, "/api/events?since=0", &[]);
    let job = subscriber.next();
    assert_eq!(job.name, "job");
    let conforms = |event: &subscriber::Event| {
        let mut members = json!({ "event": event.name, "data": event.data });
        if let Some(id) = event.id {
            members["id"] = id.into();
        }
        let reference = json!({ "$ref": "#/components/schemas/Event" });
        api.description.conforms(&reference, &members).expect("it conforms");
    };
    conforms(&job);
    api.serving.until_watching(&api.folder);
    put_sample(&api.folder, "Clock.mp4", "another.mp4");
    let titles = std::iter::repeat_with(|| subscriber.next())
        .find(|event| event.name != "job")
        .expect("an event");
    assert_eq!(titles.name, "titles");
    conforms(&titles);
    // More titles than an event names.
    for number in 0..60 {
        api.folder.put(format!(".hidden/{number}.mp4"), []);
    }
    fs::rename(api.folder.path(".hidden"), api.folder.path("many")).expect("renamed");
    let all = std::iter::repeat_with(|| subscriber.next()).find(|event| event.data["all"] == true);
    conforms(&all.expect("an event"));
    fs::remove_dir_all(api.folder.path("many")).expect("removed");
}

/// Each operation that is described to need authorization refuses a client without it; no other
/// does.
fn unauthorized_requests(api: &Api) {
    let folder = Folder::new();
    let token = folder.put("token", "correct-horse-battery-staple");
    let by_token = Api::new(&format!("api_token_file = \"{}\"", token.display()));
    let send = |api: &Api, bytes: String| {
        let mut client = api.serving.connect();
        client.send(bytes);
        read(&mut client)
    };
    for (method, path) in api.description.operations() {
        let target = target(&path, NO_JOB);
        let stranger = request(&method, &target, &["Origin: http://evil.example"], "{}");
        if api.description.operation(&method, &path).get("security").is_none() {
            assert_eq!(method, "GET", "{path}");
            let mut client = api.serving.connect();
            client.send(stranger);
            assert_ne!(client.read_head().expect("a head").status, 403, "{path}");
            continue;
        }
        let own = request(&method, &target, &[], "{}");
        let length = format!("Content-Length: {}", 64 * 1024 + 1);
        for (bytes, status) in [
            (stranger, 403),
            (own.replace("application/json", "text/plain"), 415),
            (head(&method, &target, &["Transfer-Encoding: chunked"]) + "0\r\n\r\n", 411),
            (head(&method, &target, &[&length]), 413),
        ] {
            api.description.check(&method, &path, &send(api, bytes), status);
        }
        api.description.check(&method, &path, &send(&by_token, own), 401);
        let bearer = ["Authorization: Bearer correct-horse-battery-staple"];
        let content = if method == "PATCH" { r#"{"priority":1}"# } else { "{}" };
        let shown = send(&by_token, request(&method, &target, &bearer, content));
        // No such job, and no valid job request.
        let status = if path.contains("{id}") { 404 } else { 400 };
        api.description.check(&method, &path, &shown, status);
    }
    api.get("/api/jobs/{id}", &format!("/api/jobs/{NO_JOB}"), 404);
}

fn unavailable_resources(api: &Api) {
    let short_deadline = Api::new("disk_deadline_ms = 200");
    short_deadline.serving.until_scanned();
    let held = occupy(&short_deadline.serving, 0);
    for path in ["/api/titles/{path}", "/v/{path}/inspect", "/readyz"] {
        let response = short_deadline.serving.get(&target(path, ""), &[]);
        api.description.check("GET", path, &response, 503);
    }
    drop(held);
    api.serving.site().jobs.store(None);
    for (method, path) in api.description.operations() {
        if !path.starts_with("/api/jobs") && path != "/api/events" {
            continue;
        }
        let target = target(&path, NO_JOB);
        let content = match method.as_str() {
            "GET" => "",
            "PATCH" => r#"{"priority":1}"#,
            _ => r#"{"kind":"storyboard","title":"films/film.mp4"}"#,
        };
        let response = ask(&api.serving, &method, &target, content);
        api.description.check(&method, &path, &response, 503);
    }
}
