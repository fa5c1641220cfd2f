//! Detects changes of a file's content, without reading an unchanged file every second. It may block for as long as the
//! file system does.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::{ContentHash, FileContent};

/// Once a file's times are this old, each later change is visible in them.
const SETTLED_AGE: Duration = Duration::from_secs(3);

/// The last hash of a file, and the metadata that it belongs to.
#[derive(Debug, Default)]
pub(super) struct FileFingerprint {
    last: Option<(FileIdentity, ContentHash)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl FileFingerprint {
    /// The hash of the content; `None` if it cannot be read, or is no regular file.
    pub(super) fn hash(&mut self, path: &Path) -> Option<ContentHash> {
        let identity = identity(path)?;
        if let Some((last, hash)) = self.last
            && identity == last
            && identity.is_settled()
        {
            return Some(hash);
        }
        let hash = FileContent::read(path).ok().map(|content| content.hash());
        self.last = hash.map(|hash| (identity, hash));
        hash
    }
}

/// Whether a file can be read again. A pipe can be read only once, and opening it waits for its writer.
pub(super) fn is_regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}

fn identity(path: &Path) -> Option<FileIdentity> {
    let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(FileIdentity {
        device: found.dev(),
        inode: found.ino(),
        length: found.len(),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

impl FileIdentity {
    fn is_settled(&self) -> bool {
        let changed = u64::try_from(self.changed.0).unwrap_or(0);
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLED_AGE)
    }
}
