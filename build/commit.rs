//! Gives a release build its commit, for `headwater --version` and the metric `headwater_build_info`.
//!
//! A debug build has none: each commit would compile everything again. Without git, or outside of a
//! checkout, `HEADWATER_COMMIT` names it, as the recipe of a package does; else the version has no commit.

use std::{env, process::Command};

/// Sets the commit of a release build.
pub fn set() {
    println!("cargo::rerun-if-env-changed=HEADWATER_COMMIT");
    if env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    let given = env::var("HEADWATER_COMMIT").ok().filter(|commit| is_commit(commit));
    if let Some(commit) = given.or_else(commit_of_checkout) {
        println!("cargo::rustc-env=HEADWATER_BUILD_COMMIT={commit}");
    }
}

/// The commit that git has checked out here, and whether the sources differ from it.
fn commit_of_checkout() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).filter(|commit| is_commit(commit))?;
    // Git appends a line to this file with each commit, checkout and merge.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    for sources in ["src", "web", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={sources}");
    }
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_clean { commit } else { format!("{commit}-modified") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
