//! Runs the commands of the documents, as a reader would: in a folder like a clone of the repository, beside a
//! server of the samples.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use headwater::config::{KEYS, Layer};

use super::transcript::{Step, shows, steps};
use crate::support::{
    bucket::Bucket,
    documents::{Block, ROOT, document, user_documents},
    folder::Folder,
    program::{PROGRAM, Program},
};

/// The address of the server in the documents.
const SERVER: &str = "localhost:8080";

/// The servers of URLs in the documents; titles are those of the samples.
const SERVERS: [&str; 2] = ["http://localhost:8080/", "https://video.example/"];

/// When the samples were last changed, in the documents: 23 November 2026, 02:29:42 UTC.
const MODIFIED: Duration = Duration::from_secs(1_795_400_982);

/// Reasons not to run a block, each with a word that such a block contains.
const REASONS: [(&str, &str); 5] = [
    ("builds Headwater", "make "),
    ("serves until it is stopped", "headwater "),
    ("needs root", "sudo "),
    ("needs Docker", "docker "),
    ("needs your server", "https://video.example/"),
];

/// Languages of blocks without commands: proxies and embedding, which other tests check, systemd's, and diagrams.
const OTHER_LANGUAGES: [&str; 6] = ["nginx", "caddyfile", "html", "ini", "yaml", "text"];

/// A folder like a clone of the repository with a release build, a server of its samples, a bucket with them, and an
/// empty one for artifacts.
struct Clone {
    folder: Folder,
    program: Program,
    bucket: &'static Bucket,
}

impl Clone {
    fn new() -> Self {
        let folder = Folder::new();
        let home = folder.path("home");
        for name in ["Videos", "Talks"] {
            copy_samples(&Path::new(ROOT).join("media"), &home.join(name));
        }
        fs::rename(home.join("Videos/Clock.mp4"), home.join("Videos/film.mp4")).expect("a film");
        copy_samples(&Path::new(ROOT).join("media"), &folder.path("media"));
        for program in ["bin", "target/release"] {
            fs::create_dir_all(folder.path(program)).expect("a folder");
            symlink(PROGRAM, folder.path(program).join("headwater")).expect("a link");
        }
        let data = folder.path("data").display().to_string();
        let program = Program::serve(&[folder.path("media")], &[("HEADWATER_DATA", &data)]);
        Self { folder, program, bucket: bucket() }
    }

    /// Runs a command, and returns its output and errors. `Err` if it fails.
    fn run(&self, command: &str) -> Result<String, String> {
        let address = self.program.address.to_string();
        let script = command.replace(SERVER, &address);
        let file = |name| File::create(self.folder.path(name)).expect("a file");
        let read = |name| fs::read(self.folder.path(name)).expect("a file");
        let path = std::env::var("PATH").unwrap_or_default();
        // Files instead of pipes: a command may leave a process behind.
        let status = Command::new("timeout")
            .args(["120", "/bin/sh", "-c", &script])
            .current_dir(self.folder.path(""))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.folder.path("bin").display()))
            .env("HOME", self.folder.path("home"))
            .env("HEADWATER_DATA", self.folder.path("data"))
            .env("HEADWATER_LISTEN", &address)
            .envs(self.bucket.environment())
            .stdin(Stdio::null())
            .stdout(file("printed"))
            .stderr(file("logged"))
            .status()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&read("printed")).replace(&address, SERVER);
        let logged = read("logged");
        let logged = String::from_utf8_lossy(&logged);
        if status.success() { Ok(printed) } else { Err(format!("{status}: {printed}{logged}")) }
    }
}

/// The bucket of the documents, which their tests share: moto fails where two put one object at a time.
fn bucket() -> &'static Bucket {
    static BUCKET: OnceLock<Bucket> = OnceLock::new();
    BUCKET.get_or_init(|| {
        Bucket::named("media-artifacts");
        let bucket = Bucket::named("media");
        bucket.put_folder(&Path::new(ROOT).join("media"), "films/");
        bucket
    })
}

/// Copies the samples with the times that they have in the documents.
fn copy_samples(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the samples").flatten() {
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_samples(&source, &copy);
        } else {
            fs::copy(&source, &copy).expect("a copy");
            let copied = File::options().write(true).open(&copy).expect("the copy");
            copied.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).expect("its time");
        }
    }
}

fn all_blocks() -> impl Iterator<Item = Block> {
    user_documents().into_iter().flat_map(|document| document.blocks())
}

