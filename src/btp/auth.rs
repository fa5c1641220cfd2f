//! The login of a BTP connection (RFC 23 "Authentication"), for both ends. Pure: bytes in, a verdict out.
//!
//! The accepting end reads one frame and finds the account or refuses. It is strict about names and the token, and
//! lenient where implementations differ without harm (data and content type of the `auth` entry). An unknown name and a
//! wrong token get the same answer after the same time.

use percent_encoding::percent_decode_str;

use crate::account::AccountId;
use crate::link::TokenFingerprint;
use crate::net::sanitize_bytes;
use crate::peers::{GuestRefusal, LoginDirectory, Token, guest_id};
use crate::wire::Timestamp;
use crate::wire::btp::{
    AUTH, AUTH_TOKEN, AUTH_USERNAME, BtpErrorCode, BtpFrame, FrameBody, ProtocolData, RequestId,
    put_auth, put_error,
};

/// The first frame that the accepting end receives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FirstFrame<'d> {
    /// A valid login: answer with an empty RESPONSE.
    Accepted { request_id: RequestId, account: &'d AccountId, login: TokenFingerprint },
    /// Answer with an ERROR, then close. `claimed`: the name in the login, sanitized.
    Refused { request_id: RequestId, why: AuthError, claimed: Option<String> },
    /// Not a frame: close without an answer.
    Unreadable,
}

/// Why a login is refused. The peer receives the `Display` text.
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
    /// At the guests' door.
    #[error(
        "auth_token is empty: a guest chooses a random token, and has the same account with it again"
    )]
    EmptyToken,
    /// At the guests' door: the token is a secret of this node. The text does not say so, because a program would learn
    /// from it that it has guessed one.
    #[error("{}", GuestRefusal::TooManyNewcomers)]
    SecretToken,
    #[error(transparent)]
    Guest(#[from] GuestRefusal),
}

impl AuthError {
    /// What the operator of this node reads, and never the peer: which part of the login was wrong.
    pub(super) fn describe_to_operator(
        self,
        claimed: Option<&str>,
        directory: &LoginDirectory,
    ) -> String {
        match (self, claimed) {
            (Self::WrongCredentials, Some(name)) => directory.explain_refusal(name).to_owned(),
            (Self::WrongCredentials, None) => "no name, and no peer has this token".to_owned(),
            (Self::SecretToken, _) => {
                "the token is a secret of this node, and a guest must have one of its own"
                    .to_owned()
            }
            _ => self.to_string(),
        }
    }
}

/// Reads the first frame of an accepted connection. `path`: that of the opening handshake.
pub(super) fn read_first_frame<'d>(
    frame: &[u8],
    path: &str,
    directory: &'d LoginDirectory,
) -> FirstFrame<'d> {
    let Ok(frame) = BtpFrame::parse(frame) else {
        return FirstFrame::Unreadable;
    };
    let request_id = frame.request_id;
    let refused = |why, claimed: Option<&str>| FirstFrame::Refused {
        request_id,
        why,
        claimed: claimed.map(|name| sanitize_bytes(name.as_bytes())),
    };
    // A token in the place of the name must not reach the log: neither a known one nor the one that was offered.
    let is_secret = |name: &str, token: &[u8]| {
        directory.is_secret(name) || (!token.is_empty() && name.as_bytes() == token)
    };
    // RFC 23 "Authentication": a server refuses any first frame but a MESSAGE whose primary entry is `auth`. [row 66]
    if frame.body != FrameBody::Message {
        return refused(AuthError::NotAuth, None);
    }
    let token = match token(&frame.protocol_data) {
        Ok(token) => token,
        Err(why) => return refused(why, None),
    };
    let name = claimed_name(&frame.protocol_data, path);
    match directory.find_account(name.as_deref(), token) {
        Some(account) => {
            let login = directory.fingerprint(token);
            FirstFrame::Accepted { request_id, account, login }
        }
        None if name.as_deref().is_some_and(|name| is_secret(name, token)) => {
            refused(AuthError::WrongCredentials, Some("***"))
        }
        None => refused(AuthError::WrongCredentials, name.as_deref()),
    }
}

/// The first frame at the guests' door.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GuestFrame {
    /// The login of a guest. The name that it gives, if any, means nothing.
    Guest { request_id: RequestId, id: AccountId, login: TokenFingerprint },
    /// Answer with an ERROR, then close.
    Refused { request_id: RequestId, why: AuthError },
    /// Not a frame: close without an answer.
    Unreadable,
}

