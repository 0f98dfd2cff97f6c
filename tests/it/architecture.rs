//! The imports between the folders of `src`: in one direction, as ARCHITECTURE.md documents them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Path as RustPath, UseTree,
    visit::{self, Visit},
};

/// From the top to the ground: a folder imports only from folders below it.
const LAYERS: [&str; 22] = [
    "cli",
    "serve",
    "http",
    "titles",
    "webhooks",
    "jobs",
    "transcode",
    "package",
    "bucket_catalog",
    "library",
    "queue",
    "movie",
    "store",
    "wire",
    "extent",
    "sys",
    "background",
    "shares",
    "tls",
    "telemetry",
    "config",
    "named",
];

/// Which folders each folder imports from.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Collects the first segment behind `crate` of every path in a file.
#[derive(Default)]
struct CratePaths(BTreeSet<String>);

impl CratePaths {
    fn add_tree(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => drop(self.0.insert(path.ident.to_string())),
            UseTree::Name(name) => drop(self.0.insert(name.ident.to_string())),
            UseTree::Rename(rename) => drop(self.0.insert(rename.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree)),
            UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for CratePaths {
    fn visit_use_tree(&mut self, tree: &'ast UseTree) {
        match tree {
            UseTree::Path(path) if path.ident == "crate" => self.add_tree(&path.tree),
            tree => visit::visit_use_tree(self, tree),
        }
    }

    fn visit_path(&mut self, path: &'ast RustPath) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate") {
            self.0.extend(segments.next().map(|second| second.ident.to_string()));
        }
        visit::visit_path(self, path);
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.chain(folders.iter().flat_map(|folder| self::files(folder))).collect()
}

/// The folder or file at the top of `src` that a file belongs to.
fn layer(file: &Path) -> String {
    let below = file.strip_prefix(source()).unwrap();
    let first = below.iter().next().unwrap();
    Path::new(first).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The imports of a file's text.
fn imports(text: &str) -> BTreeSet<String> {
    let mut paths = CratePaths::default();
    paths.visit_file(&syn::parse_file(text).unwrap());
    paths.0
}

fn all_imports() -> Imports {
    let mut all = Imports::new();
    for file in files(&source()) {
        let layer = layer(&file);
        if layer == "lib" || layer == "main" {
            continue;
        }
        let mut found = imports(&fs::read_to_string(&file).unwrap());
        found.remove(&layer);
        all.entry(layer).or_default().extend(found);
    }
    all
}

/// Imports that lead upward or to a folder that has no place in the order.
fn upward(layers: &[&str], imports: &Imports) -> Vec<String> {
    let place = |name: &str| layers.iter().position(|layer| *layer == name);
    let pairs = imports.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    pairs
        .filter(|(from, to)| match (place(from), place(to)) {
            (Some(from), Some(to)) => from >= to,
            _ => true,
        })
        .map(|(from, to)| format!("{from} imports {to}"))
        .collect()
}

/// The rows of the table `module | responsibility | depends on` in ARCHITECTURE.md.
fn documented() -> Imports {
    let text = include_str!("../../ARCHITECTURE.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let names = |cell: &str| {
        let names = cell.split('`').skip(1).step_by(2).map(str::to_owned);
        names.collect::<BTreeSet<_>>()
    };
    let modules = cells.filter_map(|cells| match cells.as_slice() {
        [module, _, depends] => Some((module.trim_end_matches('`').to_owned(), names(depends))),
        _ => None,
    });
    modules.collect()
}

#[test]
fn imports_lead_downward() {
    let found = upward(&LAYERS, &all_imports());
    assert!(found.is_empty(), "against the order {LAYERS:?}:\n{}", found.join("\n"));
}

#[test]
fn an_upward_import_is_found_in_every_form() {
    for text in [
        "use crate::http::Error;",
        "use crate::{extent::Extents, http::{Error, Site}};",
        "use crate::http as upper;",
        "fn answer() -> crate::http::Error { todo!() }",
        "mod tests { use crate::{http}; }",
    ] {
        let all = Imports::from([("wire".to_owned(), imports(text))]);
        assert_eq!(upward(&LAYERS, &all), ["wire imports http"], "{text}");
    }
    let all = Imports::from([("wire".to_owned(), imports("use crate::extent::Extents;"))]);
    assert!(upward(&LAYERS, &all).is_empty());
}

#[test]
fn the_architecture_document_names_every_folder_and_what_it_imports() {
    let (documented, found) = (documented(), all_imports());
    for (module, imports) in &found {
        assert_eq!(documented.get(module), Some(imports), "the row of {module}");
    }
    let missing: Vec<_> = documented.keys().filter(|module| !found.contains_key(*module)).collect();
    assert!(missing.is_empty(), "documented, but not in src: {missing:?}");
}
