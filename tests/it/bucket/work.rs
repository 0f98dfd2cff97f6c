//! Jobs of titles in a bucket, by workers that have no folder in common with the origins, and at last no
//! artifacts either.

use std::{
    collections::{BTreeMap, HashSet},
    env,
    fs::{self, File},
    path::Path,
    process::Stdio,
    thread::sleep,
    time::Duration,
};

use headwater::{
    extent::bucket::{BucketSettings, Writer},
    jobs::object_sweep::ObjectSweep,
    queue::State,
    store::{ArtifactBucket, ArtifactObject, artifacts::ArtifactStore},
};
use rustix::process::Signal;

use crate::support::{
    bucket::Bucket,
    deployment::{Deployment, TITLES, post_job, postgres, request_rendition},
    fault_proxy::{FaultProxy, Operation},
    ffmpeg,
    manifests::{self, Attributes},
    processes::Worker,
    program::{Program, command},
    wait::{until, until_slowly},
};

/// The settings of every program: short leases, short chunks and segments.
const SETTINGS: [(&str, &str); 8] = [
    ("HEADWATER_JOB_LEASE_S", "2"),
    ("HEADWATER_CHUNK_S", "3"),
    ("HEADWATER_SEGMENT_MS", "2000"),
    ("HEADWATER_ENCODE_SLOTS", "1"),
    ("HEADWATER_IMAGE_WAIT_S", "0"),
    ("HEADWATER_MIN_FREE_DISK_MIB", "0"),
    ("HEADWATER_INDEX_TITLES", "false"),
    ("HEADWATER_LOCAL_WORKER", "false"),
];

/// The kills of workers. This environment variable requests more.
const KILLS: usize = 4;
const KILLS_VARIABLE: &str = "TEST_KILLS";

/// Titles in a bucket, and where the programs put artifacts.
struct Fleet {
    deployment: Deployment,
    database: String,
    titles: Bucket,
    /// The value of `artifacts`.
    artifacts: String,
}

impl Fleet {
    fn new(artifacts: impl FnOnce(&Deployment) -> String) -> Self {
        let database = postgres();
        let deployment = Deployment::new(Some(database.clone()));
        let titles = Bucket::of_folder(&deployment.folder.path("library"));
        let artifacts = artifacts(&deployment);
        Self { deployment, database, titles, artifacts }
    }

    /// Artifacts in a bucket of their own.
    fn with_artifacts_in(bucket: &Bucket) -> Self {
        Self::new(|_| format!("s3://{}/made", bucket.name))
    }

    /// The arguments of a program with a data folder of its own.
    fn arguments(&self, name: &str, endpoint: &str) -> Vec<String> {
        let root = self.titles.root(&self.deployment.folder, endpoint);
        let settings = format!("artifacts = \"{}\"\n{root}", self.artifacts);
        let file = self.deployment.folder.put(format!("{name}.toml"), settings);
        vec![
            format!("--config={}", file.display()),
            format!("--data={}", self.deployment.folder.path(name).display()),
            format!("--database={}", self.database),
        ]
    }

    fn serve(&self, name: &str) -> Program {
        Program::serve(&self.arguments(name, &self.titles.endpoint()), &SETTINGS)
    }

    fn worker(&self, name: &str, endpoint: &str) -> Worker {
        let log = self.deployment.folder.path("worker.log");
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let (mut command, home) = command(&["worker"]);
        command.args(self.arguments(name, endpoint)).envs(SETTINGS);
        command.stderr(log).stdout(Stdio::null());
        Worker::new(command.spawn().expect("the program runs"), home)
    }

    /// Waits until all jobs have ended, of which none may have failed.
    fn wait_for_success(&self) {
        self.deployment.wait_for_the_end();
        for job in self.deployment.jobs() {
            assert_eq!(job.state, State::Done, "{job:?}");
        }
    }
}

/// Waits for a response of success.
fn fetch(program: &Program, target: &str) -> (Option<String>, Vec<u8>) {
    let mut response = program.get(target, &[]);
    until_slowly(target, || {
        response = program.get(target, &[]);
        assert!(matches!(response.status, 200 | 202 | 503), "{target}: {response:?}");
        response.status == 200
    });
    (response.field("etag").map(str::to_owned), response.body)
}

