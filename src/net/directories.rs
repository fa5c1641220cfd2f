//! The directories of files that a node keeps.

use std::fs::File;
use std::io;
use std::path::Path;

/// The directory of a file: that of the process if its path names none.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names of new files beside this one durable: a file is only safe once its directory is synchronized.
///
/// # Errors
/// The directory cannot be opened or synchronized.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_directory_is_in_that_of_the_process() {
        for (path, directory) in
            [("a.db", "."), ("./a.db", "."), ("/a.db", "/"), ("x/y/a.db", "x/y"), ("/", ".")]
        {
            assert_eq!(directory_of(Path::new(path)), Path::new(directory), "{path}");
        }
        sync_directory(Path::new("a.db")).unwrap();
        let missing = sync_directory(Path::new("/no/such/directory/a.db")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
