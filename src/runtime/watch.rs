//! Notices that a configuration file has changed, however an editor or a deployment changes it.
//!
//! The directory is watched rather than the file: editors replace files, Kubernetes swaps a link. What is
//! noticed is only a hint: the reload itself reads and compares.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Watches the directories of some files.
pub struct Watch {
    changes: UnboundedReceiver<()>,
    /// Watches for as long as it lives.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// The system has no watch left, or a directory cannot be read.
    pub fn start(files: &[PathBuf]) -> notify::Result<Self> {
        let (sender, changes) = unbounded_channel();
        // Where a file is, and where it really is, if a link leads there.
        let mut files = files.to_vec();
        files.extend(files.clone().iter().filter_map(|file| file.canonicalize().ok()));
        let names: Vec<OsString> =
            files.iter().filter_map(|file| file.file_name()).map(OsString::from).collect();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.map_or(true, |event| concerns(&event, &names)) {
                    let _ = sender.send(());
                }
            })?;
        let mut directories: Vec<&Path> = files.iter().filter_map(|file| directory(file)).collect();
        directories.sort_unstable();
        directories.dedup();
        for directory in directories {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { changes, _watcher: watcher })
    }

    /// Waits for a change, and then until nothing has changed for a quarter of a second, but not for ever.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        let quiet = async {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
        };
        let _ = tokio::time::timeout(LONGEST, quiet).await;
    }
}

/// Whether an event may be about one of our files: others in their directory change all the time. `..data` is
/// the link by which Kubernetes swaps a whole directory.
fn concerns(event: &notify::Event, names: &[OsString]) -> bool {
    !event.kind.is_access()
        && (event.need_rescan()
            || event
                .paths
                .iter()
                .filter_map(|path| path.file_name())
                .any(|name| name == "..data" || names.iter().any(|ours| ours == name)))
}

fn directory(file: &Path) -> Option<&Path> {
    let parent = file.parent()?;
    Some(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

const QUIET: Duration = Duration::from_millis(250);
/// However busy the file is.
const LONGEST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, EventKind, ModifyKind};

    use super::*;

    #[test]
    fn only_our_files_and_the_link_of_their_directory_concern_us() {
        let names = [OsString::from("weir.toml")];
        let event = |kind, path: &str| notify::Event::new(kind).add_path(PathBuf::from(path));
        let modify = EventKind::Modify(ModifyKind::Any);
        assert!(concerns(&event(modify, "/etc/weir/weir.toml"), &names));
        assert!(concerns(&event(modify, "/etc/weir/..data"), &names));
        assert!(!concerns(&event(modify, "/etc/weir/access.log"), &names));
        assert!(!concerns(
            &event(EventKind::Access(AccessKind::Any), "/etc/weir/weir.toml"),
            &names
        ));
    }
}
