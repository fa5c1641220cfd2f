//! The rules that no compiler checks: dependencies between rooms, what stays out of the packet path, the length of
//! files, citations, names and language. docs/ARCHITECTURE.md and CONTRIBUTING.md state them.

mod citations;
mod conformance;
mod documents;
mod events;
mod files;
mod language;
mod layout;
mod mutants;
mod rooms;
mod security;
mod soak;
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
