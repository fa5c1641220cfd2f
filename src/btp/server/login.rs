//! Finds the account of a login: that of a peer, by its name and token; at the guests' door that of a guest, by its
//! token alone.

use std::sync::Arc;

use super::Shared;
use crate::btp::auth::{AuthError, FirstFrame, GuestFrame, read_first_frame, read_guest_frame};
use crate::connector::Account;
use crate::link::TokenFingerprint;
use crate::peers::{GuestDoor, GuestRefusal, LoginDirectory};
use crate::wire::btp::RequestId;

/// What became of a login.
pub(super) enum FoundLogin {
    Accepted(AcceptedLogin),
    /// `claimed`: the name in the login, sanitized.
    Refused {
        request_id: RequestId,
        why: AuthError,
        claimed: Option<String>,
    },
    Unreadable,
}

/// A login that `directory` has accepted.
pub(super) struct AcceptedLogin {
    pub(super) request_id: RequestId,
    pub(super) account: Arc<Account>,
    pub(super) token: TokenFingerprint,
    pub(super) directory: Arc<LoginDirectory>,
}

/// The account of a peer that logs in.
pub(super) fn find_login(frame: &[u8], path: &str, shared: &Shared) -> FoundLogin {
    let directory = shared.logins.load_full();
    match read_first_frame(frame, path, &directory) {
        FirstFrame::Accepted { request_id, account: id, login: token } => {
            match shared.context.connector.account(id.as_str()) {
                Some(account) => {
                    let directory = Arc::clone(&directory);
                    FoundLogin::Accepted(AcceptedLogin { request_id, account, token, directory })
                }
                // The directory names an account that the connector does not have.
                None => FoundLogin::Refused {
                    request_id,
                    why: AuthError::WrongCredentials,
                    claimed: Some(id.to_string()),
                },
            }
        }
        FirstFrame::Refused { request_id, why, claimed } => {
            FoundLogin::Refused { request_id, why, claimed }
        }
        FirstFrame::Unreadable => FoundLogin::Unreadable,
    }
}

/// The account of a guest that logs in. A newcomer waits until the node has made one for it.
pub(super) async fn find_guest(frame: &[u8], door: &GuestDoor, shared: &Shared) -> FoundLogin {
    let directory = shared.logins.load_full();
    let admit_unknown = || door.admit_unknown_token(shared.context.clock.mono());
    let (request_id, id, token) = match read_guest_frame(frame, &directory, admit_unknown) {
        GuestFrame::Guest { request_id, id, login } => (request_id, id, login),
        GuestFrame::Refused { request_id, why } => {
            return FoundLogin::Refused { request_id, why, claimed: None };
        }
        GuestFrame::Unreadable => return FoundLogin::Unreadable,
    };
    let refused = |why: GuestRefusal| {
        let why = why.into();
        FoundLogin::Refused { request_id, why, claimed: None }
    };
    if !directory.has_guest(&id)
        && let Err(why) = door.admit(&id).await
    {
        return refused(why);
    }
    // Another newcomer may take its place meanwhile. The directory is loaded last: if it has the guest, then the
    // account was that of the guest, and a later directory makes `open_session` check again.
    let account = shared.context.connector.account(id.as_str());
    let directory = shared.logins.load_full();
    match account.filter(|_| directory.has_guest(&id)) {
        Some(account) => {
            FoundLogin::Accepted(AcceptedLogin { request_id, account, token, directory })
        }
        None => refused(GuestRefusal::TooManyNewcomers),
    }
}