/// Reads the first frame at the guests' door. A token of the configuration is refused: its hash would be in an address,
/// and the peer that has it has an account already. `admit_unknown`: called for a token that no guest has, before it is
/// compared with anything, and bounds how many of them can be tried.
pub(super) fn read_guest_frame(
    frame: &[u8],
    directory: &LoginDirectory,
    admit_unknown: impl FnOnce() -> bool,
) -> GuestFrame {
    let Ok(frame) = BtpFrame::parse(frame) else { return GuestFrame::Unreadable };
    let request_id = frame.request_id;
    let refused = |why| GuestFrame::Refused { request_id, why };
    if frame.body != FrameBody::Message {
        return refused(AuthError::NotAuth);
    }
    match token(&frame.protocol_data) {
        Err(why) => refused(why),
        Ok([]) => refused(AuthError::EmptyToken),
        Ok(token) => {
            let id = guest_id(token);
            if !directory.has_guest(&id) && !admit_unknown() {
                return refused(GuestRefusal::TooManyNewcomers.into());
            }
            if directory.has_secret(token) {
                return refused(AuthError::SecretToken);
            }
            GuestFrame::Guest { request_id, id, login: directory.fingerprint(token) }
        }
    }
}

/// The token of a login that keeps the rules.
fn token<'a>(entries: &ProtocolData<'a>) -> Result<&'a [u8], AuthError> {
    if entries.primary().is_none_or(|primary| primary.name != AUTH) {
        return Err(AuthError::NotAuth);
    }
    // RFC 23 "Authentication": a frame has at most one entry of each name. [row 68]
    if entries.has_duplicate_names() {
        return Err(AuthError::DuplicateNames);
    }
    // RFC 23 "Authentication": `auth_token` may be empty, but must be there. [row 67]
    entries.get(AUTH_TOKEN).map(|entry| entry.data).ok_or(AuthError::NoToken)
}

/// The name that the peer claims, if any.
fn claimed_name(entries: &ProtocolData<'_>, path: &str) -> Option<String> {
    match entries.get(AUTH_USERNAME).map(|entry| entry.data) {
        None | Some([]) => user_of_path(path),
        // A name that is not UTF-8 becomes the empty name, which no account has.
        Some(name) => Some(str::from_utf8(name).unwrap_or_default().to_owned()),
    }
}

/// The user of `/accounts/<user>/ilp/btp`, the path that interledger-rs dials.
fn user_of_path(path: &str) -> Option<String> {
    let user = path.strip_prefix("/accounts/")?.strip_suffix("/ilp/btp")?;
    if user.is_empty() || user.contains('/') {
        return None;
    }
    Some(percent_decode_str(user).decode_utf8_lossy().into_owned())
}

/// The ERROR that refuses a request: F00, with a text for people. [row 86]
pub(super) fn refusal(request_id: RequestId, why: &str, now: Timestamp) -> Vec<u8> {
    let code = BtpErrorCode::NOT_ACCEPTED;
    let name = code.name().expect("RFC 23 names this code");
    let mut frame = Vec::new();
    put_error(request_id, code, name, now, why.as_bytes(), &mut frame);
    frame
}

/// The first frame of a dialled connection, with the three entries that `ilp-plugin-btp` sends. [row 74]
pub(super) fn auth_message(request_id: RequestId, username: &str, token: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    put_auth(request_id, Some(username), token, &mut frame);
    frame
}

/// A frame that the dialling end receives while it waits for the answer to its login.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthAnswer {
    Accepted,
    /// Code, name and text from the peer, sanitized.
    Refused(String),
    /// RFC 23 "Flow": an unexpected response and an unreadable frame are ignored. [rows 78 79]
    Other,
}

/// Reads a frame while the answer to the login with `request_id` is due. `token`: that of the login, which is masked
/// where the peer repeats it.
pub(super) fn read_auth_answer(frame: &[u8], request_id: RequestId, token: &Token) -> AuthAnswer {
    match BtpFrame::parse(frame) {
        Ok(frame) if frame.request_id == request_id => match frame.body {
            FrameBody::Response => AuthAnswer::Accepted,
            FrameBody::Error { code, name, data, .. } => {
                let text = |bytes| sanitize_bytes(&token.mask_token(bytes));
                AuthAnswer::Refused(format!("{code} {}: {}", text(name.as_bytes()), text(data)))
            }
            FrameBody::Message | FrameBody::Transfer { .. } => AuthAnswer::Other,
        },
        _ => AuthAnswer::Other,
    }
}

#[cfg(test)]
mod tests;