/// The URL of the media playlist of a rendition, and those of what it lists.
fn rendition_urls(program: &Program, title: &str, height: usize) -> Vec<String> {
    let folder = format!("/v/{title}/");
    let (mut playlist, mut multivariant) = (None, String::new());
    until("the rendition is listed", || {
        let (_, body) = fetch(program, &format!("{folder}index.m3u8"));
        multivariant = String::from_utf8(body).expect("text");
        let mut lines = multivariant.lines();
        let resolution = format!("x{height}");
        while let Some(line) = lines.next() {
            let is_rendition =
                |field: &str| field.starts_with("RESOLUTION=") && field.ends_with(&resolution);
            if line.starts_with("#EXT-X-STREAM-INF:") && line.split([',', ':']).any(is_rendition) {
                playlist = lines.next().map(str::to_owned);
            }
        }
        playlist.is_some()
    });
    let playlist = playlist.unwrap_or_else(|| panic!("{multivariant}"));
    let resolve = |base: &str, url: &str| match url.starts_with('/') {
        true => url.to_owned(),
        false => format!("{}/{url}", base.rsplit_once('/').expect("a path").0),
    };
    let playlist = resolve(&folder, &playlist);
    let (_, media) = fetch(program, &playlist);
    let media = String::from_utf8(media).expect("text");
    let map = media.lines().find_map(|line| line.split_once("URI=\"")?.1.split_once('"'));
    let map = map.expect("an init segment").0;
    let segments = media.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let urls: Vec<_> =
        [map].into_iter().chain(segments).map(|url| resolve(&playlist, url)).collect();
    [playlist].into_iter().chain(urls).collect()
}

#[test]
fn a_worker_with_a_data_folder_of_its_own_makes_images_and_a_rendition() {
    if !ffmpeg::is_installed() {
        return;
    }
    let fleet = Fleet::new(|deployment| deployment.folder.path("artifacts").display().to_string());
    let origin = fleet.serve("origin");
    let _worker = fleet.worker("worker", &fleet.titles.endpoint());
    let job = request_rendition(&origin, TITLES[0], 180);
    assert_eq!(job["kind"], "rendition", "{job}");
    let (_, poster) = fetch(&origin, &format!("/v/{}/poster.jpg?width=320", TITLES[0]));
    assert!(poster.starts_with(b"\xff\xd8"));
    let (_, storyboard) = fetch(&origin, &format!("/v/{}/storyboard.jpg", TITLES[1]));
    assert!(storyboard.starts_with(b"\xff\xd8"));
    fleet.wait_for_success();
    for url in rendition_urls(&origin, TITLES[0], 180) {
        assert!(!fetch(&origin, &url).1.is_empty(), "{url}");
    }
}

/// A film of 12 s and 79 MB.
fn put_large_film(path: &Path) {
    let video = "testsrc2=size=640x360:rate=24:duration=12,noise=alls=90:allf=t";
    let output = ffmpeg::run(&[
        "-f",
        "lavfi",
        "-i",
        video,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "10",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "24",
        "-y",
        path.to_str().expect("text"),
    ]);
    output.expect("a movie");
}

