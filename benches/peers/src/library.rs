//! The files of a run. Each kind is made when the first stage needs it, and stays until the end.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cell::{Cell, Files, Work};
use crate::dataset::{Dataset, Shape};
use crate::long::{self, Long};
use crate::options::Options;
use crate::queue::Films;
use crate::served::Served;
use crate::titles::Titles;

/// What was made so far.
pub struct Library<'a> {
    options: &'a Options,
    scratch: PathBuf,
    shared: Option<Dataset>,
    titles: Option<Titles>,
    long: Option<Long>,
    films: Option<Films>,
}

impl<'a> Library<'a> {
    /// Nothing yet; the files will be in the folder `scratch`.
    pub fn new(options: &'a Options, scratch: &Path) -> Self {
        let scratch = scratch.to_owned();
        Library { options, scratch, shared: None, titles: None, long: None, films: None }
    }

    /// What all servers of a stage serve alike.
    pub fn served(&mut self, files: Files) -> Result<Served<'_>> {
        match files {
            Files::Titles => self.titles().map(Served::Titles),
            Files::Shared | Files::Own | Files::Long | Files::Films => {
                self.shared().map(Served::Random)
            }
        }
    }

    /// The copy of random files that all servers send.
    pub fn shared(&mut self) -> Result<&Dataset> {
        if self.shared.is_none() {
            let dataset = copy(self.options, &self.scratch, "shared", &self.cells(Files::Shared))?;
            self.shared = Some(dataset);
        }
        Ok(self.shared.as_ref().expect("it was made just now"))
    }

    fn titles(&mut self) -> Result<&Titles> {
        if self.titles.is_none() {
            let cells = self.cells(Files::Titles);
            let works: Vec<Work> = cells.into_iter().map(|cell| cell.work).collect();
            let root = self.scratch.join("titles");
            self.titles = Some(Titles::create(self.options, root, &works)?);
        }
        Ok(self.titles.as_ref().expect("they were made just now"))
    }

    /// The titles of two hours, as many as any cell needs.
    pub fn long(&mut self) -> Result<&Long> {
        if self.long.is_none() {
            let needed = |cell: Cell| match cell.work {
                Work::FirstByte => long::first_byte::TITLES,
                _ => self.options.long_titles,
            };
            let count = self.cells(Files::Long).into_iter().map(needed).max().unwrap_or(1);
            self.long = Some(Long::create(&self.scratch.join("long"), count)?);
        }
        Ok(self.long.as_ref().expect("they were made just now"))
    }

    /// The films that the queue makes something of.
    pub fn films(&mut self) -> Result<&Films> {
        if self.films.is_none() {
            let cells = self.cells(Files::Films);
            let is_long_needed = cells.iter().any(|cell| cell.work == Work::Storyboard);
            let root = self.scratch.join("films");
            self.films = Some(Films::create(self.options, &root, is_long_needed)?);
        }
        Ok(self.films.as_ref().expect("they were made just now"))
    }

    /// The cells of this run that need such files.
    fn cells(&self, files: Files) -> Vec<Cell> {
        self.options.cells.iter().copied().filter(|cell| cell.files() == files).collect()
    }
}

/// Makes a copy of the random files that some cells need.
pub fn copy(options: &Options, scratch: &Path, name: &str, cells: &[Cell]) -> Result<Dataset> {
    let mib = |mib: u64, is_needed: fn(Work) -> bool| {
        cells.iter().any(|cell| is_needed(cell.work)).then_some(mib << 20)
    };
    let shape = Shape {
        files: options.files,
        file_length: options.file_mib << 20,
        whole_length: mib(options.whole_mib, Work::needs_whole_file),
        cold_length: mib(options.cold_mib, |work| work == Work::BesideCold),
    };
    let dataset = Dataset::create(scratch.join(name).join("media"), shape, options.seed)?;
    dataset.settle()?;
    Ok(dataset)
}
