//! The roots that are not available, and why: what the page says in place of their titles. Reads nothing.

use std::path::{Component, Path};

use serde::Serialize;

use super::bucket_status::trouble;
use crate::library::{Library, NamedRoot};

/// A root that is not available.
#[derive(Clone, Debug, Serialize)]
pub struct UnavailableRoot {
    /// The name of the root; `None` if it is the only one.
    root: Option<String>,
    /// Why it is not available.
    error: String,
}

impl UnavailableRoot {
    /// A sentence for people.
    pub fn sentence(&self) -> String {
        match &self.root {
            Some(root) => format!("{root} is not available: {}.", self.error),
            None => format!("The library is not available: {}.", self.error),
        }
    }

    /// Whether a folder of the library is in this root, or is it.
    fn has(&self, folder: &Path) -> bool {
        let first = folder.components().next();
        let is_first = |root: &str| first == Some(Component::Normal(root.as_ref()));
        self.root.as_deref().is_none_or(is_first)
    }
}

/// The roots that are not available; of a folder, only its own root.
pub fn unavailable_roots(library: &Library, folder: Option<&Path>) -> Vec<UnavailableRoot> {
    let away = library.roots().iter().filter_map(|named| {
        Some(UnavailableRoot { root: named.name.clone(), error: reason(library, named)? })
    });
    away.filter(|away| folder.is_none_or(|folder| away.has(folder))).collect()
}

fn reason(library: &Library, named: &NamedRoot) -> Option<String> {
    let trouble = match named.root.bucket() {
        Some(bucket) => trouble(bucket),
        None => (!named.root.is_open()).then(|| "its folder cannot be opened".to_owned()),
    };
    // It has become available, and is scanned for the first time.
    let is_late = !library.catalog.is_scanning() && !named.is_scanned();
    trouble.or_else(|| is_late.then(|| "its titles are being listed".to_owned()))
}
