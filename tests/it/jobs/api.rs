//! The jobs of the API: requests, authorization, and responses.

use std::{fs, time::Duration};

use headwater::queue::{Class, JobSubmission, Progress, Retry};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    client::head,
    folder::Folder,
    jobs::{claim, one_title, post_job, queue},
    json::{ask, json, post, read, request},
    program::{Program, run},
    server::{Serving, serve_with},
    streams::put_sample,
    wait::{block_on, until},
};

const JOB_REQUESTS: [&str; 3] = [
    r#"{"kind":"rendition","title":"films/a.mp4","height":240,"codec":"h264"}"#,
    r#"{"kind":"storyboard","title":"films/a.mp4"}"#,
    r#"{"kind":"rendition","title":"films/a.mp4","height":180,"codec":"av1"}"#,
];

const REMUX: &str = r#"{"kind":"remux","title":"b & c.webm"}"#;

/// For a server without a worker: jobs keep their state.
const NO_WORKER: (&str, &str) = ("HEADWATER_LOCAL_WORKER", "false");

fn shown(serving: &Serving, job: &Value) -> Value {
    json(&serving.get(&target(job), &[]), 200)
}

/// The members of a job that are those of its request.
fn requested(job: &Value) -> Value {
    let (kind, title) = (&job["kind"], &job["title"]);
    match &job["height"] {
        Value::Null => json!({ "kind": kind, "title": title }),
        height => {
            json!({ "kind": kind, "title": title, "height": height, "codec": job["codec"] })
        }
    }
}

fn target(job: &Value) -> String {
    format!("/api/jobs/{}", job["id"].as_str().expect("an id"))
}

fn listed(serving: &Serving, query: &str) -> Vec<Value> {
    let list = json(&serving.get(&format!("/api/jobs{query}"), &[]), 200);
    list["jobs"].as_array().expect("a list").clone()
}

#[test]
fn a_job_request_is_accepted_once_and_then_returns_the_existing_job() {
    let (_folder, serving) = one_title();
    for content in JOB_REQUESTS {
        let first = ask(&serving, "POST", "/api/jobs", content);
        let job = json(&first, 202);
        assert_eq!(first.field("location"), Some(&*target(&job)));
        assert_eq!(first.field("cache-control"), Some("no-store"));
        assert_eq!(requested(&job), serde_json::from_str::<Value>(content).expect("JSON"));
        assert_eq!((&job["state"], &job["title"]), (&"queued".into(), &"films/a.mp4".into()));
        assert_eq!(job["progress"]["percent"], 0.0);
        assert!(job["created"].as_str().is_some_and(|time| time.ends_with('Z')), "{job}");
        let second = ask(&serving, "POST", "/api/jobs", content);
        assert_eq!(second.field("location"), first.field("location"));
        assert_eq!(json(&second, 200), job);
        assert_eq!(shown(&serving, &job)["id"], job["id"]);
    }
    assert_eq!(listed(&serving, "").len(), 3);
}

