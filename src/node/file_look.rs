//! One look at a file's content, without reading a large file every second for nothing.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::{Content, ContentHash, Look};

/// A file whose times are this old shows every later change in its times.
const SETTLED: Duration = Duration::from_secs(3);

/// What is remembered of the last look.
#[derive(Debug, Default)]
pub(super) struct FileLook {
    last: Option<(Identity, ContentHash)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl FileLook {
    /// The hash of the content; `None` if it cannot be read.
    pub(super) async fn hash(&mut self, path: &Path) -> Look {
        let identity = identity(path);
        if let (Some(now), Some((then, hash))) = (identity, self.last)
            && now == then
            && now.is_settled()
        {
            return Some(hash);
        }
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || Content::read(&path).ok().map(|c| c.hash()));
        let hash = read.await.ok().flatten();
        self.last = identity.zip(hash);
        hash
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let found = std::fs::metadata(path).ok()?;
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
