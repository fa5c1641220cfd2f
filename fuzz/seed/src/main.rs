//! Fills `fuzz/corpus/<target>/` with the valid and invalid inputs of the test vectors, so that a fuzzer
//! begins with every format.

use std::path::Path;
use std::{fs, io};

use serde_json::Value;

/// For each target, the vector files and the fields whose hexadecimal digits are an input.
const SEEDS: &[(&str, &[(&str, &[&str])])] = &[
    ("oer", &[("oer", &["hex"]), ("ilp", &["hex"]), ("btp", &["hex"])]),
    (
        "ilp",
        &[
            ("ilp", &["hex"]),
            ("oer", &["in_prepare_hex", "hex"]),
            ("addresses", &["hex"]),
            ("ping", &["data_hex"]),
            ("ildcp", &["hex"]),
            ("reconcile", &["hex"]),
        ],
    ),
    ("btp", &[("btp", &["hex"])]),
    (
        "differential_interledger_rs",
        &[
            ("ilp", &["hex"]),
            ("oer", &["in_prepare_hex", "hex"]),
            ("addresses", &["hex"]),
            ("ildcp", &["hex"]),
            ("differences", &["hex"]),
        ],
    ),
    (
        "stream",
        &[("stream-extra", &["hex", "prepare_stream_packet_hex", "reply_stream_packet_hex"])],
    ),
    ("ccp", &[("ccp", &["data_hex"])]),
    ("proxy_header", &[("proxy-header", &["hex"])]),
];

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (target, files) in SEEDS.iter().copied() {
        let corpus = fuzz.join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let mut count = 0;
        for (file, fields) in files {
            let path = fuzz.join("../tests/vectors").join(file).with_extension("json");
            let vectors: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
            for input in inputs(&vectors, fields) {
                fs::write(corpus.join(format!("vector-{file}-{count:04}")), input)?;
                count += 1;
            }
        }
        println!("{target}: {count} inputs");
    }
    Ok(())
}

/// All such fields of a file, at any depth, and the large packets.
fn inputs(value: &Value, fields: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    match value {
        Value::Array(entries) => found.extend(entries.iter().flat_map(|e| inputs(e, fields))),
        Value::Object(entry) => {
            let texts = fields.iter().filter_map(|field| entry.get(*field)?.as_str());
            found.extend(texts.filter_map(|text| hex::decode(text).ok()));
            found.extend(large(value));
            found.extend(entry.values().flat_map(|inner| inputs(inner, fields)));
        }
        _ => {}
    }
    found
}

/// A packet that is given as a beginning, a byte that is repeated, and an end.
fn large(entry: &Value) -> Option<Vec<u8>> {
    let mut packet = hex::decode(entry.get("hex_prefix")?.as_str()?).ok()?;
    let fill = u8::from_str_radix(entry["fill_byte"].as_str()?, 16).ok()?;
    let count = usize::try_from(entry["fill_count"].as_u64()?).ok()?;
    packet.resize(packet.len() + count, fill);
    packet.extend(hex::decode(entry["hex_suffix"].as_str()?).ok()?);
    Some(packet)
}
