//! The objects of a bucket as a tree of directories, from its listing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use quick_cache::sync::Cache;

use super::Listed;
use crate::extent::disk::{NAMES_BUDGET_BYTES, Names, NamesLength};

/// The objects below a prefix that can be served, in the order of their keys.
#[derive(Debug)]
pub(super) struct Tree {
    /// Their keys are without the prefix.
    objects: Vec<Listed>,
    /// The names in directories that were asked for.
    names: Cache<PathBuf, Arc<Names>, NamesLength>,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) enum TreeEntry<'t> {
    File(&'t str, &'t Listed),
    Directory(&'t str),
}

/// A tree that is being listed.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    prefix: String,
    objects: Vec<Listed>,
    objects_max: usize,
    /// The keys that cannot be served, and the first of them.
    pub unservable: usize,
    pub first_unservable: Option<Arc<str>>,
    /// The objects that are too many.
    pub refused: usize,
}

impl TreeBuilder {
    pub(super) fn new(prefix: &str, objects_max: usize) -> Self {
        Self {
            prefix: prefix.to_owned(),
            objects: Vec::new(),
            objects_max,
            unservable: 0,
            first_unservable: None,
            refused: 0,
        }
    }

    /// Adds an object, if its key is the path of a file that a folder would serve.
    pub(super) fn push(&mut self, listed: Listed) {
        let key = listed.key.strip_prefix(self.prefix.as_str());
        let Some(key) = key.filter(|key| is_servable(key)) else {
            // The marker that some programs create for the folder itself.
            if *listed.key != *self.prefix {
                self.unservable += 1;
                self.first_unservable.get_or_insert(listed.key);
            }
            return;
        };
        if self.objects.len() >= self.objects_max {
            self.refused += 1;
            return;
        }
        let key = key.into();
        self.objects.push(Listed { key, ..listed });
    }

    pub(super) fn finish(mut self) -> Tree {
        self.objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        self.objects.dedup_by(|later, first| later.key == first.key);
        self.objects.shrink_to_fit();
        Tree {
            objects: self.objects,
            names: Cache::with_weighter(64, NAMES_BUDGET_BYTES, NamesLength),
        }
    }
}

/// Whether a key is a relative path of visible names.
fn is_servable(key: &str) -> bool {
    !key.contains(char::is_control)
        && key.split('/').all(|name| !name.is_empty() && !name.starts_with('.'))
}

impl Tree {
    /// The object of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Listed> {
        let found = self.objects.binary_search_by(|listed| (*listed.key).cmp(key));
        found.ok().map(|place| &self.objects[place])
    }

    /// Whether objects lie below a directory.
    pub(super) fn has_directory(&self, directory: &str) -> bool {
        self.directory(directory).next().is_some()
    }

    /// The entries of a directory, which is empty for the root.
    pub(super) fn directory(&self, directory: &str) -> impl Iterator<Item = TreeEntry<'_>> {
        let prefix = match directory {
            "" => String::new(),
            directory => format!("{directory}/"),
        };
        let mut at = self.behind(&prefix);
        std::iter::from_fn(move || {
            let listed = self.objects.get(at)?;
            let rest = listed.key.strip_prefix(prefix.as_str())?;
            let Some((name, _)) = rest.split_once('/') else {
                at += 1;
                return Some(TreeEntry::File(rest, listed));
            };
            // '0' is the character behind the slash.
            at = self.behind(&format!("{prefix}{name}0"));
            Some(TreeEntry::Directory(name))
        })
    }

    /// The number of objects whose keys are less.
    fn behind(&self, key: &str) -> usize {
        self.objects.partition_point(|listed| *listed.key < *key)
    }

    /// The names in a directory. Takes time for a large directory.
    pub(super) fn names(&self, directory: &str) -> Arc<Names> {
        if let Some(names) = self.names.get(Path::new(directory)) {
            return names;
        }
        let names = self.directory(directory).map(|entry| match entry {
            TreeEntry::File(name, _) | TreeEntry::Directory(name) => name.as_bytes(),
        });
        let names = Arc::new(Names::from_names(names));
        self.names.insert(PathBuf::from(directory), Arc::clone(&names));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(prefix: &str, keys: &[&str]) -> (Tree, usize) {
        let mut builder = TreeBuilder::new(prefix, 100);
        for key in keys {
            let (key, etag) = ((*key).into(), "\"e\"".into());
            builder.push(Listed { key, size: 1, etag, modified: None, is_archived: false });
        }
        let unservable = builder.unservable;
        (builder.finish(), unservable)
    }

    fn entries(tree: &Tree, directory: &str) -> Vec<String> {
        let text = |entry| match entry {
            TreeEntry::File(name, _) => name.to_owned(),
            TreeEntry::Directory(name) => format!("{name}/"),
        };
        tree.directory(directory).map(text).collect()
    }

    #[test]
    fn a_directory_has_its_files_and_each_directory_below_it_once() {
        let keys = ["a.mp4", "b/1.mp4", "b/2.mp4", "b/c/3.mp4", "b.mp4", "b0.mp4", "é/4.mp4"];
        let (tree, unservable) = tree("", &keys);
        assert_eq!(unservable, 0);
        assert_eq!(entries(&tree, ""), ["a.mp4", "b.mp4", "b/", "b0.mp4", "é/"]);
        assert_eq!(entries(&tree, "b"), ["1.mp4", "2.mp4", "c/"]);
        assert_eq!(entries(&tree, "b/c"), ["3.mp4"]);
        assert_eq!(entries(&tree, "nothing"), [""; 0]);
        assert!(tree.has_directory("é") && !tree.has_directory("a.mp4"));
        assert!(tree.get("b/c/3.mp4").is_some() && tree.get("b/c").is_none());
        let names = tree.names("b");
        assert_eq!(names.iter().collect::<Vec<_>>(), [&b"1.mp4"[..], b"2.mp4", b"c"]);
    }

    #[test]
    fn keys_that_are_no_paths_of_visible_files_are_counted() {
        let keys = [
            "films/a.mp4",
            "films/",
            "films/sub/",
            "films//a.mp4",
            "films/../a.mp4",
            "films/./a.mp4",
            "films/.hidden/a.mp4",
            "films/a\u{1}.mp4",
        ];
        let (tree, unservable) = tree("films/", &keys);
        assert_eq!(unservable, 6);
        assert_eq!(entries(&tree, ""), ["a.mp4"]);
    }
}
