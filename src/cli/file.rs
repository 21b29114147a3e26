//! A file replaced in one step, for the commands that write one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// Replaces the text of a file that is there: who reads it sees the old one or the new one. Its mode, its
/// owner and a link to it stay.
///
/// # Errors
/// It is not there, or its directory cannot be written.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Where a link leads to.
    let path = path.canonicalize()?;
    let old = fs::metadata(&path)?;
    let beside = path.with_extension(format!("toml.{}", std::process::id()));
    let written = (|| {
        let mut file = File::create_new(&beside)?;
        file.set_permissions(old.permissions())?;
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            chown(&beside, Some(old.uid()), Some(old.gid()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    if written.is_err() {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}
