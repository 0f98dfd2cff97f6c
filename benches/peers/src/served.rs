//! The files that a server serves, and the requests for them: random bytes, or titles.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cell::{Cell, Work};
use crate::clients::curl;
use crate::dataset::Dataset;
use crate::peers::{Role, Server};
use crate::requests::Requests;
use crate::titles::Titles;

#[derive(Clone, Copy)]
pub enum Served<'a> {
    Random(&'a Dataset),
    Titles(&'a Titles),
}

impl<'a> Served<'a> {
    /// The folder behind `/media/`.
    pub fn media(self) -> PathBuf {
        match self {
            Served::Random(dataset) => dataset.folder.clone(),
            Served::Titles(titles) => titles.media(),
        }
    }

    /// The path of a URL that every server can serve as soon as it is ready.
    pub fn first(self) -> String {
        let name = match self {
            Served::Random(_) => Dataset::clip(0),
            Served::Titles(_) => Titles::name(0),
        };
        format!("/media/{name}")
    }

    /// The document root: below it, every file has the path of its URL.
    pub fn root(self) -> &'a Path {
        match self {
            Served::Random(dataset) => dataset.root(),
            Served::Titles(titles) => titles.root(),
        }
    }

    /// The files of random bytes, for work that needs them.
    pub fn dataset(self) -> Result<&'a Dataset> {
        match self {
            Served::Random(dataset) => Ok(dataset),
            Served::Titles(_) => None.context("titles have no such load"),
        }
    }

    /// The requests of turn `number`; `None` for whole files.
    pub fn requests(self, work: Work, seed: u64, number: u64) -> Result<Option<Requests>> {
        match self {
            Served::Random(dataset) => Requests::of_ranges(work, &dataset.shape, seed, number),
            Served::Titles(titles) => titles.requests(work, seed, number).map(Some),
        }
    }

    /// Brings the files of a turn into the page cache, or out of it.
    pub fn prepare(self, cell: Cell, server: &Server, role: Role) -> Result<()> {
        let dataset = match self {
            Served::Random(dataset) => dataset,
            Served::Titles(titles) => return titles.warm(role),
        };
        let hot = dataset.hot_files(cell.work);
        if cell.work == Work::BesideCold {
            dataset.evict(&dataset.cold_files())?;
        }
        match cell.own {
            // Only the server itself may read a reclaimed page in again.
            true => curl::fetch(server, &hot),
            false => dataset.warm(&hot),
        }
    }

    /// Compares one whole response with its file, where responses are long or come from the disk.
    pub fn check_whole(self, work: Work, server: &Server) -> Result<()> {
        let of_media = |dataset: &Dataset, name: &str| {
            curl::check_whole(server, &format!("/media/{name}"), &dataset.path(name))
        };
        match (self, work) {
            (Served::Titles(titles), _) => {
                let (path, file) = titles.example()?;
                curl::check_whole(server, path, &file)
            }
            (Served::Random(dataset), Work::Whole) => of_media(dataset, Dataset::WHOLE),
            (Served::Random(dataset), Work::BesideCold) => {
                of_media(dataset, &dataset.cold_files()[0])
            }
            _ => Ok(()),
        }
    }
}
