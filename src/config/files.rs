//! The files of a configuration, for the process: read and compiled at the start and at each reload.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::load::look;
use super::world::Seen;
use super::{Options, compile};
use crate::diagnostic::{Fault, Report, Style};
use crate::runtime::{Blueprint, Loader};

/// Reads the files of a configuration whenever the process asks for it.
pub struct Files {
    path: PathBuf,
    options: Options,
    /// How they looked when they were read.
    seen: Mutex<Seen>,
}

impl Files {
    /// The file to read.
    pub fn new(path: &Path) -> Self {
        Self::with(path, Options::default())
    }

    /// The file to read, and what else was asked for.
    pub fn with(path: &Path, options: Options) -> Self {
        Self { path: path.to_owned(), options, seen: Mutex::default() }
    }

    /// Reads the files for the first time. The warnings are worth showing.
    ///
    /// # Errors
    /// The report on what is wrong with them.
    pub fn first(&self) -> Result<(Blueprint, Report), Report> {
        let loaded = self.load()?;
        let blueprint = compile(&loaded.config, None, fastrand::u64(..)).map_err(refused)?;
        Ok((blueprint, loaded.warnings))
    }

    /// Paths are relative to the file that contains them.
    fn load(&self) -> Result<super::Loaded, Report> {
        let (loaded, seen) = look(&self.path, &self.options);
        *self.seen.lock() = seen;
        let mut loaded = loaded?;
        if let Some(directory) = loaded.directory(&["access_log", "output"]) {
            loaded.config.access_log.output.within(&directory);
        }
        if let Some(directory) = loaded.directory(&["log", "output"]) {
            loaded.config.log.output.within(&directory);
        }
        Ok(loaded)
    }
}

impl Loader for Files {
    fn next(&self, running: &Blueprint) -> Result<Blueprint, String> {
        self.load()
            .and_then(|loaded| {
                compile(&loaded.config, Some(running), fastrand::u64(..)).map_err(refused)
            })
            .map_err(|report| report.render(Style::Plain))
    }

    fn changed(&self) -> Option<u64> {
        let seen = self.seen.lock().clone();
        seen.changed()
    }
}

fn refused(fault: Fault) -> Report {
    Report::new(Vec::new(), vec![fault.at(None)])
}
