//! One line of an audit log.
//!
//! A line is a JSON object whose last members are `prev`, the hash of the line before, and `hash`: SHA-256 of the bytes
//! of this line before `,"hash":`. So each byte of a line is hashed or compared.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::chain::{ChainEnd, LineHash};
use crate::net::sanitize;
use crate::wire::Timestamp;

/// Bytes of a line.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the parameters of a verb, as JSON.
const PARAMETERS_BYTES_MAX: usize = 4 * 1024;
/// Bytes of each text.
const TEXT_BYTES_MAX: usize = 1024;
/// What separates the hashed part of a line from its hash.
const HASH_MEMBER: &[u8] = br#","hash":""#;
/// What follows the hash.
const LINE_END: &[u8] = br#""}"#;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuditLineKind {
    /// An operator wanted to change something.
    Verb,
    /// A client without a right wanted to read or change something.
    Access,
    /// The node has opened the file.
    Opened,
    /// The file is full; another one continues it.
    Sealed,
    /// The node has closed the file.
    Closed,
}

/// How a verb ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuditOutcome {
    /// It is done, unless a later line about this one says otherwise. The line is older than the effect.
    Accepted,
    /// Nothing has changed.
    Refused,
    /// An accepted verb has changed nothing after all.
    Failed,
    /// Whether an accepted verb has changed something is not known.
    Unknown,
}

/// What a line says, before it has a place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// The id of the token, or `-`.
    pub who: String,
    /// The client's address.
    pub remote: String,
    /// What is done, such as `peer.suspend`.
    pub verb: String,
    /// To what.
    pub target: String,
    /// With which values. No secret may be among them.
    pub parameters: Map<String, Value>,
    /// Why, in the words of the operator.
    pub reason: Option<String>,
}

/// A line of an audit log, without its own hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditLine {
    /// Its number in the chain, from 1 on.
    pub seq: u64,
    /// When it was written.
    pub at: String,
    /// The node.
    pub node: String,
    /// What it is about.
    pub kind: AuditLineKind,
    /// See [`AuditRecord::who`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// See [`AuditRecord::remote`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// See [`AuditRecord::verb`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// See [`AuditRecord::target`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// See [`AuditRecord::parameters`].
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// See [`AuditRecord::reason`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AuditOutcome>,
    /// The line whose verb ended in this way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// A sentence about the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The hash of the line before.
    pub prev: String,
}

/// A line whose hash is right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HashedLine {
    pub(super) line: AuditLine,
    pub(super) prev: LineHash,
    pub(super) hash: LineHash,
}

/// The content of a line that gets its place in the chain now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LineContent {
    pub(super) kind: AuditLineKind,
    pub(super) record: Option<AuditRecord>,
    /// Of lines that are about the file.
    pub(super) parameters: Map<String, Value>,
    pub(super) outcome: Option<AuditOutcome>,
    pub(super) of: Option<u64>,
    pub(super) detail: Option<String>,
}

impl LineContent {
    /// A line about the file.
    pub(super) fn of_file(kind: AuditLineKind, parameters: Map<String, Value>) -> Self {
        Self { kind, record: None, parameters, outcome: None, of: None, detail: None }
    }

    /// A line about a verb.
    pub(super) fn of_verb(record: AuditRecord, outcome: AuditOutcome) -> Self {
        Self {
            record: Some(record),
            outcome: Some(outcome),
            ..Self::of_file(AuditLineKind::Verb, Map::new())
        }
    }

    /// The bytes of the line with its line break, and the end of the chain with it.
    pub(super) fn encode(
        self,
        after: ChainEnd,
        seq: u64,
        at: Timestamp,
        node: &str,
    ) -> (Vec<u8>, ChainEnd) {
        let (record, own) = (self.record, self.parameters);
        let field = |of: fn(&AuditRecord) -> &str| {
            record.as_ref().map(|record| bounded(of(record), TEXT_BYTES_MAX))
        };
        let mut line = AuditLine {
            seq,
            at: at.to_string(),
            node: node.to_owned(),
            kind: self.kind,
            who: field(|record| &record.who),
            remote: field(|record| &record.remote),
            verb: field(|record| &record.verb),
            target: field(|record| &record.target),
            reason: record
                .as_ref()
                .and_then(|record| record.reason.as_deref())
                .map(|reason| bounded(reason, TEXT_BYTES_MAX)),
            parameters: bounded_parameters(record.map_or(own, |record| record.parameters)),
            outcome: self.outcome,
            of: self.of,
            detail: self.detail.map(|detail| bounded(&detail, TEXT_BYTES_MAX)),
            prev: after.hash.to_string(),
        };
        let mut bytes = json_of(&line);
        if bytes.len() + HASH_MEMBER.len() + LineHash::TEXT_LEN + 3 > LINE_BYTES_MAX {
            // Texts of characters that JSON escapes.
            let omitted = || Some("(too long)".to_owned());
            (line.reason, line.target, line.detail) = (omitted(), omitted(), omitted());
            line.parameters = Map::new();
            bytes = json_of(&line);
        }
        // The closing brace comes after the hash.
        bytes.pop();
        let hash = LineHash::of(&bytes);
        bytes.extend_from_slice(HASH_MEMBER);
        bytes.extend_from_slice(hash.to_string().as_bytes());
        bytes.extend_from_slice(LINE_END);
        bytes.push(b'\n');
        (bytes, ChainEnd { seq, hash })
    }
}

impl HashedLine {
    /// Reads a line without its line break. `None`: it is not a line, or its hash is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_suffix(LINE_END)?;
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(LineHash::TEXT_LEN)?)?;
        let hash: LineHash = std::str::from_utf8(hash).ok()?.parse().ok()?;
        let hashed = rest.strip_suffix(HASH_MEMBER)?;
        if LineHash::of(hashed) != hash {
            return None;
        }
        let json = [hashed, b"}"].concat();
        let line: AuditLine = serde_json::from_slice(&json).ok()?;
        let prev = line.prev.parse().ok()?;
        Some(Self { line, prev, hash })
    }

    pub(super) fn end(&self) -> ChainEnd {
        ChainEnd { seq: self.line.seq, hash: self.hash }
    }
}

fn json_of(line: &AuditLine) -> Vec<u8> {
    serde_json::to_vec(line).expect("a struct of texts and numbers is JSON")
}

/// Without characters that a terminal obeys, and cut.
fn bounded(text: &str, bytes_max: usize) -> String {
    let mut text = sanitize(text);
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push_str("...");
    }
    text
}

fn bounded_parameters(parameters: Map<String, Value>) -> Map<String, Value> {
    let bytes = serde_json::to_vec(&parameters).map_or(usize::MAX, |json| json.len());
    if bytes <= PARAMETERS_BYTES_MAX {
        return parameters;
    }
    Map::from_iter([("omittedBytes".to_owned(), Value::from(bytes))])
}
