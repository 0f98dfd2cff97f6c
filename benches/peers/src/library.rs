//! The files of a run. The first stage that needs a kind of file creates it; it stays until the end.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cell::{Cell, Files, Work};
use crate::dataset::{self, Dataset, Shape};
use crate::options::Options;
use crate::queue::JobSources;
use crate::served::Served;
use crate::titles::Titles;

pub struct Library<'a> {
    options: &'a Options,
    scratch: PathBuf,
    shared: Option<Dataset>,
    titles: Option<Titles>,
    sources: Option<JobSources>,
}

impl<'a> Library<'a> {
    /// An empty library; its files will be in the folder `scratch`.
    pub fn new(options: &'a Options, scratch: &Path) -> Self {
        Library { options, scratch: scratch.to_owned(), shared: None, titles: None, sources: None }
    }

    /// The files that all servers of a stage share.
    pub fn served(&mut self, files: Files) -> Result<Served<'_>> {
        match files {
            Files::Titles => self.titles().map(Served::Titles),
            Files::Shared | Files::Own | Files::JobSources => self.shared().map(Served::Random),
        }
    }

    /// The shared copy of random files.
    pub fn shared(&mut self) -> Result<&Dataset> {
        let cells = self.cells(Files::Shared);
        let create = || copy(self.options, &self.scratch, "shared", &cells);
        let dataset = self.shared.take().map_or_else(create, Ok)?;
        Ok(self.shared.insert(dataset))
    }

    fn titles(&mut self) -> Result<&Titles> {
        let create = || Titles::create(self.options, self.scratch.join("titles"));
        let titles = self.titles.take().map_or_else(create, Ok)?;
        Ok(self.titles.insert(titles))
    }

    /// The videos that jobs read.
    pub fn sources(&mut self) -> Result<&JobSources> {
        let mut cells = self.cells(Files::JobSources).into_iter();
        let needs_long = cells.any(|cell| cell.work == Work::Storyboard);
        let root = self.scratch.join("sources");
        let create = || JobSources::create(self.options, &root, needs_long);
        let sources = self.sources.take().map_or_else(create, Ok)?;
        Ok(self.sources.insert(sources))
    }

    /// The cells of this run with such files.
    fn cells(&self, files: Files) -> Vec<Cell> {
        self.options.cells.iter().copied().filter(|cell| cell.files() == files).collect()
    }
}

/// Creates a copy of the random files that some cells need.
pub fn copy(options: &Options, scratch: &Path, name: &str, cells: &[Cell]) -> Result<Dataset> {
    let length = |mib: u64, is_needed: fn(Work) -> bool| {
        cells.iter().any(|cell| is_needed(cell.work)).then_some(mib << 20)
    };
    let shape = Shape {
        files: options.files,
        file_length: options.file_mib << 20,
        whole_length: length(options.whole_mib, Work::needs_whole_file),
        cold_length: length(options.cold_mib, |work| work == Work::BesideCold),
    };
    let dataset = Dataset::create(scratch.join(name).join("media"), shape, options.seed)?;
    dataset::wait_for_quiet(dataset.names().iter().map(|name| dataset.path(name)))?;
    Ok(dataset)
}
