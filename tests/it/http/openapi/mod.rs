//! `/api/openapi.json`: the API conforms to its description, and the description is complete.

mod responses; // each response that is described
mod webhooks; // each delivery

use std::{collections::BTreeSet, fs};

use headwater::http::problem::ProblemType;
use serde_json::{Value, json};

use crate::support::{
    api_description::{Description, names, names_behind_the_first, variants},
    client::Response,
    documents::document,
    folder::Folder,
    fuzz_corpus,
    json::{ask, json, request},
    server::{Serving, serve_with},
    streams::put_sample,
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
        // Matroska that does not play in place.
        folder.put("films/film.webm", b"\x1a\x45\xdf\xa3 and so on");
        folder.put("films/film.en.srt", "1\n00:00:01,000 --> 00:00:02,000\nA word\n");
        folder.put("films/film.de.srt", "no subtitles");
        let audio = fs::read(fuzz_corpus::movies().join("ffmpeg-ac3.mp4")).expect("a seed");
        folder.put("films/ac-3.mp4", audio);
        let serving = serve_with(&[folder.path("")], configuration);
        // So that the list does not change between two requests.
        serving.until_indexed();
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
    let routes = include_str!("../../../../src/http/app.rs")
        .split("web::resource(\"/api/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let routes: BTreeSet<_> =
        routes.map(|route| format!("/api/{}", route.replace(":.*}", "}"))).collect();
    let described =
        api.description.members("/paths").keys().filter(|path| path.starts_with("/api/")).cloned();
    assert_eq!(described.collect::<BTreeSet<_>>(), routes);
    let documents = ["docs/http-api.md", "docs/urls.md"].map(|path| document(path).text).concat();
    for path in api.description.members("/paths").keys() {
        let documented = path.replace('{', "<").replace('}', ">");
        // The routes below a job are in the row of the job.
        let is_documented =
            documents.contains(&format!("`{documented}`")) || path.contains("{id}/");
        assert!(is_documented, "the documents do not know {path}");
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
            } else if let Some(examples) = schema["examples"].as_array() {
                good = names(examples).into_iter().collect();
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
