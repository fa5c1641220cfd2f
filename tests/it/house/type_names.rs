//! Each public type name has one meaning, and is clear by itself.

use std::collections::BTreeMap;

use super::source::files_below;
use super::{read, repository};

/// At most this many names may have two meanings.
const SHARED_MAX: usize = 10;

/// Names that two types share, each with the reason.
const SHARED: &[(&str, &str)] = &[];

/// Names without a meaning of their own.
const MEANINGLESS: [&str; 21] = [
    "Body", "Content", "Count", "Data", "Decision", "End", "Entry", "Info", "Inner", "Item",
    "Kind", "Line", "Mode", "Open", "Place", "Report", "Result", "Shared", "State", "Thing",
    "Verdict",
];

/// The name of the type that a line defines, if other modules may use it.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')')?.1,
        None => rest,
    };
    let (keyword, name) = rest.trim_start().split_once(' ')?;
    let defines = ["struct", "enum", "trait", "type", "union"].contains(&keyword);
    let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    // A macro names the type where it is called.
    (defines && !name.is_empty()).then_some(name)
}

/// The public types of `src`, tests included, each with the files that define one.
fn public_types() -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files_below(&repository().join("src"), "rs") {
        for name in read(&file).lines().filter_map(public_type) {
            types.entry(name.to_owned()).or_default().push(file.display().to_string());
        }
    }
    types
}

#[test]
fn no_public_type_name_means_two_things() {
    let types = public_types();
    assert!(types.len() > 300, "only {} types were found", types.len());
    let is_shared = |name: &str| types.get(name).is_some_and(|files| files.len() > 1);
    for (name, files) in types.iter().filter(|(name, _)| is_shared(name)) {
        let allowed = SHARED.iter().any(|(shared, _)| shared == name);
        assert!(allowed, "{name} is defined {} times, rename one: {files:?}", files.len());
    }
    assert!(SHARED.len() <= SHARED_MAX, "{} names are shared", SHARED.len());
    for (name, reason) in SHARED {
        assert!(is_shared(name), "{name} has one meaning now: remove it from the list");
        assert!(!reason.is_empty(), "{name} is shared without a reason");
    }
}

#[test]
fn public_type_names_mean_something_by_themselves() {
    let types = public_types();
    for name in MEANINGLESS {
        assert!(
            !types.contains_key(name),
            "{name} has no meaning by itself: {:?}",
            types.get(name)
        );
    }
}

#[test]
fn definitions_of_public_types_are_recognized() {
    assert_eq!(public_type("pub struct Peer {"), Some("Peer"));
    assert_eq!(public_type("    pub(in crate::wire) enum Kind<'a> {"), Some("Kind"));
    assert_eq!(public_type("pub(crate) type Rank = u8;"), Some("Rank"));
    assert_eq!(public_type("struct Peer {"), None);
    assert_eq!(public_type("pub fn struct_of() {"), None);
    assert_eq!(public_type("pub use other::Peer;"), None);
    assert_eq!(public_type("pub struct $name {"), None);
}
