//! What the configuration takes from outside: files, the names in a directory, variables.
//!
//! `document.rs` and `variables.rs` ask here, so that a text can also be checked without any of it.
//! What was asked is remembered with how it looked, for whoever waits for a change.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::hash::BuildHasher;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic};

/// No configuration is larger than this.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Where files and variables come from.
#[derive(Debug, Default)]
pub struct World {
    /// Without it there is no file and no variable.
    real: bool,
    /// What was asked for.
    pub seen: Seen,
}

impl World {
    /// The files of this machine and the variables of this process.
    pub fn real() -> Self {
        Self { real: true, seen: Seen::default() }
    }

    /// Whether there are files and variables.
    pub const fn is_real(&self) -> bool {
        self.real
    }

    /// Reads a regular file of a sane size: anything else could block for ever, or never end.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if !self.real {
            return Err(ErrorKind::NotFound.into());
        }
        // Before it is read: a change in between is noticed later.
        self.seen.files.insert(path.to_owned(), look(path));
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        if metadata.len() > LARGEST {
            return Err(io::Error::other("it is larger than 64 MiB"));
        }
        fs::read(path)
    }

    /// The files that a glob means, in the order of their names. None is fine.
    ///
    /// # Errors
    /// A directory that cannot be read: what is in it must not seem to be gone.
    pub fn matches(&mut self, glob: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
        if !self.real {
            return Ok(Vec::new());
        }
        let found = matches(glob);
        self.seen.globs.insert(glob.to_owned(), found.as_ref().ok().cloned());
        found
    }

    /// A variable of the environment. An empty one is one that is not set.
    pub fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| self.real && !value.is_empty())
    }
}

/// What was read, and how it looked then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    files: BTreeMap<PathBuf, Option<Look>>,
    /// `None`: a directory could not be read.
    globs: BTreeMap<PathBuf, Option<Vec<PathBuf>>>,
}

/// Device, file, size, and when it was changed: no edit leaves all of them as they were.
type Look = (u64, u64, u64, i64, i64);

impl Seen {
    /// How it looks now, as a number; `None` if it looks as it did.
    pub fn changed(&self) -> Option<u64> {
        let now = Self {
            files: self.files.keys().map(|path| (path.clone(), look(path))).collect(),
            globs: self.globs.keys().map(|glob| (glob.clone(), matches(glob).ok())).collect(),
        };
        (now != *self).then(|| foldhash::quality::FixedState::default().hash_one(now))
    }
}

/// How a file looks; `None`: it cannot be seen. Links are followed, wherever they lead now.
fn look(path: &Path) -> Option<Look> {
    let of =
        |file: Metadata| (file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec());
    fs::metadata(path).ok().map(of)
}

fn matches(glob: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut found = vec![PathBuf::new()];
    for component in glob.components() {
        let pattern = match component {
            Component::Normal(name) => name.to_str().filter(|name| is_glob(name)),
            _ => None,
        };
        let mut next = Vec::new();
        for path in &found {
            step(path, component, pattern, &mut next)?;
        }
        found = next;
    }
    // What is no file, or leads nowhere, is told when it is read.
    found.retain(|path| !path.is_dir());
    found.sort_unstable();
    Ok(found)
}

/// Adds what a component of a glob leads to from `path`. What is not there leads nowhere.
fn step(
    path: &Path,
    component: Component<'_>,
    pattern: Option<&str>,
    found: &mut Vec<PathBuf>,
) -> Result<(), (PathBuf, io::Error)> {
    let Some(pattern) = pattern else {
        let path = path.join(component);
        if component == Component::CurDir
            || path.symlink_metadata().is_ok()
            || path.as_os_str().is_empty()
        {
            found.push(path);
        }
        return Ok(());
    };
    let directory = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let failed = |error| (directory.to_owned(), error);
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let text = name.to_string_lossy();
        // What is hidden is an editor's, or the link of a ConfigMap.
        let shows = pattern.starts_with('.') || !text.starts_with('.');
        if shows && fits(pattern.as_bytes(), text.as_bytes()) {
            found.push(path.join(&name));
        }
    }
    Ok(())
}

/// Whether a name has a sign that stands for others.
pub fn is_glob(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a name fits a pattern: `*` is any run of characters, `?` any one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on if what was tried does not fit: behind the last `*`, one character later.
    let mut again = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, n));
                p += 1;
            }
            Some(sign) if *sign == b'?' || *sign == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((after, from)) = again else { return false };
                again = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|sign| *sign == b'*')
}

/// Why a file could not be read, and what helps.
pub fn unreadable(path: &Path, error: &io::Error, included: bool) -> Diagnostic {
    let name = path.display();
    let problem = match error.kind() {
        ErrorKind::NotFound if included => {
            format!("{name}: no such file: write one, or remove it here")
        }
        ErrorKind::NotFound => {
            format!(
                "{name}: no such file: write one, as `weir init` does, or see `weir demo` first"
            )
        }
        ErrorKind::IsADirectory if included => {
            format!("{name} is a directory: write \"{name}/*.toml\" for the files in it")
        }
        ErrorKind::IsADirectory => format!("{name} is a directory: name the file in it"),
        ErrorKind::PermissionDenied => {
            // Linux: the owner of /proc/self is who we are.
            let me = fs::metadata("/proc/self")
                .map_or_else(|_| "this user".to_owned(), |process| user(process.uid()));
            match fs::metadata(path) {
                Ok(file) => format!(
                    "{me} may not read {name}, which belongs to {} with mode {:04o}: \
                     write `chmod a+r {name}`, or run weir as its owner",
                    user(file.uid()),
                    file.mode() & 0o7777
                ),
                Err(_) => format!(
                    "{me} may not enter the directory of {name}: \
                     write `chmod a+x` on it, or run weir as its owner"
                ),
            }
        }
        _ => format!("{name} cannot be read, {error}: name another file"),
    };
    Diagnostic::new(Code::E0501, None, problem, "")
}

/// "user www-data (33)", or the number alone if it has no name here.
fn user(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then_some(name)
    });
    name.map_or_else(|| format!("user {number}"), |name| format!("user {name} ({number})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_its_pattern() {
        for (pattern, name) in [
            ("*.toml", "a.toml"),
            ("*", "x"),
            ("a?c", "abc"),
            ("*a*b", "xaab"),
            ("a*", "a"),
            ("a", "a"),
        ] {
            assert!(fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.toml", "a.toml~"), ("a?c", "ac"), ("*a*b", "ba"), ("", "a"), ("?", "")]
        {
            assert!(!fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
