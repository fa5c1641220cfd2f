//! Our codecs beside those of interledger-rs: ILP packets, addresses, IL-DCP responses, OER. Both accept an input and
//! read the same, or both refuse it, or the difference is one that docs/DIFFERENCES.md lists, predicted field by field.
#![no_main]

#[path = "../../../tests/it/differential/classes.rs"]
#[expect(dead_code, reason = "what differs is said for the page")]
mod classes;
mod model;
mod ours;
mod tally;
mod theirs;

use libfuzzer_sys::fuzz_target;

/// The decoded format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    VarUint,
    Octets,
    Address,
    Packet,
    Ildcp,
}

/// Decoded fields; numbers as bytes.
type Fields = Vec<(&'static str, Vec<u8>)>;

/// The result of decoding an input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Accepted(Fields),
    Refused,
    Panicked,
}

fuzz_target!(|input: &[u8]| {
    theirs::may_panic();
    for codec in [Codec::VarUint, Codec::Octets, Codec::Address, Codec::Packet, Codec::Ildcp] {
        if let Outcome::Accepted(fields) = compare(codec, input)
            && let Some((_, carried)) = fields.iter().find(|(name, _)| *name == "data")
        {
            compare(Codec::Ildcp, carried);
        }
    }
    tally::input();
});

/// Compares both results, and with the prediction where they differ. Returns our result.
fn compare(codec: Codec, input: &[u8]) -> Outcome {
    let ours = ours::decode(codec, input).map_or(Outcome::Refused, Outcome::Accepted);
    let theirs = theirs::decode(codec, input);
    if ours == theirs {
        return ours;
    }
    let prediction = model::predict(codec, input);
    assert_eq!(ours, prediction.ours, "{codec:?}: our result and its prediction: {prediction:?}");
    assert_eq!(
        theirs, prediction.theirs,
        "{codec:?}: their result and its prediction: {prediction:?}"
    );
    assert!(!prediction.classes.is_empty(), "{codec:?}: a difference of no class");
    tally::listed(&prediction.classes);
    ours
}
