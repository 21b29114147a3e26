//! The files of a configuration, for the process: read and compiled at the start and at each reload.

use std::path::{Path, PathBuf};

use super::{Config, compile, load};
use crate::diagnostic::{Fault, Report, Style};
use crate::runtime::{Blueprint, Loader};

/// Reads a configuration file whenever the process asks for it.
pub struct Files {
    path: PathBuf,
}

impl Files {
    /// The file to read.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Reads the file for the first time. The warnings are worth showing.
    ///
    /// # Errors
    /// The report on what is wrong with it.
    pub fn first(&self) -> Result<(Blueprint, Report), Report> {
        let mut loaded = load(&self.path)?;
        self.settle(&mut loaded.config);
        let blueprint = compile(&loaded.config, None, fastrand::u64(..)).map_err(refused)?;
        Ok((blueprint, loaded.warnings))
    }

    /// Paths are relative to the file that contains them.
    fn settle(&self, config: &mut Config) {
        if let Some(directory) = self.path.parent() {
            config.access_log.output.within(directory);
        }
    }
}

impl Loader for Files {
    fn next(&self, running: &Blueprint) -> Result<Blueprint, String> {
        load(&self.path)
            .and_then(|mut loaded| {
                self.settle(&mut loaded.config);
                compile(&loaded.config, Some(running), fastrand::u64(..)).map_err(refused)
            })
            .map_err(|report| report.render(Style::Plain))
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

fn refused(fault: Fault) -> Report {
    Report::new(Vec::new(), vec![fault.at(None)])
}
