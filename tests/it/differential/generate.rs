//! The inputs: valid packets, nearly valid packets, and both with changed bytes. Everything follows from the seed.

mod ccp;
mod packets;
mod stream;

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::Codec;
use super::loose::Loose;

/// An input with the codec that reads it.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) codec: Codec,
    pub(super) bytes: Vec<u8>,
    /// Whether it is valid: we accept it and write the same.
    pub(super) valid: bool,
}

/// The codecs, as often as each is drawn.
const OFTEN: [Codec; 14] = [
    Codec::Oer,
    Codec::Address,
    Codec::Ilp,
    Codec::Ilp,
    Codec::Ilp,
    Codec::Ilp,
    Codec::Btp,
    Codec::Btp,
    Codec::Btp,
    Codec::Ildcp,
    Codec::CcpControl,
    Codec::CcpUpdate,
    Codec::Stream,
    Codec::Stream,
];

pub(super) struct Generator {
    random: StdRng,
    /// The vectors, and the findings of fuzzing, as initial bytes.
    seeds: Vec<(Codec, Vec<u8>)>,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { random, seeds: seeds() }
    }

    pub(super) fn next(&mut self) -> Input {
        let way = self.random.random_range(0..100);
        let codec = OFTEN[self.random.random_range(0..OFTEN.len())];
        let mut input = match way {
            0..20 => return Input { codec, bytes: self.packet(codec, 0), valid: true },
            20..60 => Input { codec, bytes: self.packet(codec, 40), valid: false },
            60..90 => {
                let oddity = self.random.random_range(0..2) * 20;
                let mut bytes = self.packet(codec, oddity);
                self.mutate(&mut bytes);
                Input { codec, bytes, valid: false }
            }
            _ => {
                let (codec, bytes) = &self.seeds[self.random.random_range(0..self.seeds.len())];
                Input { codec: *codec, bytes: bytes.clone(), valid: false }
            }
        };
        if self.random.random_range(0..10) == 0 {
            // Bytes of later versions, which all implementations ignore.
            input.bytes.push(self.random.random());
        }
        if way >= 92 {
            self.mutate(&mut input.bytes);
        }
        input
    }

    fn packet(&mut self, codec: Codec, oddity: u32) -> Vec<u8> {
        let mut loose = Loose { random: &mut self.random, oddity };
        match codec {
            Codec::Oer => loose.primitive(),
            Codec::Address => loose.address(),
            Codec::Ilp => loose.ilp(),
            Codec::Btp => loose.btp(),
            Codec::Ildcp => loose.ildcp(),
            Codec::CcpControl => loose.ccp_control(),
            Codec::CcpUpdate => loose.ccp_update(),
            Codec::Stream => loose.stream(),
        }
    }

    /// Changes a few bytes, without correcting lengths.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.random.random_range(1..4) {
            let at = self.random.random_range(0..=bytes.len());
            let to = self.random.random_range(at..=bytes.len().min(at + 8));
            match self.random.random_range(0..7) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..to)),
                2 => bytes.insert(at, self.random.random()),
                3 => bytes.extend_from_within(at..to),
                4 => drop(bytes.splice(at..at, [0x80, 0x81, 0x82, 0x85, 0, 1])),
                _ if at == bytes.len() => bytes.push(0),
                5 => bytes[at] ^= 1 << self.random.random_range(0..8),
                _ => {
                    let edges = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x85, 0x86, 0x88, 0xff];
                    bytes[at] = edges[self.random.random_range(0..edges.len())];
                }
            }
        }
    }
}

/// Every input in the vector files, and the files of the fuzz corpora, if there are any.
fn seeds() -> Vec<(Codec, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let files = [
        ("ilp", "hex", Codec::Ilp),
        ("btp", "hex", Codec::Btp),
        ("ildcp", "hex", Codec::Ildcp),
        ("ccp", "data_hex", Codec::CcpControl),
        ("ccp", "data_hex", Codec::CcpUpdate),
        ("stream-extra", "hex", Codec::Stream),
    ];
    for (name, field, codec) in files {
        let path = root.join("tests/vectors").join(name).with_extension("json");
        let text = std::fs::read_to_string(path).unwrap();
        let before = found.len();
        collect(&serde_json::from_str(&text).unwrap(), field, codec, &mut found);
        assert!(found.len() > before, "{name} has no inputs");
    }
    for (target, codec) in [("ilp", Codec::Ilp), ("btp", Codec::Btp), ("stream", Codec::Stream)] {
        let corpus = std::fs::read_dir(root.join("fuzz/corpus").join(target));
        let mut files: Vec<_> =
            corpus.into_iter().flatten().flatten().map(|file| file.path()).collect();
        files.sort();
        found.extend(files.iter().map(|file| (codec, std::fs::read(file).unwrap())));
    }
    found
}

fn collect(value: &Value, field: &str, codec: Codec, found: &mut Vec<(Codec, Vec<u8>)>) {
    match value {
        Value::Array(entries) => {
            entries.iter().for_each(|entry| collect(entry, field, codec, found))
        }
        Value::Object(entry) => {
            let bytes =
                entry.get(field).and_then(Value::as_str).and_then(|text| hex::decode(text).ok());
            found.extend(bytes.map(|bytes| (codec, bytes)));
            entry.values().for_each(|inner| collect(inner, field, codec, found));
        }
        _ => {}
    }
}
