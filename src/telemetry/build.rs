//! What this program was built from.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, of a release build within a checkout; see build.rs.
pub const COMMIT: Option<&str> = option_env!("HEADWATER_BUILD_COMMIT");

/// The version, and the commit if it is known: `0.1.0 (commit 1a2b3c4d5e6f)`.
pub fn describe() -> String {
    match COMMIT {
        Some(commit) => format!("{VERSION} (commit {commit})"),
        None if cfg!(debug_assertions) => format!("{VERSION} (debug build)"),
        None => VERSION.to_owned(),
    }
}
