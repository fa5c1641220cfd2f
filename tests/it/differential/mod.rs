//! Compares our codecs with those of the JavaScript packages: both read the same inputs and must return the same
//! result, or differ as the table in `classes.rs` lists.
//!
//! Inputs are drawn at random, from a seed that is printed (`generate.rs`). A Node.js process decodes them in batches
//! (`javascript.rs`, `tests/differential/decode.js`). If the results differ, `model` must predict both
//! of them, and the classes of the table that cause the difference.
//!
//! The short run is part of the suite. For a long one, set the number of inputs, and another seed each time:
//!
//! ```sh
//! DIFFERENTIAL_INPUTS=20000000 DIFFERENTIAL_SEED=$RANDOM cargo test --test it differential -- --nocapture
//! ```

mod classes;
mod fields;
mod generate;
mod javascript;
mod loose;
mod model;
mod ours;
mod page;
mod tally;

use serde_json::Value;

use self::generate::{Generator, Input};
use self::javascript::JavaScript;
use self::tally::Tally;
use crate::interop;
use crate::support::{print_line, skip};

/// Inputs of the short run, which has every class and takes some seconds.
const INPUTS: u64 = 100_000;
const BATCH: u64 = 2_000;
/// Inputs between two progress lines of a long run.
const REPORT_INTERVAL: u64 = 1_000_000;

/// What an input is. The numbers are those of `decode.js`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Codec {
    /// A primitive; the first byte says which.
    Oer,
    Address,
    Ilp,
    Btp,
    /// A Fulfill with an IL-DCP response.
    Ildcp,
    /// The payload of a route control.
    CcpControl,
    /// The payload of a route update.
    CcpUpdate,
    /// A STREAM packet in clear.
    Stream,
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => otherwise,
    }
}

#[test]
fn codecs_agree_with_the_javascript_packages_but_for_the_listed_differences() {
    let packages = match interop::differential_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the comparison with the JavaScript codecs", &why),
    };
    let seed = from_environment("DIFFERENTIAL_SEED", 1);
    let inputs = from_environment("DIFFERENTIAL_INPUTS", INPUTS);
    print_line(&format!("differential: DIFFERENTIAL_SEED={seed} DIFFERENTIAL_INPUTS={inputs}"));
    let mut generator = Generator::new(seed);
    let mut javascript = JavaScript::start(&packages);
    let mut tally = Tally::default();
    while tally.inputs() < inputs {
        let batch: Vec<Input> = (0..BATCH).map(|_| generator.next()).collect();
        for (input, theirs) in batch.iter().zip(javascript.answers(&batch)) {
            tally.add(input, &verdict(input, theirs.as_deref()));
        }
        if tally.inputs().is_multiple_of(REPORT_INTERVAL) {
            print_line(&format!("differential: {} inputs", tally.inputs()));
        }
    }
    print_line(&tally.to_string());
    tally.every_class_was_met();
}

/// The result of one input. Anything else fails the test.
enum Verdict {
    BothAccept,
    BothRefuse,
    /// A difference of listed classes.
    Listed(Vec<&'static str>),
}

/// `theirs` is a line of JSON, or `None` if they refuse the input.
fn verdict(input: &Input, theirs: Option<&str>) -> Verdict {
    let ours = ours::decode(input.codec, &input.bytes);
    if input.valid {
        let (key, written) = match input.codec {
            Codec::Oer => ("again", &input.bytes[1..]),
            Codec::Address => ("address", &*input.bytes),
            _ => ("again", &*input.bytes),
        };
        let again = ours.as_ref().map(|fields| &fields[key]);
        assert_eq!(again, Some(&hex::encode(written).into()), "ours alone: {}", describe(input));
    }
    match (ours, theirs) {
        (None, None) => Verdict::BothRefuse,
        // Comparing lines is faster than parsing theirs.
        (Some(ours), Some(theirs)) if *theirs == *ours.to_string() => Verdict::BothAccept,
        (ours, theirs) => {
            let theirs = theirs.map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            });
            let accepted = theirs.is_some();
            let classes = explain(input, ours, theirs);
            // They refuse no other input of those that we write.
            let understood = accepted || !input.valid || classes == ["js-date-zero"];
            assert!(understood, "they cannot read what we write: {}", describe(input));
            Verdict::Listed(classes)
        }
    }
}

fn explain(input: &Input, ours: Option<Value>, theirs: Option<Value>) -> Vec<&'static str> {
    let expected = model::predict(input.codec, &input.bytes);
    let found = expected.retain_predicted(ours, theirs);
    assert_eq!(
        found,
        (expected.ours.clone(), expected.theirs.clone()),
        "a difference that is not listed (left: our and their results; right: the prediction for {:?})\n{}",
        expected.classes,
        describe(input)
    );
    assert!(!expected.classes.is_empty(), "a difference of no class: {}", describe(input));
    expected.classes.into_iter().collect()
}

fn describe(input: &Input) -> String {
    format!("{:?} {}", input.codec, hex::encode(&input.bytes))
}
