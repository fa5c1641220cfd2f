//! Documents that the program writes: tests compare them, and write them with `BLESS=1` in the environment.

use std::path::{Path, PathBuf};

fn in_repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn must_write() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// A whole file of `docs/` is this text.
pub(crate) fn check_page(file: &str, text: &str) {
    let path = in_repository(file);
    if must_write() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "{file} is not as the program is; run this test with BLESS=1 and read the difference"
    );
}

/// In a file of `docs/`, these lines stand between the two marks.
pub(crate) fn check_block(file: &str, (begin, end): (&str, &str), block: &str) {
    let path = in_repository(file);
    let page = std::fs::read_to_string(&path).unwrap();
    let parts = page.split_once(begin).and_then(|(before, rest)| {
        let (found, after) = rest.split_once(end)?;
        Some((before, found, after))
    });
    let (before, found, after) = parts.unwrap_or_else(|| panic!("no {begin} in {file}"));
    if must_write() {
        std::fs::write(path, format!("{before}{begin}{block}{end}{after}")).unwrap();
        return;
    }
    assert!(
        found == block,
        "{file} has another text behind {begin}; run this test with BLESS=1 and read the difference"
    );
}
