//! Writes frames of any shape, and those of the authentication.

use oer_codec::{
    length_size, put_length, put_u8, put_u32, put_u64, put_var_octet_string, put_var_uint,
    var_octet_string_size, var_uint_size,
};

use super::ilp_frame::HEAD;
use super::{
    AUTH, AUTH_TOKEN, AUTH_USERNAME, BtpErrorCode, BtpFrame, FrameBody, MAX_ERROR_DATA,
    ProtocolEntry, RequestId,
};
use crate::wire::Timestamp;
use crate::wire::timestamp::GeneralizedTime;

/// Appends a frame of any type with these entries.
pub fn put_frame(
    request_id: RequestId,
    body: &FrameBody<'_>,
    entries: &[ProtocolEntry<'_>],
    out: &mut Vec<u8>,
) {
    let size: usize = entries.iter().map(entry_size).sum();
    put_head(request_id, body, entries.len(), size, out);
    for entry in entries {
        put_var_octet_string(entry.name.as_bytes(), out);
        put_u8(entry.content_type.0, out);
        put_var_octet_string(entry.data, out);
    }
}

/// Appends a frame that was parsed.
pub(super) fn put_parsed(frame: &BtpFrame<'_>, out: &mut Vec<u8>) {
    let entries = frame.protocol_data.bytes();
    put_head(frame.request_id, &frame.body, frame.protocol_data.len(), entries.len(), out);
    // Only the canonical encoding parses, so writing each entry would give the same bytes.
    out.extend_from_slice(entries);
}

/// Appends the first frame of a session in the order of `ilp-plugin-btp`: `auth`, `auth_username`
/// (left out without a username), `auth_token`.
///
/// RFC 23 "Authentication": the primary entry is `auth`, without data and of content type 0. [row 74]
pub fn put_auth(request_id: RequestId, username: Option<&str>, token: &str, out: &mut Vec<u8>) {
    let auth = ProtocolEntry::octets(AUTH, &[]);
    let token = ProtocolEntry::text(AUTH_TOKEN, token);
    match username {
        Some(username) => {
            let entries = [auth, ProtocolEntry::text(AUTH_USERNAME, username), token];
            put_frame(request_id, &FrameBody::Message, &entries, out);
        }
        None => put_frame(request_id, &FrameBody::Message, &[auth, token], out),
    }
}

/// Appends a RESPONSE without entries: the answer to a successful login, or to a MESSAGE without a known sub-protocol.
pub fn put_empty_response(request_id: RequestId, out: &mut Vec<u8>) {
    put_frame(request_id, &FrameBody::Response, &[], out);
}

/// Appends an ERROR without entries. `data` is text for people, cut at [`MAX_ERROR_DATA`] bytes;
/// `name` is 7-bit text, usually [`BtpErrorCode::name`].
///
/// RFC 23 "Error": it has a code, a name, a time as GeneralizedTime, and data. [row 86]
pub fn put_error(
    request_id: RequestId,
    code: BtpErrorCode,
    name: &str,
    triggered_at: Timestamp,
    data: &[u8],
    out: &mut Vec<u8>,
) {
    let triggered_at = triggered_at.to_generalized();
    let triggered_at = GeneralizedTime::from_written(&triggered_at);
    let (data, _) = data.split_at(data.len().min(MAX_ERROR_DATA));
    put_frame(request_id, &FrameBody::Error { code, name, triggered_at, data }, &[], out);
}

fn entry_size(entry: &ProtocolEntry<'_>) -> usize {
    var_octet_string_size(entry.name.len()) + 1 + var_octet_string_size(entry.data.len())
}

/// Appends the part before the entries, and reserves room for them.
fn put_head(
    request_id: RequestId,
    body: &FrameBody<'_>,
    count: usize,
    entries_size: usize,
    out: &mut Vec<u8>,
) {
    let content = body_size(body) + var_uint_size(count as u64) + entries_size;
    out.reserve(HEAD + length_size(content) + content);
    put_u8(body.kind() as u8, out);
    put_u32(request_id.0, out);
    put_length(content, out);
    match body {
        FrameBody::Response | FrameBody::Message => {}
        FrameBody::Error { code, name, triggered_at, data } => {
            out.extend_from_slice(&code.0);
            put_var_octet_string(name.as_bytes(), out);
            put_var_octet_string(triggered_at.as_bytes(), out);
            put_var_octet_string(data, out);
        }
        FrameBody::Transfer { amount } => put_u64(amount.0, out),
    }
    put_var_uint(count as u64, out);
}

fn body_size(body: &FrameBody<'_>) -> usize {
    match body {
        FrameBody::Response | FrameBody::Message => 0,
        FrameBody::Error { code, name, triggered_at, data } => {
            code.0.len()
                + var_octet_string_size(name.len())
                + var_octet_string_size(triggered_at.as_bytes().len())
                + var_octet_string_size(data.len())
        }
        FrameBody::Transfer { .. } => 8,
    }
}
