//! The rules of the house that no compiler checks: who may know whom, what stays out of the packet path, how long a file
//! may be. docs/ARCHITECTURE.md states them, CONTRIBUTING.md says why.

mod citations;
mod conformance;
mod documents;
mod files;
mod language;
mod rooms;
mod security;
mod source;
mod type_names;
mod vectors;

use std::path::Path;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