#[test]
fn two_workers_together_read_a_film_once_and_two_origins_send_the_same() {
    if !ffmpeg::is_installed() {
        return;
    }
    let made = Bucket::new();
    let fleet = Fleet::with_artifacts_in(&made);
    let path = fleet.deployment.folder.path("film.mp4");
    put_large_film(&path);
    let film = fs::read(&path).expect("a film");
    fleet.titles.put("film.mp4", &film);
    let folder = &fleet.deployment.folder;
    let (one, remuxed) = (folder.path("library").join(TITLES[0]), folder.path("other.flv"));
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let remux = ffmpeg::run(&["-i", &text(&one), "-c", "copy", "-y", &text(&remuxed)]);
    remux.expect("a movie");
    fleet.titles.put("other.flv", fs::read(remuxed).expect("a film"));
    let origins = ["origin-1", "origin-2"].map(|name| fleet.serve(name));
    let proxy = FaultProxy::start(fleet.titles.address);
    let _workers = ["worker-1", "worker-2"].map(|name| fleet.worker(name, &proxy.endpoint()));
    request_rendition(&origins[0], "film.mp4", 90);
    fleet.wait_for_success();

    let owners: HashSet<_> =
        fleet.deployment.jobs().into_iter().filter_map(|job| job.lease_owner).collect();
    let logged = fleet.deployment.logged();
    let ready = logged.matches("worker ready").count();
    assert_eq!(ready, 2, "{owners:?} {logged}");
    let target = format!("/{}/film.mp4", fleet.titles.name);
    let reads = proxy
        .passed()
        .into_iter()
        .filter(|passed| passed.operation == Operation::Get && passed.target.starts_with(&target));
    let read: usize = reads.map(|passed| passed.bytes).sum();
    let percent = read * 100 / film.len();
    eprintln!("the workers read {read} of {} bytes: {percent} %", film.len());
    assert!(percent < 110, "{percent} %");

    let mut targets = rendition_urls(&origins[0], "film.mp4", 90);
    for view in ["poster.jpg?width=320", "storyboard.jpg", "preview.webp"] {
        targets.push(format!("/v/film.mp4/{view}"));
    }
    // Needs a copy for ffmpeg, and is a movie in the bucket of artifacts.
    targets.push("/v/other.flv/play.mp4".to_owned());
    for target in &targets {
        let [one, other] = origins.each_ref().map(|origin| fetch(origin, target));
        assert!(one.0.is_some() && one == other, "{target}");
    }
    let object = format!("/{}/made/artifacts/", made.name);
    let written = proxy.passed().iter().filter(|passed| passed.target.starts_with(&object)).count();
    assert!(written > 0, "artifacts are in the bucket");
    for name in ["origin-1", "origin-2", "worker-1", "worker-2"] {
        let folder = fleet.deployment.folder.path(name).join("artifacts");
        let in_progress = folder.join("in-progress");
        let left = |folder: &Path| fs::read_dir(folder).into_iter().flatten().count();
        assert_eq!((left(&folder), left(&in_progress)), (1, 0), "{name}");
    }
}

#[test]
fn an_image_in_the_bucket_of_artifacts_is_one_request() {
    if !ffmpeg::is_installed() {
        return;
    }
    let made = Bucket::new();
    let fleet = Fleet::with_artifacts_in(&made);
    let origin = fleet.serve("origin");
    let _worker = fleet.worker("worker", &fleet.titles.endpoint());
    let target = format!("/v/{}/poster.jpg?width=320", TITLES[0]);
    let poster = fetch(&origin, &target);
    let proxy = FaultProxy::start(fleet.titles.address);
    let other = Program::serve(&fleet.arguments("other", &proxy.endpoint()), &SETTINGS);
    assert!(fetch(&other, &target) == poster);
    let object = format!("/{}/made/artifacts/", made.name);
    let reads = proxy.passed().into_iter().filter(|passed| passed.target.starts_with(&object));
    let reads: Vec<_> = reads.map(|passed| (passed.operation, passed.range)).collect();
    assert_eq!(reads.len(), 1, "{reads:?}");
}

/// The segments of the AAC of a title, with their init segment.
fn aac(program: &Program, title: &str) -> Vec<Vec<u8>> {
    let url = format!("/v/{title}/index.m3u8");
    let mut aac = None;
    until_slowly("there is AAC", || {
        let playlist = manifests::multivariant(&url, &fetch(program, &url).1);
        let has_aac = |of: &&(String, Attributes)| of.1["CODECS"].contains("mp4a.40.2");
        let group = playlist.variants.iter().find(has_aac).map(|(_, variant)| &variant["AUDIO"]);
        let mut renditions = playlist.renditions.iter();
        aac = group
            .and_then(|group| renditions.find(|rendition| rendition["GROUP-ID"] == *group))
            .cloned();
        aac.is_some()
    });
    let url = &aac.expect("it is there")["URI"];
    let playlist = manifests::playlist(url, &fetch(program, url).1);
    let segments = playlist.segments.iter().map(|segment| &segment.url);
    [&playlist.init].into_iter().chain(segments).map(|url| fetch(program, url).1).collect()
}

