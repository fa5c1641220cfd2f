//! One look at a file's content, without reading a large file every second for nothing. It may block for as long as the
//! file system does.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::{ContentHash, FileContent, Look};

/// A file whose times are this old shows every later change in its times.
const SETTLED: Duration = Duration::from_secs(3);

/// What is remembered of the last look.
#[derive(Debug, Default)]
pub(super) struct FileFingerprint {
    last: Option<(Identity, ContentHash)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl FileFingerprint {
    /// The hash of the content; `None` if it cannot be read, or is no regular file.
    pub(super) fn hash(&mut self, path: &Path) -> Look {
        let identity = identity(path)?;
        if let Some((then, hash)) = self.last
            && identity == then
            && identity.is_settled()
        {
            return Some(hash);
        }
        let hash = FileContent::read(path).ok().map(|content| content.hash());
        self.last = hash.map(|hash| (identity, hash));
        hash
    }
}

/// Whether a file can be read again. What comes out of a pipe is there once, and to open one waits for its writer.
pub(super) fn is_regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}

fn identity(path: &Path) -> Option<Identity> {
    let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(Identity {
        device: found.dev(),
        inode: found.ino(),
        length: found.len(),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

impl Identity {
    fn is_settled(&self) -> bool {
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLED)
    }
}
