//! All differences in how other implementations read the wire. docs/DIFFERENCES.md shows the list.
//!
//! A class is no gap in the comparison: for every input of a class, `model` (for the JavaScript packages) and the fuzz
//! target `differential_interledger_rs` (for the Rust crates) predict the results of both sides.

/// The implementation that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Theirs {
    /// `oer-utils`, `ilp-packet`, `btp-packet`, `ilp-protocol-*` on Node.js.
    JavaScript,
    /// `interledger-packet` and `interledger-ildcp`.
    InterledgerRs,
}

/// One kind of difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class {
    /// Its name in the code.
    pub(crate) id: &'static str,
    /// The implementation that differs.
    pub(crate) theirs: Theirs,
    /// The inputs that belong to it.
    pub(crate) what: &'static str,
    /// Their result.
    pub(crate) they: &'static str,
    /// Our result.
    pub(crate) we: &'static str,
}

const fn javascript(
    id: &'static str,
    what: &'static str,
    they: &'static str,
    we: &'static str,
) -> Class {
    Class { id, theirs: Theirs::JavaScript, what, they, we }
}

const fn interledger_rs(
    id: &'static str,
    what: &'static str,
    they: &'static str,
    we: &'static str,
) -> Class {
    Class { id, theirs: Theirs::InterledgerRs, what, they, we }
}