#[test]
fn aac_of_an_object_is_that_of_a_file_and_needs_no_copy() {
    if !ffmpeg::is_installed() {
        return;
    }
    let fleet = Fleet::new(|deployment| deployment.folder.path("artifacts").display().to_string());
    let folder = &fleet.deployment.folder;
    let path = folder.path("films/film.mp4");
    fs::create_dir(folder.path("films")).expect("a folder");
    // All audio is behind the video, so that a copy would read much more.
    let video = "testsrc2=size=640x360:rate=24:duration=3,noise=alls=90:allf=t";
    let tone = "sine=frequency=440:sample_rate=48000:duration=4";
    let inputs = format!("-f lavfi -i {video} -itsoffset 4 -f lavfi -i {tone}");
    let codecs = "-c:v libx264 -preset ultrafast -crf 10 -pix_fmt yuv420p -g 24 -c:a ac3 -ac 2 -y";
    let arguments = format!("{inputs} {codecs}");
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let output = [path.to_str().expect("text")];
    ffmpeg::run(&[&arguments[..], &output].concat()).expect("a movie");
    let film = fs::read(&path).expect("a film");
    fleet.titles.put("film.mp4", &film);
    let origin = fleet.serve("origin");
    let proxy = FaultProxy::start(fleet.titles.address);
    let _worker = fleet.worker("worker", &proxy.endpoint());
    let of_object = aac(&origin, "film.mp4");
    let read = proxy.bytes();
    eprintln!("the worker read {read} of {} bytes", film.len());
    assert!(film.len() > 10 << 20 && read < film.len() / 2, "{read} of {}", film.len());
    let data = folder.path("of-files").display().to_string();
    let films = folder.path("films").display().to_string();
    let of_files = Program::serve(&["--data", &data, &films], &[("HEADWATER_SEGMENT_MS", "2000")]);
    assert!(of_object == aac(&of_files, "film.mp4"));
    assert!(of_object.len() > 3, "{}", of_object.len());
}

fn bucket_settings(bucket: &Bucket, fleet: &Fleet) -> BucketSettings {
    BucketSettings {
        bucket: bucket.name.clone(),
        endpoint: Some(bucket.endpoint()),
        path_style: true,
        credentials_file: Some(fleet.deployment.folder.path("credentials")),
        ..BucketSettings::default()
    }
}

/// The bucket of artifacts, as a test sees it.
fn artifact_bucket(bucket: &Bucket, fleet: &Fleet) -> ArtifactBucket {
    ArtifactBucket::new(&bucket_settings(bucket, fleet), "made").expect("a bucket")
}

fn objects(fleet: &Fleet, bucket: &ArtifactBucket) -> Vec<ArtifactObject> {
    let page = fleet.deployment.ask(bucket.page(None)).expect("a listing");
    assert_eq!(page.next, None, "one page");
    page.objects
}

fn store(fleet: &Fleet, bucket: ArtifactBucket) -> ArtifactStore {
    let store = ArtifactStore::open(&fleet.deployment.folder.path("sweeper"), 0);
    store.expect("a folder").with_bucket(bucket)
}