#[test]
fn an_impossible_job_request_is_refused_with_a_reason() {
    let (folder, serving) = one_title();
    folder.put("notes.txt", "no title");
    folder.put("broken.mkv", [0; 1000]);
    folder.put("words.srt", "no title either");
    for (content, status, reason) in [
        ("", 400, "EOF"),
        ("[]", 400, ""),
        (r#"{"kind":"rendition","title":"films/a.mp4","height":240}"#, 400, "codec"),
        (r#"{"kind":"rendition","title":"films/a.mp4","height":0,"codec":"av1"}"#, 422, "360"),
        (r#"{"kind":"rendition","title":"films/a.mp4","height":480,"codec":"av1"}"#, 422, "360"),
        (r#"{"kind":"remux","title":"films/a.mp4","colour":1}"#, 400, "colour"),
        (r#"{"kind":"remux","title":"films/a.mp4"}"#, 422, "already plays"),
        (r#"{"kind":"remux","title":"broken.mkv"}"#, 422, "not in another supported format"),
        (r#"{"kind":"remux","title":"words.srt"}"#, 422, ""),
        (r#"{"kind":"remux","title":"films/none.mp4"}"#, 404, "not found"),
        (r#"{"kind":"remux","title":"films"}"#, 404, "not found"),
        (r#"{"kind":"remux","title":"notes.txt"}"#, 404, "not found"),
        (r#"{"kind":"remux","title":"../films/a.mp4"}"#, 404, "not found"),
        (r#"{"kind":"remux","title":"films/a.mp4\u0000"}"#, 404, "not found"),
        (r#"{"kind":"remux","title":""}"#, 404, "not found"),
    ] {
        let response = ask(&serving, "POST", "/api/jobs", content);
        assert_eq!(response.field("content-type"), Some("application/problem+json"), "{content}");
        let problem = json(&response, status);
        assert!(problem["detail"].as_str().is_some_and(|why| why.contains(reason)), "{problem}");
    }
    assert!(listed(&serving, "").is_empty());
}

#[test]
fn a_client_may_request_a_remux() {
    let (folder, serving) = one_title();
    // Matroska that does not play in place.
    folder.put("b & c.webm", b"\x1a\x45\xdf\xa3 and so on");
    let job = post_job(&serving, REMUX);
    assert_eq!((&job["kind"], &job["state"]), (&"remux".into(), &"queued".into()));
    assert_eq!(job["title"], "b & c.webm");
    // The same job that a player of the title waits for.
    let problem = json(&serving.get("/v/b%20&%20c.webm/index.m3u8", &[]), 503);
    assert_eq!(problem["job"], job["id"]);
    assert_eq!(listed(&serving, "").len(), 1);
}

#[test]
fn a_replaced_file_needs_new_jobs() {
    let (folder, serving) = one_title();
    let first = post_job(&serving, JOB_REQUESTS[2]);
    put_sample(&folder, "Portrait.mp4", "films/.a.mp4");
    fs::rename(folder.path("films/.a.mp4"), folder.path("films/a.mp4")).expect("replaced");
    let length = fs::metadata(folder.path("films/a.mp4")).expect("a file").len().to_string();
    until("the replacement is served", || {
        serving.request("HEAD", "/media/films/a.mp4", &[]).field("content-length") == Some(&length)
    });
    assert_ne!(post_job(&serving, JOB_REQUESTS[2])["id"], first["id"]);
}

#[test]
fn jobs_are_listed_in_pages_newest_first_by_state_and_title() {
    let (folder, serving) = one_title();
    // Matroska that does not play in place.
    folder.put("b & c.webm", b"\x1a\x45\xdf\xa3 and so on");
    let ids: Vec<_> =
        JOB_REQUESTS.iter().map(|content| post_job(&serving, content)["id"].clone()).collect();
    let other = post_job(&serving, REMUX)["id"].clone();
    json(&ask(&serving, "POST", &format!("/api/jobs/{}/cancel", other.as_str().unwrap()), ""), 200);
    let ids_of = |query: &str| -> Vec<Value> {
        listed(&serving, query).iter().map(|job| job["id"].clone()).collect()
    };
    let newest_first: Vec<_> = [&other].into_iter().chain(ids.iter().rev()).cloned().collect();
    assert_eq!(ids_of(""), newest_first);
    assert_eq!(ids_of("?state=queued"), newest_first[1..]);
    assert_eq!(ids_of("?state=cancelled"), std::slice::from_ref(&other));
    assert_eq!(ids_of("?title=b%20%26%20c.webm"), [other]);
    assert!(ids_of("?title=none.mp4").is_empty());
    let (mut next, mut all) = (Some("/api/jobs?limit=1&state=queued".to_owned()), Vec::new());
    while let Some(page) = next {
        let page = json(&serving.get(&page, &[]), 200);
        all.extend(page["jobs"].as_array().expect("a list").iter().map(|job| job["id"].clone()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(all, newest_first[1..], "page by page");
    for query in ["?state=lost", "?limit=0", "?limit=501", "?limit=x", "?before=x", "?colour=1"] {
        assert_eq!(serving.get(&format!("/api/jobs{query}"), &[]).status, 400, "{query}");
    }
}

#[test]
fn the_progress_that_a_worker_reports_is_shown() {
    let (_folder, serving) = one_title();
    let (queue, job) = (queue(&serving), post_job(&serving, JOB_REQUESTS[0]));
    let lease = claim(&queue);
    let progress =
        Progress { permille: 425, stage: "encoding".into(), note: "3 of 7 chunks".into() };
    block_on(queue.report(&lease, &progress, Duration::from_secs(600))).expect("a beat");
    let running = shown(&serving, &job);
    assert_eq!(running["state"], "running");
    assert_eq!(running["progress"]["percent"], 42.5);
    assert_eq!(running["progress"]["stage"], "encoding");
    assert_eq!(running["attempts"], 1);
    assert!(running["started"].is_string() && running["finished"].is_null(), "{running}");
    let child = |part: usize| JobSubmission {
        class: Class::Encode,
        kind: "chunk".into(),
        title: "films/a.mp4".into(),
        payload: format!("{{\"part\":{part}}}"),
        priority: 0,
        dedupe_key: None,
        max_attempts: 1,
    };
    assert!(block_on(queue.split(&lease, vec![child(0), child(1)])).expect("a database"));
    let split = shown(&serving, &job);
    assert_eq!(split["state"], "waiting");
    let children = split["children"].as_array().expect("a list");
    assert_eq!(children.len(), 2);
    assert!(children.iter().all(|child| child["parent"] == job["id"]), "{split}");
    assert_eq!(listed(&serving, "").len(), 1, "child jobs are shown with their parent only");
    let child = claim(&queue);
    block_on(queue.fail(&child, "the image is broken", Retry::Never)).expect("a database");
    let failed = shown(&serving, &job);
    assert_eq!((&failed["state"], failed["finished"].is_string()), (&"failed".into(), true));
    assert!(failed["error"].as_str().is_some_and(|why| why.contains("broken")), "{failed}");
}

#[test]
fn a_job_can_be_cancelled_retried_and_prioritized() {
    let (_folder, serving) = one_title();
    let job = post_job(&serving, JOB_REQUESTS[1]);
    let act = |what: &str| ask(&serving, "POST", &format!("{}/{what}", target(&job)), "");
    let prefer = |content: &str| ask(&serving, "PATCH", &target(&job), content);
    assert_eq!(json(&prefer(r#"{"priority":7}"#), 200)["priority"], 7);
    for refused in ["", "{}", r#"{"priority":1001}"#, r#"{"priority":"1"}"#, r#"{"state":"done"}"#]
    {
        json(&prefer(refused), 400);
    }
    for _ in 0..2 {
        assert_eq!(json(&act("cancel"), 200)["state"], "cancelled");
    }
    for _ in 0..2 {
        assert_eq!(json(&act("retry"), 200)["state"], "queued");
    }
    let (queue, lease) = (queue(&serving), claim(&queue(&serving)));
    let cancelled = json(&act("cancel"), 200);
    assert_eq!((&cancelled["state"], &cancelled["cancelling"]), (&"running".into(), &true.into()));
    block_on(queue.release(&lease)).expect("a database");
    assert_eq!(json(&act("retry"), 200)["state"], "queued");
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    assert_eq!(json(&act("cancel"), 409)["detail"], "the job has already ended");
    let problem = json(&prefer(r#"{"priority":7}"#), 409);
    assert_eq!(problem["type"], "/errors/conflict");
    assert_eq!(problem["detail"], "the job has already ended");
    json(&act("retry"), 409);
    for target in ["/api/jobs/x", "/api/jobs/0190b0a0-0000-7000-8000-000000000000"] {
        assert_eq!(serving.get(target, &[]).status, 404);
        for what in ["cancel", "retry"] {
            json(&ask(&serving, "POST", &format!("{target}/{what}"), ""), 404);
        }
        json(&ask(&serving, "PATCH", target, r#"{"priority":1}"#), 404);
    }
}

#[test]
fn each_route_lists_its_methods_and_has_no_cors_fields() {
    let (_folder, serving) = one_title();
    let job = target(&post_job(&serving, JOB_REQUESTS[0]));
    for (target, methods) in [
        ("/api/jobs".to_owned(), "GET, HEAD, POST, OPTIONS"),
        (job.clone(), "GET, HEAD, PATCH, OPTIONS"),
        (format!("{job}/cancel"), "POST, OPTIONS"),
        (format!("{job}/retry"), "POST, OPTIONS"),
    ] {
        let response = ask(&serving, "DELETE", &target, "");
        assert_eq!((response.status, response.field("allow")), (405, Some(methods)));
        let preflight = ["Origin: http://evil.example", "Access-Control-Request-Method: POST"];
        let response = serving.request("OPTIONS", &target, &preflight);
        assert_eq!((response.status, response.field("allow")), (204, Some(methods)));
        for response in [response, serving.get(&target, &["Origin: http://evil.example"])] {
            let is_cors = |name: &str| name.starts_with("access-control-");
            assert!(!response.fields.iter().any(|(name, _)| is_cors(name)), "{response:?}");
        }
    }
    let head = serving.request("HEAD", "/api/jobs", &[]);
    let body = serving.get("/api/jobs", &[]).body;
    assert_eq!(head.field("content-length"), Some(&*body.len().to_string()));
}

#[test]
fn requests_of_another_origin_or_with_another_host_change_nothing() {
    let (_folder, serving) = one_title();
    let job = target(&post_job(&serving, JOB_REQUESTS[0]));
    let (cancel, retry) = (format!("{job}/cancel"), format!("{job}/retry"));
    let mutations = [
        ("POST", "/api/jobs", JOB_REQUESTS[1]),
        ("POST", &cancel, ""),
        ("POST", &retry, ""),
        ("PATCH", &job, r#"{"priority":9}"#),
    ];
    for (method, target, content) in mutations {
        let refused = |bytes: String, status| {
            let mut client = serving.connect();
            client.send(bytes);
            json(&read(&mut client), status);
        };
        refused(request(method, target, &["Origin: http://evil.example"], content), 403);
        refused(request(method, target, &["Sec-Fetch-Site: cross-site"], content), 403);
        let valid = request(method, target, &[], content);
        refused(valid.replace("Host: localhost", "Host: evil.example"), 403);
        refused(valid.replace("application/json", "text/plain"), 415);
        refused(head(method, target, &[]), 415);
    }
    let jobs = listed(&serving, "");
    assert_eq!((jobs.len(), &jobs[0]["state"]), (1, &"queued".into()));
    // Our own page.
    let own = ["Origin: http://localhost", "Sec-Fetch-Site: same-origin"];
    let mut client = serving.connect();
    client.send(request("POST", "/api/jobs", &own, JOB_REQUESTS[1]));
    json(&read(&mut client), 202);
}

#[test]
fn over_the_network_mutations_need_the_token() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let file = folder.put("token", "correct-horse-battery-staple\n");
    let library = folder.path("films").display().to_string();
    let job_request = r#"{"kind":"storyboard","title":"a.mp4"}"#;
    let ask = |program: &Program, token: &str| {
        let mut client = program.connect();
        client.send(request(
            "POST",
            "/api/jobs",
            &[&format!("Authorization: Bearer {token}")],
            job_request,
        ));
        read(&mut client)
    };
    let everywhere = ["--listen=0.0.0.0:0", &library];
    let program = Program::serve(&everywhere, &[]);
    let problem = json(&ask(&program, "correct-horse-battery-staple"), 403);
    assert!(problem["detail"].as_str().unwrap().contains("api_token_file"), "{problem}");
    let variables = [("HEADWATER_API_TOKEN_FILE", file.to_str().expect("text")), NO_WORKER];
    let program = Program::serve(&everywhere, &variables);
    let refused = ask(&program, "wrong-horse-battery-staple");
    assert_eq!((refused.status, refused.field("www-authenticate").is_some()), (401, true));
    assert_eq!(ask(&program, "correct-horse-battery-staple").status, 202);
    folder.put("token", "another-horse-battery-staple");
    program.signal(Signal::HUP);
    until("the new token is known", || ask(&program, "another-horse-battery-staple").status == 200);
    assert_eq!(ask(&program, "correct-horse-battery-staple").status, 401);
    folder.put("token", "short");
    program.signal(Signal::HUP);
    until("it logs so", || program.logged().contains("keeping the current one"));
    assert_eq!(ask(&program, "another-horse-battery-staple").status, 200);
    let (status, _, logged) =
        run(&["serve", "--api-token-file", file.to_str().expect("text"), &library]);
    assert_eq!(status.code(), Some(1));
    assert!(logged.contains("api_token_file") && logged.contains("16 to 512"), "{logged}");
}

#[test]
fn without_a_database_job_routes_are_503_and_everything_else_plays() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let serving = serve_with(&[folder.path("")], "");
    serving.site().jobs.store(None);
    for target in ["/api/jobs", "/api/jobs/0190b0a0-0000-7000-8000-000000000000", "/api/events"] {
        let response = serving.get(target, &[]);
        assert!(response.field("retry-after").is_some());
        let problem = json(&response, 503);
        assert!(problem["detail"].as_str().unwrap().contains("database"), "{problem}");
    }
    json(&ask(&serving, "POST", "/api/jobs", JOB_REQUESTS[0]), 503);
    assert_eq!(serving.get("/media/films/a.mp4", &[]).status, 200);
    assert_eq!(serving.get("/api/titles/films/a.mp4", &[]).status, 200);
    // A database that does not open counts as none.
    folder.put("data/headwater.db/not a database", []);
    let data = format!("--data={}", folder.path("data").display());
    let program = Program::serve(&[data, folder.path("films").display().to_string()], &[]);
    until("the log says so", || program.logged().contains("jobs and images unavailable"));
    assert_eq!(program.get("/media/a.mp4", &[]).status, 200);
    assert_eq!(program.get("/readyz", &[]).status, 200);
    assert_eq!(program.get("/api/jobs", &[]).status, 503);
}

#[test]
fn the_command_lists_cancels_and_retries_the_jobs_of_a_server() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let data = folder.path("data").display().to_string();
    let jobs = |arguments: &[&str]| run(&[&["jobs", "--data", &data], arguments].concat());
    let (status, _, logged) = jobs(&[]);
    assert_eq!(status.code(), Some(1));
    assert!(logged.contains("headwater.db does not exist"), "{logged}");
    let library = folder.path("").display().to_string();
    let program = Program::serve(&["--data", &data, &library], &[NO_WORKER]);
    assert!(jobs(&[]).1.is_empty());
    let ids = JOB_REQUESTS.map(|job_request| {
        let mut client = program.connect();
        client.send(post("/api/jobs", job_request));
        json(&read(&mut client), 202)["id"].as_str().expect("an id").to_owned()
    });
    let lines = || -> Vec<Vec<String>> {
        let (status, printed, logged) = jobs(&[]);
        assert!(status.success() && logged.is_empty(), "{logged}");
        let fields = |line: &str| line.split('\t').map(str::to_owned).collect();
        printed.lines().map(fields).collect()
    };
    let expected = [&*ids[2], "queued", "0.0%", "rendition", "films/a.mp4", "queued"];
    assert_eq!(lines()[0], expected);
    assert_eq!(lines().len(), 3);
    let ending = &ids[2][ids[2].len() - 8..];
    let (status, printed, _) = jobs(&["cancel", ending]);
    assert!(status.success() && printed == format!("{ending} is cancelled\n"), "{printed}");
    assert_eq!(lines()[0][1], "cancelled");
    assert!(jobs(&["retry", &ids[2]]).0.success());
    assert_eq!(lines()[0][1], "queued");
    // The same as the server reports.
    assert_eq!(json(&program.get(&format!("/api/jobs/{}", ids[2]), &[]), 200)["state"], "queued");
    for unknown in ["x", "beefbeefbeef", "0190b0a0-0000-7000-8000-000000000000"] {
        let (status, _, logged) = jobs(&["cancel", unknown]);
        assert_eq!(status.code(), Some(1));
        assert!(logged.contains("no job"), "{logged}");
    }
}

#[test]
fn the_command_finds_the_database_by_the_configuration_of_the_server() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let file = folder.path("queue.db");
    let (plain, slashes) =
        (format!("sqlite:{}", file.display()), format!("sqlite://{}", file.display()));
    let lines = format!("data = \"data\"\ndatabase = \"{slashes}\"\n");
    let config = folder.put("headwater.toml", lines).display().to_string();
    let library = folder.path("").display().to_string();
    let program = Program::serve(&["--config", &config, &library], &[NO_WORKER]);
    assert!(file.is_file(), "{}", program.logged());
    let mut client = program.connect();
    client.send(post("/api/jobs", JOB_REQUESTS[0]));
    let job = json(&read(&mut client), 202);
    let id = job["id"].as_str().expect("an id");
    for location in [["--database", &*plain], ["--database", &*slashes], ["--config", &*config]] {
        let (status, printed, logged) = run(&[&["jobs"], &location[..]].concat());
        assert!(status.success() && printed.starts_with(id), "{location:?}: {logged}");
        let (status, _, logged) = run(&[&["jobs", "cancel", id], &location[..]].concat());
        assert!(status.success(), "{location:?}: {logged}");
        let (status, _, logged) = run(&[&["jobs", "retry", id], &location[..]].concat());
        assert!(status.success(), "{location:?}: {logged}");
    }
    // A flag overrides the file.
    let other = ["jobs", "--config", &config, "--database", "sqlite:///nowhere.db"];
    let (status, _, logged) = run(&other);
    assert_eq!(status.code(), Some(1));
    assert!(logged.contains("/nowhere.db does not exist"), "{logged}");
    let (_, help, _) = run(&["jobs", "--help"]);
    assert!(help.contains("--database") && help.contains("--config"), "{help}");
    assert!(!help.contains("--io-threads"), "{help}");
}
