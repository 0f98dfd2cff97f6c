//! The container image and the service: what can be checked without Docker and without systemd running.

use std::{path::Path, process::Command};

use headwater::config::Layer;

use crate::support::{
    documents::{ROOT, document},
    folder::Folder,
    program::{Program, command},
};

/// The worst exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE_MAX: &str = "20";

/// The instructions of the Dockerfile, each in one line.
fn instructions() -> Vec<String> {
    let joined = document("Dockerfile").text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The arguments of the instructions with a name.
fn arguments(name: &str) -> Vec<String> {
    let all = instructions();
    let found = all.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map(str::to_owned).collect()
}

#[test]
fn the_image_is_built_by_our_compiler_from_files_that_exist() {
    let manifest: toml::Table = document("Cargo.toml").text.parse().expect("a manifest");
    let compiler = manifest["package"]["rust-version"].as_str().expect("a version");
    assert!(arguments("FROM")[0].starts_with(&format!("rust:{compiler}-")), "{compiler}");
    let context = document(".dockerignore").text;
    let copied = arguments("COPY");
    let copied: Vec<&str> = copied
        .iter()
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.rsplit_once(' ').expect("a destination").0.split(' '))
        .collect();
    for file in &copied {
        assert!(Path::new(ROOT).join(file).exists(), "{file}");
        assert!(context.lines().any(|line| line == format!("!{file}")), "{file} is ignored");
    }
    let is_needed = |file: &str| Path::new(ROOT).join(file).exists();
    for file in ["Cargo.toml", "Cargo.lock", "build", "src", "web", "benches"] {
        assert!(!is_needed(file) || copied.contains(&file), "{file} is not copied");
    }
}

#[test]
fn the_image_runs_as_a_user_without_privileges() {
    assert_eq!(arguments("USER"), ["$USER_ID:$USER_ID"]);
    let user = arguments("ARG").iter().find_map(|line| line.strip_prefix("USER_ID=")?.parse().ok());
    assert!(user.is_some_and(|user: u32| user > 999), "{user:?}");
    let environment = arguments("ENV").concat();
    assert!(environment.contains("HEADWATER_LISTEN=0.0.0.0:8080"), "{environment}");
    assert_eq!(arguments("EXPOSE"), ["8080"]);
    let data = arguments("VOLUME").pop().expect("a volume");
    assert!(environment.contains(&format!("HEADWATER_DATA={data}")), "{environment}");
}

#[test]
fn the_health_check_of_the_image_succeeds_only_beside_a_server() {
    let check = arguments("HEALTHCHECK").pop().expect("a check");
    let words: Vec<String> =
        serde_json::from_str(check.split_once("CMD ").expect("a command").1).expect("words");
    assert_eq!(words[0], "headwater");
    let folder = Folder::new();
    let mut program = Program::serve(&[folder.path("")], &[("HEADWATER_LOCAL_WORKER", "false")]);
    let address = program.address.to_string();
    let ask = || {
        let (mut health, _home) = command(&words[1..]);
        health.env("HEADWATER_LISTEN", &address).output().expect("it runs")
    };
    let healthy = ask();
    assert!(healthy.status.success(), "{healthy:?}");
    assert!(healthy.stdout.starts_with(b"ready\n"), "{healthy:?}");
    program.signal(rustix::process::Signal::TERM);
    program.wait();
    let gone = ask();
    assert_eq!(gone.status.code(), Some(1));
    let logged = String::from_utf8_lossy(&gone.stderr);
    assert!(logged.contains(&address) && logged.contains("is the server running?"), "{logged}");
}

#[test]
fn the_service_starts_with_the_packaged_configuration() {
    let unit = document("packaging/headwater.service").text;
    let start = "\nExecStart=/usr/bin/headwater serve --config /etc/headwater/headwater.toml\n";
    assert!(unit.contains(start));
    let configuration = document("packaging/headwater.toml").text;
    let layer = toml::from_str::<Layer>(&configuration).expect("a configuration");
    assert!(!layer.root.is_empty(), "the service has a folder");
    let manifest = document("Cargo.toml").text;
    for file in ["usr/bin/", "etc/headwater/headwater.toml"] {
        assert!(manifest.contains(&format!("\"{file}\"")), "the package has no {file}");
    }
}

#[test]
fn systemd_finds_the_service_well_protected() {
    let unit = Path::new(ROOT).join("packaging/headwater.service");
    let analysis = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX])
        .arg(unit)
        .output();
    let Ok(analysis) = analysis else {
        eprintln!("this test did not run, because systemd-analyze is not installed");
        return;
    };
    assert!(analysis.status.success(), "{}", String::from_utf8_lossy(&analysis.stdout));
}