#[test]
fn killed_workers_lose_nothing_and_leave_nothing_half_in_the_bucket() {
    if !ffmpeg::is_installed() {
        return;
    }
    let made = Bucket::new();
    let fleet = Fleet::with_artifacts_in(&made);
    let origin = fleet.serve("origin");
    let names = ["worker-1", "worker-2"];
    let endpoint = fleet.titles.endpoint();
    let mut workers = names.map(|name| fleet.worker(name, &endpoint));
    let kills = env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().expect("a number"));
    let mut random = 0x5eed_u64;
    for round in 0..kills {
        until_slowly("the worker has a job", || {
            if fleet.deployment.live() < 4 {
                let (title, width) = (TITLES[round % 2], 32 + 16 * round);
                request_rendition(&origin, title, 60 + 2 * round);
                post_job(&origin, &format!(r#"{{"kind":"storyboard","title":"{title}"}}"#));
                origin.get(&format!("/v/{title}/poster.jpg?width={width}&wait=0"), &[]);
            }
            fleet.deployment.is_at_work(workers[round % 2].id())
        });
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The one place where a test sleeps for its own sake: the moment must be arbitrary.
        sleep(Duration::from_millis((random >> 33) % 1500));
        let worker = &mut workers[round % 2];
        worker.signal(Signal::KILL);
        worker.wait();
        *worker = fleet.worker(names[round % 2], &endpoint);
    }
    fleet.deployment.wait_for_the_end();
    for job in fleet.deployment.jobs() {
        let why = job.last_error.as_deref().unwrap_or_default();
        // With its attempts used up by kills.
        assert!(job.state == State::Done || why.contains("worker lost"), "{job:?}");
    }

    let bucket = artifact_bucket(&made, &fleet);
    let mut bytes: BTreeMap<(String, i64), u64> = BTreeMap::new();
    for object in objects(&fleet, &bucket) {
        *bytes.entry((object.key.to_string(), object.token)).or_default() += object.size;
    }
    let rows = fleet.deployment.artifacts();
    for row in &rows {
        let found = bytes.get(&(row.key.clone(), row.token));
        assert_eq!(found, Some(&row.bytes), "{row:?}");
    }
    let orphans = bytes.len() - rows.len();
    let sweep = ObjectSweep::new(fleet.deployment.queue.clone(), store(&fleet, bucket));
    // The origin has had its walk at the start; the next is due in an hour.
    let swept = fleet.deployment.ask(sweep.sparing(Duration::ZERO).sweep_now(None));
    swept.expect("a page");
    let bucket = artifact_bucket(&made, &fleet);
    let left: HashSet<_> = objects(&fleet, &bucket)
        .into_iter()
        .map(|object| (object.key.to_string(), object.token))
        .collect();
    let named: HashSet<_> = rows.iter().map(|row| (row.key.clone(), row.token)).collect();
    assert_eq!(left, named);
    eprintln!("{kills} killed, {} artifacts, {orphans} orphans removed", rows.len());
    until_slowly("no workspace is left", || {
        names.iter().all(|name| {
            let folder = fleet.deployment.folder.path(name).join("artifacts/in-progress");
            fs::read_dir(folder).into_iter().flatten().count() == 0
        })
    });
}

#[test]
fn one_process_at_a_time_removes_objects_without_a_row_that_are_not_young() {
    let made = Bucket::new();
    let fleet = Fleet::with_artifacts_in(&made);
    fleet.titles.root(&fleet.deployment.folder, &made.endpoint());
    made.put("made/artifacts/00ff00ff00ff00ff-lost/7/poster.jpg", "x");
    made.put("made/artifacts/not-ours.txt", "x");
    made.put("made/artifacts/season/2/episode.mp4", "x");
    made.put("made/store.id", "one");
    let sweep = |young| {
        let store = store(&fleet, artifact_bucket(&made, &fleet));
        ObjectSweep::new(fleet.deployment.queue.clone(), store).sparing(young)
    };
    let (one, other) = (sweep(Duration::from_secs(3600)), sweep(Duration::ZERO));
    let ask = |sweep: &ObjectSweep| fleet.deployment.ask(sweep.next_page()).expect("a page");
    assert_eq!(ask(&one), Some(0), "it is young");
    assert_eq!((ask(&one), ask(&other)), (None, None), "the next walk is due in an hour");
    let swept = fleet.deployment.ask(other.sweep_now(None)).expect("a page");
    assert_eq!(swept, (1, None));
    let bucket = artifact_bucket(&made, &fleet);
    assert!(objects(&fleet, &bucket).is_empty());
    let writer = Writer::new(&bucket_settings(&made, &fleet)).expect("a bucket");
    for key in ["artifacts/not-ours.txt", "artifacts/season/2/episode.mp4", "store.id"] {
        let kept = fleet.deployment.ask(writer.read(&format!("made/{key}"))).expect("a response");
        assert!(kept.is_some(), "{key}");
    }
}