/// All of them.
pub(crate) const CLASSES: &[Class] = &[
    javascript(
        "js-wide-length",
        "OER length of 5 or 6 bytes, the first of them 0",
        "accept it from 128 on (5 bytes) and from 256 on (6 bytes); refuse it in 2 to 4 bytes",
        "refuse it: not canonical",
    ),
    javascript(
        "js-integer-zeros",
        "OER variable integer (a count, an amount) with leading zero bytes",
        "accept it, counts up to 6 bytes",
        "refuse it: not canonical",
    ),
    javascript(
        "js-address-high-bit",
        "byte above 127 in an address",
        "drop its highest bit, then check: `e7 2e 61` is `g.a`",
        "refuse it",
    ),
    javascript(
        "js-code-high-bit",
        "byte above 127 in the code of a Reject or a BTP ERROR",
        "drop its highest bit",
        "refuse it",
    ),
    javascript(
        "js-name-high-bit",
        "byte above 127 in the name of a BTP sub-protocol or error",
        "drop its highest bit",
        "refuse it",
    ),
    javascript(
        "js-date-rolls-over",
        "`expiresAt` that is no date: month 13, February 30, hour 24, second 60",
        "carry into the next field",
        "refuse it",
    ),
    javascript(
        "js-date-number",
        "`expiresAt` with other characters than digits",
        "accept what `Number()` reads: spaces, signs, `0x`, `1e3`, points; bytes above 127 lose their highest bit first",
        "refuse it",
    ),
    javascript(
        "js-date-zero",
        "`expiresAt` of exactly 1970-01-01T00:00:00.000Z",
        "refuse it: 0 milliseconds count as no date",
        "accept it; it has expired",
    ),
    javascript(
        "js-date-before-1970",
        "date before 1970",
        "accept it as it is",
        "accept it as 1970-01-01; it has expired either way",
    ),
    javascript(
        "js-date-short-year",
        "`expiresAt` in the years 0 to 99",
        "read 1900 to 1999",
        "accept it as 1970-01-01; it has expired either way",
    ),
    javascript(
        "js-data-size",
        "ILP data above 32,768 bytes",
        "accept it",
        "refuse it; the limit of RFC 27 is 32,767, Java sends one more",
    ),
    javascript(
        "js-message-size",
        "message of a Reject above 8,192 bytes",
        "accept it",
        "refuse it; the limit of RFC 27 is 8,191, Java sends one more",
    ),
    javascript(
        "js-message-utf8",
        "message of a Reject that is not UTF-8",
        "replace what is wrong by U+FFFD",
        "pass it on as it is",
    ),
    javascript(
        "js-btp-date-rolls-over",
        "`triggeredAt` with a day up to 31 that its month lacks, or 24:00:00.000",
        "carry into the next day",
        "refuse it",
    ),
    javascript(
        "js-btp-date-invalid",
        "`triggeredAt` that is no date at all",
        "accept it as an invalid date, or as what `new Date()` guesses",
        "refuse it",
    ),
    javascript(
        "js-btp-date-fraction",
        "`triggeredAt` without exactly three digits after the point",
        "accept it as an invalid date",
        "accept none to three digits; write exactly three, the last not 0",
    ),
    javascript(
        "js-btp-date-leap",
        "`triggeredAt` with second 60",
        "accept it as an invalid date",
        "accept it as the second that follows",
    ),
    javascript(
        "js-btp-data-size",
        "data of a BTP ERROR above 8,192 bytes",
        "accept it",
        "refuse it: the limit of RFC 23",
    ),
    javascript(
        "js-btp-data-utf8",
        "data of a BTP ERROR that is not UTF-8",
        "replace what is wrong by U+FFFD",
        "accept it as it is",
    ),
    javascript(
        "js-ildcp-asset-utf8",
        "asset code of an IL-DCP response that is not UTF-8",
        "replace what is wrong by U+FFFD",
        "refuse it",
    ),
    javascript(
        "js-ccp-mode",
        "mode of a route control other than 0 and 1",
        "accept it",
        "refuse it",
    ),
    javascript(
        "js-ccp-speaker",
        "speaker of a route update that is no address",
        "accept it; bytes above 127 lose their highest bit",
        "refuse it",
    ),
    javascript(
        "js-ccp-high-bit",
        "byte above 127 in an advertised prefix or its path",
        "drop its highest bit",
        "read it as it is, and then leave out that route alone",
    ),
    javascript(
        "js-ccp-withdrawn",
        "byte above 127 in a withdrawn prefix",
        "read UTF-8, write the low eight bits of each character",
        "read it as it is; it is no prefix that we know",
    ),
    javascript(
        "js-ccp-text",
        "feature or property of CCP that should be UTF-8 and is not",
        "replace what is wrong by U+FFFD",
        "read it as it is",
    ),
    javascript(
        "js-ccp-prop-meta",
        "flags of a CCP property: partial without transitive, not optional without transitive, the lowest four bits",
        "write other flags than they have read",
        "write the same flags",
    ),
    javascript(
        "js-stream-size",
        "STREAM packet above 32,739 bytes",
        "accept it",
        "refuse it: no ILP packet can carry it",
    ),
    javascript(
        "js-stream-type",
        "packet type in a STREAM packet other than 12 to 14",
        "accept it",
        "refuse it",
    ),
    javascript(
        "js-stream-limit-zeros",
        "STREAM limit (`receiveMax`, `sendMax`) of more than 8 bytes, the first of them 0",
        "read it as the greatest number",
        "refuse it: not canonical",
    ),
    javascript(
        "js-stream-text",
        "text in a STREAM frame that is not UTF-8",
        "replace what is wrong by U+FFFD",
        "read it as it is",
    ),
    interledger_rs(
        "rs-length",
        "OER length in more bytes than it needs",
        "accept it",
        "refuse it: not canonical",
    ),
    interledger_rs("rs-length-indefinite", "OER length `80`", "panic", "refuse it"),
    interledger_rs(
        "rs-integer-zeros",
        "OER variable integer with leading zero bytes, at most 8 bytes in all",
        "accept it",
        "refuse it: not canonical",
    ),
    interledger_rs(
        "rs-date-spaces",
        "`expiresAt` with white space before a field, or a sign before the year",
        "accept it; fields may then have fewer digits, the year more",
        "refuse it",
    ),
    interledger_rs(
        "rs-date-leap",
        "`expiresAt` with second 60",
        "accept it as the second that follows",
        "refuse it: RFC 30 smears leap seconds",
    ),
    interledger_rs(
        "rs-date-before-1970",
        "`expiresAt` before 1970",
        "accept it as it is",
        "accept it as 1970-01-01; it has expired either way",
    ),
    interledger_rs("rs-code", "byte above 127 in the code of a Reject", "accept it", "refuse it"),
    interledger_rs(
        "rs-triggered-by-empty",
        "Reject with an empty `triggeredBy`",
        "refuse it",
        "accept it, and pass it on as it is; write an address in our own Rejects",
    ),
    interledger_rs(
        "rs-data-size",
        "ILP data above 32,768 bytes",
        "accept it",
        "refuse it; the limit of RFC 27 is 32,767, Java sends one more",
    ),
    interledger_rs(
        "rs-message-size",
        "message of a Reject above 8,192 bytes",
        "accept it",
        "refuse it; the limit of RFC 27 is 8,191, Java sends one more",
    ),
    interledger_rs(
        "rs-ildcp-asset-utf8",
        "asset code of an IL-DCP response that is not UTF-8",
        "accept it",
        "refuse it",
    ),
];
