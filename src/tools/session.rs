//! The tools' sessions: [`Client`], with a note on standard error if the node does not answer soon.

use std::cell::Cell;

use super::login::EntryLogin;
use super::wait_notes::{call_if_slow, note_if_slow, print_note};
use crate::client::{Client, Options, ParentInfo};
use crate::console::{Failure, sanitize};
use crate::link::{Cause, Outcome, Rejection};
use crate::stream::PacketFailure;

/// The options of a tool that only sends. `window`: packets in flight at once.
pub fn send_options(window: usize) -> Options {
    Options { max_packets_in_flight: window, ..Options::default() }
}

/// Whether a packet was fulfilled, or why not.
pub fn packet_result(outcome: Outcome) -> Result<(), PacketFailure> {
    match outcome {
        Outcome::Fulfilled { .. } => Ok(()),
        Outcome::Rejected(Rejection { code, by, message, .. }) => {
            Err(PacketFailure { code, by, message })
        }
        Outcome::NotSent(Cause { code, message }) | Outcome::NoAnswer(Cause { code, message }) => {
            Err(PacketFailure::local(code, &message))
        }
    }
}

/// Logs in, does `work`, and logs out.
pub async fn run_session<T>(
    login: &EntryLogin,
    options: Options,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let logged_in = Cell::new(false);
    let session = Client::session(login.login(), options, async |client: &Client| {
        logged_in.set(true);
        work(client).await
    });
    let note_login = || {
        if !logged_in.get() {
            print_note(format_args!("waiting for an answer from {login}"));
        }
    };
    call_if_slow(session, note_login).await
}

/// Asks the node for an address and the asset of the account (IL-DCP, RFC 31), and uses the address.
pub async fn fetch_address(client: &Client) -> Result<ParentInfo, Failure> {
    let message = || "waiting for the node to give an address and its asset (IL-DCP)".to_owned();
    let mut info = note_if_slow(client.fetch_address(), message).await?;
    info.asset.code = sanitize(&info.asset.code).into();
    Ok(info)
}
