//! Reads the checklist, `tests/vectors/checklist.json`.

use serde::Deserialize;

use super::super::{read, repository};

/// One requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) row: u16,
    pub(super) requirement: String,
    /// The RFC or the implementation that it comes from.
    pub(super) source: String,
    /// MUST, SHOULD, or C: a choice where the texts are silent.
    pub(super) strength: String,
    /// How to test it from outside.
    #[serde(rename = "how")]
    _how: String,
    /// How the program differs, and why.
    #[serde(default)]
    pub(super) otherwise: Option<String>,
    /// Why the program does not do it. Such a row has no test and no place.
    #[serde(default)]
    pub(super) not_built: Option<String>,
    /// Why no single place implements it.
    #[serde(default)]
    pub(super) no_place: Option<String>,
}

#[derive(Deserialize)]
struct File {
    sections: Vec<Section>,
}

#[derive(Deserialize)]
struct Section {
    name: String,
    rows: Vec<Row>,
}

/// The checklist, section by section. Rows are numbered from 1.
pub(super) fn sections() -> Vec<(String, Vec<Row>)> {
    let text = read(&repository().join("tests/vectors/checklist.json"));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let rows = file.sections.iter().flat_map(|section| &section.rows);
    for (row, expected) in rows.zip(1..) {
        assert_eq!(row.row, expected, "rows are numbered one after another");
    }
    file.sections.into_iter().map(|section| (section.name, section.rows)).collect()
}
