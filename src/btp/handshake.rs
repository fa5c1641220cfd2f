//! The first frames of a link (RFC 23 "Authentication"), for both ends. Pure: bytes in, a verdict out.
//!
//! The accepting end reads one frame and either knows the account or refuses. It is strict where ambiguity would be
//! (names, the token) and lenient where implementations differ without harm (data or content type of the `auth` entry).
//! An unknown name and a wrong token are one refusal, and take the same time.

use percent_encoding::percent_decode_str;

use crate::account::AccountId;
use crate::link::LoginMark;
use crate::transport::{Directory, Token, shown};
use crate::wire::Timestamp;
use crate::wire::btp::{
    AUTH, AUTH_TOKEN, AUTH_USERNAME, ErrorCode, Frame, FrameBody, ProtocolData, RequestId,
    put_auth, put_error,
};

/// What the accepting end makes of the first frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FirstFrame<'d> {
    /// The peer is known: answer with an empty RESPONSE.
    Accepted { request_id: RequestId, account: &'d AccountId, login: LoginMark },
    /// Answer with an ERROR, then close. `claimed` is the name that was given, fit for a log line.
    Refused { request_id: RequestId, why: AuthError, claimed: Option<String> },
    /// Not a frame: close without a word.
    Unreadable,
}

/// Why a login is refused. `Display` is what the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AuthError {
    #[error("authenticate first: the primary sub-protocol must be auth")]
    NotAuth,
    #[error("two sub-protocols have the same name")]
    DuplicateNames,
    #[error("auth_token is missing")]
    NoToken,
    #[error("invalid auth_username or auth_token")]
    WrongCredentials,
}

/// Reads the first frame of an accepted link. `path` is that of the WebSocket handshake.
pub(super) fn read_first_frame<'d>(
    frame: &[u8],
    path: &str,
    directory: &'d Directory,
) -> FirstFrame<'d> {
    let Ok(frame) = Frame::parse(frame) else {
        return FirstFrame::Unreadable;
    };
    let request_id = frame.request_id;
    let refused = |why, claimed: Option<&str>| FirstFrame::Refused {
        request_id,
        why,
        claimed: claimed.map(|name| shown(name.as_bytes())),
    };
    // A token in the place of the name must not come into the log: one that is known here, or the one that was offered.
    let mask = |name: &str, token: &[u8]| {
        directory.is_secret(name) || (!token.is_empty() && name.as_bytes() == token)
    };
    if frame.body != FrameBody::Message {
        return refused(AuthError::NotAuth, None);
    }
    let token = match token(&frame.protocol_data) {
        Ok(token) => token,
        Err(why) => return refused(why, None),
    };
    let name = claimed_name(&frame.protocol_data, path);
    match directory.find(name.as_deref(), token) {
        Some(account) => {
            let login = directory.mark(token);
            FirstFrame::Accepted { request_id, account, login }
        }
        None if name.as_deref().is_some_and(|name| mask(name, token)) => {
            refused(AuthError::WrongCredentials, Some("***"))
        }
        None => refused(AuthError::WrongCredentials, name.as_deref()),
    }
}

/// The token of a frame that keeps the rules of a login.
fn token<'a>(entries: &ProtocolData<'a>) -> Result<&'a [u8], AuthError> {
    if entries.primary().is_none_or(|primary| primary.name != AUTH) {
        return Err(AuthError::NotAuth);
    }
    if entries.has_duplicate_names() {
        return Err(AuthError::DuplicateNames);
    }
    entries.get(AUTH_TOKEN).map(|entry| entry.data).ok_or(AuthError::NoToken)
}

/// Who the peer says it is, if it says anything.
fn claimed_name(entries: &ProtocolData<'_>, path: &str) -> Option<String> {
    match entries.get(AUTH_USERNAME).map(|entry| entry.data) {
        None | Some([]) => user_of_path(path),
        // What is not UTF-8 is nobody's name; neither is the empty one.
        Some(name) => Some(str::from_utf8(name).unwrap_or_default().to_owned()),
    }
}

/// The user of `/accounts/<user>/ilp/btp`, as interledger-rs names it.
fn user_of_path(path: &str) -> Option<String> {
    let user = path.strip_prefix("/accounts/")?.strip_suffix("/ilp/btp")?;
    if user.is_empty() || user.contains('/') {
        return None;
    }
    Some(percent_decode_str(user).decode_utf8_lossy().into_owned())
}

/// The ERROR that refuses a request: F00, with a text for people.
pub(super) fn refusal(request_id: RequestId, why: &str, now: Timestamp) -> Vec<u8> {
    let code = ErrorCode::NOT_ACCEPTED;
    let mut frame = Vec::new();
    put_error(request_id, code, code.name().unwrap_or_default(), now, why.as_bytes(), &mut frame);
    frame
}

/// The first frame of a dialled link, with the three entries that `ilp-plugin-btp` sends.
pub(super) fn auth_message(request_id: RequestId, username: &str, token: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    put_auth(request_id, Some(username), token, &mut frame);
    frame
}

/// What the dialling end makes of a frame while it waits for the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthAnswer {
    /// We are in.
    Accepted,
    /// We are not; code, name and text of the peer, fit for a log line.
    Refused(String),
    /// Something else. RFC 23: a response to something else, or an unreadable frame, is ignored.
    Other,
}

/// Reads a frame that arrived while the answer to `request_id` is awaited. `token` is what we logged in with; a peer that
/// repeats it does not bring it into our log.
pub(super) fn read_auth_answer(frame: &[u8], request_id: RequestId, token: &Token) -> AuthAnswer {
    match Frame::parse(frame) {
        Ok(frame) if frame.request_id == request_id => match frame.body {
            FrameBody::Response => AuthAnswer::Accepted,
            FrameBody::Error { code, name, data, .. } => {
                let said = |text| shown(&token.hide_in(text));
                AuthAnswer::Refused(format!("{code} {}: {}", said(name.as_bytes()), said(data)))
            }
            FrameBody::Message | FrameBody::Transfer { .. } => AuthAnswer::Other,
        },
        _ => AuthAnswer::Other,
    }
}

#[cfg(test)]
mod tests;
