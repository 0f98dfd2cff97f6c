//! The objects of a bucket as a tree of directories, from its listing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use quick_cache::sync::Cache;

use super::{Listed, listing::ObjectChange};
use crate::extent::disk::{NAMES_BUDGET_BYTES, Names, NamesLength};

/// The objects of a new block; one of twice as many is split.
const BLOCK_OBJECTS: usize = 512;

/// The objects below a prefix that can be served, in the order of their keys.
#[derive(Debug)]
pub(super) struct Tree {
    /// Their keys are without the prefix. A tree with some changes shares all other blocks, of which none is
    /// empty.
    blocks: Vec<Arc<[Listed]>>,
    /// The names in directories that were asked for.
    names: Cache<PathBuf, Arc<Names>, NamesLength>,
}

/// The place of an object: its block, and its place there.
type Position = (usize, usize);

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) enum TreeEntry<'t> {
    File(&'t str, &'t Listed),
    Directory(&'t str),
}

/// A tree that is being listed.
#[derive(Debug)]
pub(super) struct TreeBuilder {
    objects: Vec<Listed>,
    objects_max: usize,
    /// The objects that are too many.
    pub refused: usize,
}

impl TreeBuilder {
    pub(super) fn new(objects_max: usize) -> Self {
        Self { objects: Vec::new(), objects_max, refused: 0 }
    }

    /// Adds an object, whose key is without the prefix and can be served.
    pub(super) fn push(&mut self, listed: Listed) {
        if self.objects.len() >= self.objects_max {
            self.refused += 1;
            return;
        }
        self.objects.push(listed);
    }

    pub(super) fn finish(mut self) -> Tree {
        self.objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        self.objects.dedup_by(|later, first| later.key == first.key);
        let blocks = self.objects.chunks(BLOCK_OBJECTS).map(Arc::from).collect();
        Tree::new(blocks)
    }
}

/// Whether a key is a relative path of visible names.
pub(super) fn is_servable(key: &str) -> bool {
    !key.contains(char::is_control)
        && key.split('/').all(|name| !name.is_empty() && !name.starts_with('.'))
}

impl Tree {
    fn new(blocks: Vec<Arc<[Listed]>>) -> Self {
        Self { blocks, names: Cache::with_weighter(64, NAMES_BUDGET_BYTES, NamesLength) }
    }

    /// The tree with some changes. Of several changes of an object the last one counts. Returns how many
    /// objects are too many.
    pub(super) fn with(&self, changes: &[ObjectChange], objects_max: usize) -> (Self, usize) {
        let changes: BTreeMap<&str, Option<&Listed>> =
            changes.iter().map(|change| (&*change.key, change.state.as_ref())).collect();
        let mut room = objects_max.saturating_sub(self.len());
        let (mut refused, mut blocks) = (0, Vec::with_capacity(self.blocks.len() + 1));
        let mut rest = changes.into_iter().peekable();
        let empty = Arc::<[Listed]>::from([]);
        let present = match self.blocks.as_slice() {
            [] => std::slice::from_ref(&empty),
            blocks => blocks,
        };
        for (number, block) in present.iter().enumerate() {
            let is_last = number + 1 == present.len();
            let is_within =
                |key: &str| is_last || block.last().is_some_and(|last| key <= &*last.key);
            if rest.peek().is_none_or(|(key, _)| !is_within(key)) {
                blocks.extend((!block.is_empty()).then(|| Arc::clone(block)));
                continue;
            }
            let mut objects: BTreeMap<&str, &Listed> =
                block.iter().map(|listed| (&*listed.key, listed)).collect();
            while let Some((key, state)) = rest.next_if(|(key, _)| is_within(key)) {
                match state {
                    None => room += usize::from(objects.remove(key).is_some()),
                    Some(listed) if room > 0 || objects.contains_key(key) => {
                        room -= usize::from(objects.insert(key, listed).is_none());
                    }
                    Some(_) => refused += 1,
                }
            }
            let objects: Vec<Listed> = objects.into_values().cloned().collect();
            let length =
                if objects.len() < 2 * BLOCK_OBJECTS { objects.len() } else { BLOCK_OBJECTS };
            blocks.extend(objects.chunks(length.max(1)).map(Arc::from));
        }
        (Self::new(blocks), refused)
    }

