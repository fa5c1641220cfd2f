//! The checklist as data.

use serde::Deserialize;

use super::super::{read, repository};

/// One requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) row: u16,
    pub(super) requirement: String,
    /// Where it is written, or who decided it.
    pub(super) source: String,
    /// MUST, SHOULD, or C: a choice where the texts are silent.
    pub(super) strength: String,
    /// How it can be seen from outside; for those who write the test.
    #[serde(rename = "how")]
    _how: String,
    /// We do it in another way, and why.
    #[serde(default)]
    pub(super) otherwise: Option<String>,
    /// We do not do it (yet), and why. Such a row has no test.
    #[serde(default)]
    pub(super) not_built: Option<String>,
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

/// The checklist in its order; every row has a number of its own.
pub(super) fn sections() -> Vec<(String, Vec<Row>)> {
    let text = read(&repository().join("tests/vectors/checklist.json"));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let rows = file.sections.iter().flat_map(|section| &section.rows);
    for (row, expected) in rows.zip(1..) {
        assert_eq!(row.row, expected, "rows are numbered one after another");
    }
    file.sections.into_iter().map(|section| (section.name, section.rows)).collect()
}
