//! Notices that the files of the configuration have changed, however an editor or a deployment changes them.
//!
//! It looks, four times a second, whether they are still the ones that were read: a rename, an edit in place, a link
//! or a whole directory swapped above them, a file that comes into an included directory. So it works where the kernel
//! tells nobody, on mounted and shared file systems. What it notices is only a hint: the reload itself reads and
//! compares.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Loader;

/// Watches the files of a loader, in a thread of its own: a file system that hangs holds up nobody else.
pub struct Watch {
    changes: UnboundedReceiver<()>,
    /// Dropped, it ends the thread.
    _ends: Sender<()>,
}

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// There can be no further thread.
    pub fn start(loader: Arc<dyn Loader>) -> io::Result<Self> {
        let (tell, changes) = unbounded_channel();
        let (ends, ended) = channel();
        let name = String::from("watch");
        std::thread::Builder::new().name(name).spawn(move || look(&*loader, &tell, &ended))?;
        Ok(Self { changes, _ends: ends })
    }

    /// Waits for a change.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Looks until the other end is dropped. A change is told when nothing has changed since the look before, but busy
/// files are not waited for for ever.
fn look(loader: &dyn Loader, tell: &UnboundedSender<()>, ended: &Receiver<()>) {
    let mut change = Change::default();
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if change.is_due(loader.changed()) && tell.send(()).is_err() {
            return;
        }
    }
}

/// A change that is seen, and not told yet.
#[derive(Default)]
struct Change {
    /// What was seen last.
    last: Option<u64>,
    /// How often, since it was told.
    looks: u32,
    /// What was told: whoever does not want to read it is told once.
    told: Option<u64>,
}

impl Change {
    /// Whether to tell, now that this is seen.
    fn is_due(&mut self, seen: Option<u64>) -> bool {
        let quiet = seen == self.last;
        self.last = seen;
        if seen.is_none() {
            // The same change may come again.
            self.told = None;
        }
        if seen.is_none() || seen == self.told {
            self.looks = 0;
            return false;
        }
        self.looks += 1;
        let due = (quiet && self.looks > 1) || self.looks >= LONGEST;
        if due {
            (self.told, self.looks) = (seen, 0);
        }
        due
    }
}

/// Between two looks, which is also how long files must be quiet.
const LOOK: Duration = Duration::from_millis(250);
/// So many looks later a change is told, however busy the files are.
const LONGEST: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of these looks a change is told.
    fn told(looks: &[Option<u64>]) -> Vec<usize> {
        let mut change = Change::default();
        (0..looks.len()).filter(|look| change.is_due(looks[*look])).collect()
    }

    #[test]
    fn a_change_is_told_once_when_it_is_over() {
        assert_eq!(told(&[None, Some(1), Some(2), Some(2), Some(2), Some(2)]), [3]);
        assert_eq!(told(&[Some(1), Some(1), None, Some(2), Some(2)]), [1, 4]);
        assert!(told(&[Some(1), None, None]).is_empty());
        assert_eq!(told(&[Some(1), Some(1), None, Some(1), Some(1)]), [1, 4], "the same again");
    }

    #[test]
    fn a_change_that_does_not_end_is_told_all_the_same() {
        let looks: Vec<_> = (0..8).map(Some).collect();
        assert_eq!(told(&looks), [5]);
    }
}