    /// The number of objects.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    /// The object of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Listed> {
        self.at(self.behind(key)).filter(|listed| *listed.key == *key)
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
            let listed = self.at(at)?;
            let rest = listed.key.strip_prefix(prefix.as_str())?;
            let Some((name, _)) = rest.split_once('/') else {
                at = self.next(at);
                return Some(TreeEntry::File(rest, listed));
            };
            // '0' is the character behind the slash.
            at = self.behind(&format!("{prefix}{name}0"));
            Some(TreeEntry::Directory(name))
        })
    }

    /// The place behind all objects whose keys are less.
    fn behind(&self, key: &str) -> Position {
        let is_less = |listed: &Listed| *listed.key < *key;
        let block = self.blocks.partition_point(|block| block.last().is_some_and(is_less));
        (block, self.blocks.get(block).map_or(0, |block| block.partition_point(is_less)))
    }

    fn at(&self, (block, object): Position) -> Option<&Listed> {
        self.blocks.get(block)?.get(object)
    }

    fn next(&self, (block, object): Position) -> Position {
        match self.blocks.get(block).is_some_and(|block| object + 1 < block.len()) {
            true => (block, object + 1),
            false => (block + 1, 0),
        }
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

    fn listed(key: &str, size: u64) -> Listed {
        let etag = "\"e\"".into();
        Listed { key: key.into(), size, etag, modified: None, is_archived: false }
    }

    fn tree(keys: &[&str]) -> Tree {
        let mut builder = TreeBuilder::new(100_000);
        keys.iter().for_each(|key| builder.push(listed(key, 1)));
        builder.finish()
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
        let tree = tree(&keys);
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
    fn keys_that_are_no_paths_of_visible_files_are_not_served() {
        assert!(is_servable("a.mp4") && is_servable("é/b c.mp4"));
        for key in ["", "sub/", "/a.mp4", "b//a.mp4", "../a.mp4", "./a", ".hidden/a", "a\u{1}.mp4"]
        {
            assert!(!is_servable(key), "{key}");
        }
    }

    #[test]
    fn a_tree_with_changes_is_that_of_the_changed_listing() {
        let mut expected = BTreeMap::new();
        let mut tree = tree(&[]);
        // Numbers that look random: keys come, change and go, in batches that span blocks.
        let mut state = 1_u64;
        let mut number = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for batch in 0..40 {
            let mut changes = Vec::new();
            for _ in 0..=number(if batch % 2 == 0 { 3000 } else { 3 }) {
                let key = format!("{}/{:05}.mp4", number(4), number(5000));
                let state = (number(3) > 0).then(|| listed(&key, number(1000)));
                match &state {
                    Some(listed) => drop(expected.insert(key.clone(), listed.size)),
                    None => drop(expected.remove(&key)),
                }
                changes.push(ObjectChange { key: key.into(), state });
            }
            let refused;
            (tree, refused) = tree.with(&changes, 100_000);
            assert_eq!(refused, 0);
            let objects = tree.blocks.iter().flat_map(|block| block.iter());
            let found: Vec<_> = objects.map(|one| (one.key.to_string(), one.size)).collect();
            assert!(found == expected.clone().into_iter().collect::<Vec<_>>(), "batch {batch}");
            assert!(tree.blocks.iter().all(|block| (1..2 * BLOCK_OBJECTS).contains(&block.len())));
            let first = found.first().map(|(key, _)| key.as_str()).unwrap_or_default();
            assert_eq!(tree.get(first).is_some(), !found.is_empty());
        }
    }

    #[test]
    fn a_full_tree_takes_no_other_object_and_every_change_of_its_own() {
        let tree = tree(&["a", "b"]);
        let change = |key: &str, size: Option<u64>| {
            let state = size.map(|size| listed(key, size));
            ObjectChange { key: key.into(), state }
        };
        let (tree, refused) = tree.with(&[change("a", Some(9)), change("c", Some(1))], 2);
        assert_eq!((refused, tree.get("a").map(|listed| listed.size)), (1, Some(9)));
        let (tree, refused) = tree.with(&[change("a", None), change("c", Some(1))], 2);
        assert_eq!((refused, entries(&tree, "")), (0, vec!["b".to_owned(), "c".to_owned()]));
    }
}
