//! What a server serves, and what is asked of it: files of random bytes, or titles.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cell::{Cell, Work};
use crate::clients::curl;
use crate::dataset::Dataset;
use crate::peers::{Role, Server};
use crate::requests::Requests;
use crate::titles::Titles;

/// One or the other.
#[derive(Clone, Copy)]
pub enum Served<'a> {
    Random(&'a Dataset),
    Titles(&'a Titles),
}

impl<'a> Served<'a> {
    /// The folder that is served as `/media/`.
    pub fn media(self) -> PathBuf {
        match self {
            Served::Random(dataset) => dataset.folder.clone(),
            Served::Titles(titles) => titles.media(),
        }
    }

    /// The path of a URL that every server can answer as soon as it is ready.
    pub fn first(self) -> String {
        let name = match self {
            Served::Random(_) => Dataset::clip(0),
            Served::Titles(_) => Titles::name(0),
        };
        format!("/media/{name}")
    }

    /// The folder below which every file has the path that it has in URLs.
    pub fn root(self) -> &'a Path {
        match self {
            Served::Random(dataset) => dataset.root(),
            Served::Titles(titles) => titles.root(),
        }
    }

    /// The files of random bytes, for work on those.
    pub fn dataset(self) -> Result<&'a Dataset> {
        match self {
            Served::Random(dataset) => Ok(dataset),
            Served::Titles(_) => None.context("this is not asked of titles"),
        }
    }

    /// The requests of turn `number`; none if whole files are asked for.
    pub fn requests(self, work: Work, seed: u64, number: u64) -> Result<Option<Requests>> {
        match self {
            Served::Random(dataset) => Requests::of_ranges(work, &dataset.shape, seed, number),
            Served::Titles(titles) => titles.requests(work, seed, number),
        }
    }

    /// Brings the files of a turn into the page cache, or out of it.
    pub fn prepare(self, cell: Cell, server: &Server, role: Role) -> Result<()> {
        let dataset = match self {
            Served::Random(dataset) => dataset,
            Served::Titles(titles) => return titles.warm(cell.work, role),
        };
        let hot = dataset.hot_files(cell.work);
        if cell.work == Work::BesideCold {
            dataset.evict(&dataset.cold_files())?;
        }
        match cell.own {
            // A page that was reclaimed must not come back by anybody else's reading.
            true => curl::fetch(server, &hot),
            false => dataset.warm(&hot),
        }
    }

    /// Compares the SHA-256 of one whole answer with that of its file, where answers are long or
    /// are read from the disk.
    pub fn check_digest(self, work: Work, server: &Server) -> Result<()> {
        let (path, file) = match (self, work) {
            (Served::Titles(titles), Work::Made { product, .. }) => {
                let (path, file) = titles.example(product)?;
                (path.to_owned(), file)
            }
            (Served::Random(dataset), Work::Whole) => of_media(dataset, Dataset::WHOLE),
            (Served::Random(dataset), Work::BesideCold) => {
                of_media(dataset, &dataset.cold_files()[0])
            }
            _ => return Ok(()),
        };
        curl::check_digest(server, &path, &file)
    }
}

fn of_media(dataset: &Dataset, name: &str) -> (String, PathBuf) {
    (format!("/media/{name}"), dataset.path(name))
}