#[test]
fn every_command_of_the_documents_works() {
    let clone = Clone::new();
    let mut failures = Vec::new();
    for block in all_blocks().filter(|block| block.mark.is_none()) {
        let steps = match block.language.as_str() {
            "console" => steps(&block.code),
            "sh" => vec![Step { command: block.code.clone(), output: vec!["…".into()] }],
            _ => continue,
        };
        for Step { command, output } in steps {
            match clone.run(&command) {
                Ok(printed) if shows(&output, &printed) => {}
                Ok(printed) => {
                    let output = output.join("\n");
                    failures.push(format!(
                        "{}: {command}\n--- shown\n{output}\n--- printed\n{printed}",
                        block.place
                    ));
                }
                Err(error) => failures.push(format!("{}: {command}\n{error}", block.place)),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_command_that_is_not_run_has_a_reason() {
    for block in all_blocks() {
        let Block { place, language, code, mark } = &block;
        match (language.as_str(), mark) {
            ("sh" | "console", None) | ("toml" | "json", None) => {}
            ("sh", Some(mark)) => {
                let reason = mark.strip_prefix("not run: ").unwrap_or_default();
                let known = REASONS.iter().find(|(known, _)| *known == reason);
                let (_, word) = known.unwrap_or_else(|| panic!("{place}: unknown mark {mark:?}"));
                assert!(code.contains(word), "{place}: what {reason} has {word:?}");
            }
            (other, _) if OTHER_LANGUAGES.contains(&other) => {}
            (other, _) => panic!("{place}: no test checks {other:?}"),
        }
    }
}

#[test]
fn commands_that_are_not_run_exist_and_have_valid_arguments() {
    let clone = Clone::new();
    let makefile = document("Makefile").text;
    for block in all_blocks().filter(|block| block.mark.is_some()) {
        for line in block.code.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if let Some(target) = line.strip_prefix("make ") {
                let target = target.split(' ').next().unwrap_or_default();
                let rule = format!("\n{target}:");
                assert!(makefile.contains(&rule), "{}: no target {target}", block.place);
            }
            let served = line.strip_prefix("target/release/").unwrap_or(line);
            if let Some(arguments) = served.strip_prefix("headwater ") {
                let command = ["serve ", "worker "];
                let roots = command.iter().find_map(|command| arguments.strip_prefix(command));
                let roots = roots.unwrap_or(arguments);
                let checked = clone.run(&format!("headwater check {roots}"));
                assert!(checked.is_ok(), "{}: {line}: {checked:?}", block.place);
            }
        }
    }
}

#[test]
fn commands_of_the_composed_services_have_valid_arguments() {
    let clone = Clone::new();
    let mut commands = 0;
    for line in document("compose.scale-out.yaml").text.lines() {
        let Some(words) = line.trim().strip_prefix("command: ") else { continue };
        let Ok(words) = serde_json::from_str::<Vec<String>>(words) else { continue };
        if let [command, root] = words.as_slice()
            && root.starts_with("s3://")
        {
            assert!(["serve", "worker"].contains(&command.as_str()), "{line}");
            let checked = clone.run(&format!("headwater check '{root}'"));
            assert!(checked.is_ok(), "{line}: {checked:?}");
            commands += 1;
        }
    }
    assert_eq!(commands, 4, "two origins and two workers");
    let layer = document("compose.scale-out.yaml").text;
    let keys = layer.lines().filter_map(|line| line.trim().strip_prefix("HEADWATER_"));
    for key in keys.map(|key| key.split(':').next().unwrap_or_default()) {
        let is_known = KEYS.iter().any(|known| known.env == format!("HEADWATER_{key}"));
        assert!(is_known, "HEADWATER_{key}");
    }
}

#[test]
fn configurations_in_the_documents_are_valid() {
    for block in all_blocks().filter(|block| block.language == "toml") {
        let parsed = toml::from_str::<Layer>(&block.code);
        assert!(parsed.is_ok(), "{}: {}", block.place, parsed.unwrap_err());
    }
    for block in all_blocks().filter(|block| block.language == "json") {
        let parsed = serde_json::from_str::<serde_json::Value>(&block.code);
        assert!(parsed.is_ok(), "{}: {}", block.place, parsed.unwrap_err());
    }
}

#[test]
fn every_url_in_the_documents_responds() {
    let clone = Clone::new();
    let ends = [' ', '\n', '"', '\'', '`', ')', '>', ',', '&'];
    let mut urls = 0;
    for document in user_documents() {
        for server in SERVERS {
            for rest in document.text.split(server).skip(1) {
                let target = rest.split(ends).next().unwrap_or_default();
                let response = clone.program.get(&format!("/{target}"), &[]);
                assert_eq!(response.status, 200, "{}: {server}{target}", document.path);
                urls += 1;
            }
        }
    }
    assert!(urls > 5, "the documents show some");
}

#[test]
fn metrics_in_the_documents_exist() {
    let clone = Clone::new();
    let metrics = clone.run(&format!("curl -s {SERVER}/metrics")).expect("the metrics");
    for document in user_documents() {
        for rest in document.text.split("`headwater_").skip(1) {
            let name = rest.split(['`', '{']).next().unwrap_or_default();
            // OpenMetrics names a family without these suffixes.
            let family = name.strip_suffix("_total").or(name.strip_suffix("_info"));
            let family = family.unwrap_or(name);
            let is_known = metrics.contains(&format!(" headwater_{family} "));
            assert!(is_known, "{}: headwater_{name}", document.path);
        }
    }
}

#[test]
fn the_samples_of_the_documents_are_those_of_the_repository() {
    let folder = Folder::new();
    let media: PathBuf = folder.path("media");
    copy_samples(&Path::new(ROOT).join("media"), &media);
    let modified = fs::metadata(media.join("Clock.mp4")).and_then(|file| file.modified());
    assert_eq!(modified.expect("a time"), SystemTime::UNIX_EPOCH + MODIFIED);
}
