//! The table of docs/DIFFERENCES.md equals that of `classes.rs`; `BLESS=1` rewrites it.

use std::path::Path;

use super::classes::{CLASSES, Theirs};

/// The marks before and after the table of one implementation.
fn marks(theirs: Theirs) -> [String; 2] {
    ["begin", "end"].map(|which| format!("<!-- {which} {theirs:?} -->\n"))
}

fn table(theirs: Theirs) -> String {
    let head = "| what is on the wire | they | we |\n|---|---|---|\n".to_owned();
    CLASSES.iter().filter(|class| class.theirs == theirs).fold(head, |table, class| {
        format!("{table}| {} | {} | {} |\n", class.what, class.they, class.we)
    })
}

#[test]
fn the_page_of_differences_has_the_classes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DIFFERENCES.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut expected = page.clone();
    for theirs in [Theirs::JavaScript, Theirs::InterledgerRs] {
        let [begin, end] = marks(theirs);
        let from = expected.find(&begin).expect(&begin) + begin.len();
        let to = expected.find(&end).expect(&end);
        expected.replace_range(from..to, &format!("\n{}\n", table(theirs)));
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(page == expected, "docs/DIFFERENCES.md has another table; run with BLESS=1");
    }
    for (index, class) in CLASSES.iter().enumerate() {
        assert!(CLASSES[..index].iter().all(|other| other.id != class.id), "{} twice", class.id);
    }
}

#[test]
fn every_class_of_interledger_rs_has_an_input() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/differences.json");
    let file: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let inputs = file["inputs"].as_array().unwrap();
    for class in CLASSES.iter().filter(|class| class.theirs == Theirs::InterledgerRs) {
        assert!(inputs.iter().any(|input| input["class"] == class.id), "{} has none", class.id);
    }
    for input in inputs {
        let known = CLASSES.iter().any(|class| input["class"] == class.id);
        assert!(known, "no such class: {input}");
    }
}
