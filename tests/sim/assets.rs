//! The assets of a world, and what their units are worth. No price changes in a run.

use std::fmt::Write;

/// An asset of accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asset(usize);

#[derive(Debug)]
struct Kind {
    code: &'static str,
    scale: u8,
    /// What a whole of it is worth. The quotients of any two have at most four decimal places.
    whole: u64,
    /// What a unit of it is worth, in other terms: `whole / 10^scale`.
    unit: i128,
}

const KINDS: [Kind; 3] = [
    Kind { code: "EUR", scale: 9, whole: 625, unit: 25 },
    Kind { code: "USD", scale: 9, whole: 500, unit: 20 },
    Kind { code: "JPY", scale: 7, whole: 4, unit: 16 },
];
/// What a unit of the dearest asset is worth.
const UNIT_MAX: i128 = 25;

impl Asset {
    pub const ALL: [Self; 3] = [Self(0), Self(1), Self(2)];

    pub fn code(self) -> &'static str {
        KINDS[self.0].code
    }

    pub fn scale(self) -> u8 {
        KINDS[self.0].scale
    }

    /// The keys of an account or a node.
    pub fn keys(self) -> [String; 2] {
        let Kind { code, scale, .. } = KINDS[self.0];
        [format!("assetCode: {code}"), format!("assetScale: {scale}")]
    }

    /// What an amount is worth. Values of all assets can be compared.
    pub fn value(self, amount: i128) -> i128 {
        amount * KINDS[self.0].unit
    }
}

/// The key `rates` of a node that keeps so many percent of each price.
pub fn rates(kept_percent: u64) -> String {
    let mut yaml = "rates:\n".to_owned();
    for (from, to) in KINDS.iter().flat_map(|from| KINDS.iter().map(move |to| (from, to))) {
        if from.code != to.code {
            let millionths = from.whole * 10_000 / to.whole * (100 - kept_percent);
            let (whole, rest) = (millionths / 1_000_000, millionths % 1_000_000);
            let (from, to) = (from.code, to.code);
            let _ = writeln!(yaml, "  - {{from: {from}, to: {to}, rate: \"{whole}.{rest:06}\"}}");
        }
    }
    yaml
}

/// The least value that arrives: each hop keeps so many thousandths at most, and rounds down.
pub fn least_value(sent: i128, hops: usize, kept_thousandths: i128) -> i128 {
    (0..hops).fold(sent, |value, _| value * (1000 - kept_thousandths) / 1000 - UNIT_MAX)
}

/// The greatest value that arrives in another asset, where each node keeps so many thousandths at least.
pub fn greatest_value(sent: i128, kept_thousandths: i128) -> i128 {
    sent * (1000 - kept_thousandths) / 1000
}

/// The most that a node earns of packets of this value: what it keeps, and what it rounds down in so many packets.
pub fn most_earned(value: i128, packets: usize, kept_thousandths: i128) -> i128 {
    value * kept_thousandths / 1000 + UNIT_MAX * packets as i128
}
