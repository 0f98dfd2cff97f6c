//! `/api/openapi.json`: the API conforms to its description, and the description is complete.

use std::{collections::BTreeSet, fs, io::Write as _, time::Duration};

use headwater::{
    config::WebhookEvent,
    http::problem::ProblemType,
    package::storyboard::ImageFormat,
    queue::{JobId, Progress, Queue, Retry, State},
    transcode::{ImageSpec, JobSpec, Operation, images::Size},
};
use serde_json::{Value, json};

use crate::support::{
    api_description::{Description, names, names_behind_the_first, names_of, variants},
    client::{Response, head},
    folder::Folder,
    fuzz_corpus,
    jobs::{claim, queue},
    json::{ask, json, post, read, request},
    server::{Serving, occupy, serve_with},
    streams::put_sample,
    subscriber::{self, Subscriber},
    wait::{block_on, until},
    webhook_receiver::{self, WebhookReceiver},
};

/// The id of no job.
const NO_JOB: &str = "0190b0a0-0000-7000-8000-000000000000";

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];

/// A server of the titles that the examples name, and its description.
struct Api {
    folder: Folder,
    serving: Serving,
    description: Description,
}

impl Api {
    fn new(configuration: &str) -> Self {
        let folder = Folder::new();
        put_sample(&folder, "Clock.mp4", "films/film.mp4");
        put_sample(&folder, "Clock.webm", "films/film.webm");
        let audio = fs::read(fuzz_corpus::movies().join("ffmpeg-ac3.mp4")).expect("a seed");
        folder.put("films/ac-3.mp4", audio);
        let serving = serve_with(&[folder.path("")], configuration);
        let description = Description::fetch(&serving);
        Self { folder, serving, description }
    }

    /// The response to a GET of a described path, at a target of that path.
    #[track_caller]
    fn get(&self, path: &str, target: &str, status: u16) -> Value {
        self.get_with(path, target, &[], status)
    }

    #[track_caller]
    fn get_with(&self, path: &str, target: &str, fields: &[&str], status: u16) -> Value {
        self.description.check("GET", path, &self.serving.get(target, fields), status)
    }

    /// The response to a request that changes something. The request body must conform too.
    #[track_caller]
    fn send(&self, method: &str, path: &str, id: &str, content: &str, status: u16) -> Value {
        if let Some(schema) = self.description.taken(method, path).filter(|_| status < 300) {
            let content = serde_json::from_str(content).expect("JSON");
            self.description.conforms(schema, &content).expect("the request conforms");
        }
        let response = ask(&self.serving, method, &path.replace("{id}", id), content);
        self.description.check(method, path, &response, status)
    }

    /// A queued storyboard job.
    fn job(&self) -> String {
        let job_request = r#"{"kind":"storyboard","title":"films/film.mp4"}"#;
        let response = ask(&self.serving, "POST", "/api/jobs", job_request);
        let job: Value = serde_json::from_slice(&response.body).expect("JSON");
        job["id"].as_str().expect("an id").to_owned()
    }

    /// The job requests that the description gives as examples, by kind.
    fn job_requests(&self) -> Vec<(String, Value)> {
        let content = self.description.operation("POST", "/api/jobs");
        let examples = &content["requestBody"]["content"]["application/json"]["examples"];
        let examples = examples.as_object().expect("examples");
        examples.iter().map(|(kind, example)| (kind.clone(), example["value"].clone())).collect()
    }

    /// The head of a response; its body may be an endless stream.
    fn head_of(&self, method: &str, target: &str) -> Response {
        let mut client = self.serving.connect();
        client.send(request(method, target, &[], ""));
        client.read_head().expect("a head")
    }
}

/// A target of a described path.
fn target(path: &str, job: &str) -> String {
    path.replace("{path}", "films%2Ffilm.mp4").replace("{id}", job)
}

#[test]
fn the_description_is_compressed_text_of_this_version() {
    let api = Api::new("");
    let response = api.serving.get("/api/openapi.json", &["Origin: https://a.example"]);
    let description = json(&response, 200);
    assert_eq!(description["openapi"], "3.1.1");
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(response.field("content-type"), Some("application/json"));
    assert_eq!(response.field("cache-control"), Some("no-cache"));
    assert_eq!(response.field("access-control-allow-origin"), None);
    let head = api.serving.request("HEAD", "/api/openapi.json", &[]);
    assert_eq!(head.field("content-length"), response.field("content-length"));
    let coded = api.serving.get("/api/openapi.json", &["Accept-Encoding: gzip"]);
    assert_eq!(coded.field("content-encoding"), Some("gzip"));
    assert_eq!(api.description.open_objects(), [""; 0]);
}

#[test]
fn the_description_has_every_route_of_the_api_and_no_other() {
    let api = Api::new("");
    let routes = include_str!("../../../src/http/app.rs")
        .split("web::resource(\"/api/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let routes: BTreeSet<_> =
        routes.map(|route| format!("/api/{}", route.replace(":.*}", "}"))).collect();
    let described =
        api.description.members("/paths").keys().filter(|path| path.starts_with("/api/")).cloned();
    assert_eq!(described.collect::<BTreeSet<_>>(), routes);
    let readme = include_str!("../../../README.md");
    for path in api.description.members("/paths").keys() {
        let documented = path.replace('{', "<").replace('}', ">");
        // The README names the routes below a job in the row of the job.
        let is_documented = readme.contains(&format!("`{documented}`")) || path.contains("{id}/");
        assert!(is_documented, "the README does not know {path}");
    }
}

#[test]
fn described_methods_are_allowed_and_every_other_is_405() {
    let api = Api::new("");
    let job = api.job();
    for path in api.description.members("/paths").keys() {
        let target = target(path, &job);
        let described: BTreeSet<_> = api.description.operations().into_iter().collect();
        let is_described = |method: &str| described.contains(&(method.to_owned(), path.clone()));
        let mut allowed: BTreeSet<_> =
            METHODS.into_iter().filter(|method| is_described(method)).collect();
        if allowed.contains("GET") {
            allowed.insert("HEAD");
        }
        allowed.insert("OPTIONS");
        for method in METHODS {
            let response = api.head_of(method, &target);
            let is_allowed = allowed.contains(method);
            if !is_allowed && method != "HEAD" {
                let response = ask(&api.serving, method, &target, "");
                api.description.check_problem(&response, 405);
            }
            assert_eq!(response.status != 405, is_allowed, "{method} {target}");
            assert_ne!(response.status, 404, "{method} {target}");
            if method == "OPTIONS" || !is_allowed {
                let listed: BTreeSet<_> =
                    response.field("allow").expect("methods").split(", ").collect();
                assert_eq!(listed, allowed, "{method} {target}");
            }
        }
    }
}

#[test]
fn query_parameters_are_accepted_exactly_as_described() {
    let api = Api::new("");
    let job = api.job();
    for (method, path) in api.description.operations() {
        let operation = api.description.operation(&method, &path);
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<_> = parameters.filter(|it| it["in"] == "query").collect();
        // The other paths read no query.
        if method != "GET" || operation["responses"].get("400").is_none() {
            continue;
        }
        let unknown = api.get(&path, &format!("{path}?colour=1"), 400);
        let known = names_behind_the_first(unknown["detail"].as_str().expect("a sentence"));
        assert_eq!(names(parameters.iter().map(|it| &it["name"])), known, "{path}");
        for parameter in parameters {
            let (name, schema) =
                (&parameter["name"], api.description.resolve(&parameter["schema"]));
            let bound = |name: &str| schema[name].as_i64();
            let (mut good, mut bad) = (vec![job.clone()], Vec::new());
            if let Some(values) = schema["enum"].as_array() {
                good = names(values).into_iter().collect();
                bad = vec!["colour".to_owned(), String::new()];
            } else if schema["type"] == "integer" {
                let bounds = [(bound("minimum"), -1), (bound("maximum"), 1)];
                let bounds = || bounds.into_iter().filter_map(|(at, by)| Some((at?, by)));
                good = bounds().map(|(at, _)| at.to_string()).collect();
                bad = bounds().map(|(at, beyond)| (at + beyond).to_string()).collect();
                bad.push("x".into());
            } else if schema["format"] == "uuid" {
                bad = vec!["x".into()];
            }
            for (values, status) in [(good, 200), (bad, 400)] {
                for value in values {
                    let name = name.as_str().expect("a name");
                    let response = api.head_of("GET", &format!("{path}?{name}={value}"));
                    assert_eq!(response.status, status, "{path}?{name}={value}");
                }
            }
        }
    }
    let described = |name: &str| {
        let parameters = &api.description.operation("GET", "/api/titles")["parameters"];
        let parameters = parameters.as_array().expect("a list");
        &parameters.iter().find(|it| it["name"] == name).expect("it is described")["schema"]
    };
    let list = api.get("/api/titles", "/api/titles", 200);
    for name in ["offset", "limit"] {
        assert_eq!(described(name)["default"], list[name]);
    }
    // This message lists the known values in its own words.
    let refused = api.get("/api/titles", "/api/titles?sort=colour", 400);
    let keys = refused["detail"].as_str().and_then(|detail| detail.strip_prefix("sort must be "));
    let (keys, _) = keys.and_then(|keys| keys.split_once(", with - ")).expect("a sentence");
    let listed = keys.replace(" or ", ", ");
    let keys = listed.split(", ").flat_map(|key| [key.to_owned(), format!("-{key}")]);
    let known = described("sort")["enum"].as_array().expect("names");
    assert_eq!(names(known), keys.collect());
}

#[test]
fn every_job_request_is_described_and_each_example_is_accepted() {
    let api = Api::new("");
    let post_job =
        |job_request: &str, status| api.send("POST", "/api/jobs", "", job_request, status);
    let told_of = |content: &str| {
        names_behind_the_first(post_job(content, 400)["detail"].as_str().expect("a sentence"))
    };
    let kinds = told_of(r#"{"kind":"?"}"#);
    let examples = api.job_requests();
    assert_eq!(kinds, examples.iter().map(|(kind, _)| kind.clone()).collect());
    let described = api.description.at("/components/schemas/JobRequest/discriminator/mapping");
    let described = described.as_object().expect("kinds");
    assert_eq!(kinds, described.keys().cloned().collect());
    let schemas = api.description.at("/components/schemas/JobRequest/oneOf").as_array();
    let schemas = names(schemas.expect("a list").iter().map(|schema| &schema["$ref"]));
    assert_eq!(schemas, names(described.values()));
    for (member, schema) in [("codec", "Codec"), ("effort", "Effort")] {
        let content = format!(r#"{{"kind":"rendition","{member}":"?"}}"#);
        let schema = api.description.at(&format!("/components/schemas/{schema}/enum"));
        assert_eq!(told_of(&content), names(schema.as_array().expect("names")), "{member}");
    }
    for (kind, example) in examples {
        assert_eq!(kind, example["kind"]);
        post_job(&example.to_string(), 202);
    }
}

#[test]
fn request_bodies_have_exactly_the_described_members() {
    let api = Api::new("");
    let job = api.job();
    let change = json!({ "priority": -1000 });
    let job_requests =
        api.job_requests().into_iter().map(|(_, job_request)| ("POST", "/api/jobs", job_request));
    for (method, path, example) in job_requests.chain([("PATCH", "/api/jobs/{id}", change)]) {
        let schema = api.description.taken(method, path).expect("content");
        for content in variants(&example) {
            let described = api.description.conforms(schema, &content);
            let response = ask(&api.serving, method, &target(path, &job), &content.to_string());
            let is_taken = response.status != 400;
            assert_eq!(
                is_taken,
                described.is_ok(),
                "{content}: {}, {described:?}",
                response.status
            );
            api.description.check(method, path, &response, response.status);
        }
    }
}

#[test]
fn every_response_conforms_and_every_described_response_occurs() {
    let api = Api::new("revalidate_ms = 0");
    titles_and_texts(&api);
    reports(&api);
    a_job_from_request_to_end(&api);
    jobs_of_every_kind(&api);
    refused_requests(&api);
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
    block_on(queue.renew(&lease, &progress, Duration::from_secs(600))).expect("a beat");
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

fn spec(operation: Operation) -> JobSpec {
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

#[test]
fn the_types_of_problems_are_those_of_the_server() {
    let api = Api::new("");
    let described = api.description.at("/components/schemas/Problem/properties/type/enum");
    let known = ProblemType::ALL.iter().map(|known| known.uri().to_owned());
    assert_eq!(names(described.as_array().expect("names")), known.collect());
    for (target, status, expected) in [
        ("/api/titles?limit=0", 400, "/errors/bad-request"),
        ("/api/titles/none.mp4", 404, "/errors/not-found"),
        ("/v/films%2Ffilm.webm/index.m3u8", 503, "/errors/pending"),
    ] {
        let problem = json(&api.serving.get(target, &[]), status);
        assert_eq!(problem["type"], expected, "{problem}");
    }
    let refused = ask(&api.serving, "DELETE", "/api/jobs", "");
    assert_eq!(json(&refused, 405)["type"], "/errors/method-not-allowed");
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
            let is_seen = latest.status == 409;
            response = Some(latest);
            is_seen
        });
        api.description.check(method, path, &response.expect("just seen"), 409);
    }
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

#[test]
fn every_webhook_delivery_conforms() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "library/films/film.mp4");
    let receiver = WebhookReceiver::responding(&["204 No Content"]);
    let known = names_of::<WebhookEvent>();
    let events: Vec<_> = known.iter().map(|event| format!("\"{event}\"")).collect();
    let lines = webhook_receiver::configured(&folder, &receiver.url, &events.join(", "));
    let serving = serve_with(&[folder.path("library")], &lines);
    let description = Description::fetch(&serving);
    assert_eq!(description.members("/webhooks").keys().cloned().collect::<BTreeSet<_>>(), known);
    let queue = queue(&serving);
    let mut told_of = BTreeSet::new();
    for (operation, fails) in [
        (Operation::Audio { track: 1 }, false),
        (Operation::Remux, false),
        (Operation::Storyboard, true),
    ] {
        block_on(queue.enqueue(spec(operation).submission())).expect("a database");
        let lease = claim(&queue);
        let ended = match fails {
            true => block_on(queue.fail(&lease, "it broke", Retry::Never)),
            false => block_on(queue.finish(&lease, &[])),
        };
        assert!(ended.expect("a database"));
        let delivery = receiver.next();
        let data = delivery.data();
        let event = data["type"].as_str().expect("an event");
        let described = description.at(&format!("/webhooks/{event}/post"));
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        description.conforms(schema, &data).expect("it conforms");
        for parameter in described["parameters"].as_array().expect("a list") {
            let parameter = description.resolve(parameter);
            let value = delivery.field(parameter["name"].as_str().expect("a name"));
            let value = value.parse::<u64>().map_or_else(|_| value.into(), Value::from);
            description.conforms(&parameter["schema"], &value).expect("it conforms");
        }
        told_of.insert(event.to_owned());
    }
    assert_eq!(told_of, known);
}
