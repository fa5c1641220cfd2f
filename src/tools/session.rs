//! The tools' sessions: those of [`Client`], and a note on standard error where the node keeps them waiting.

use std::cell::Cell;

use super::login::EntryLogin;
use super::wait_notes::{call_if_slow, note_if_slow, print_note};
use crate::client::{Client, Options, ParentInfo};
use crate::console::Failure;
use crate::console::sanitize;

/// How the tools name themselves where they say which node stopped a packet. No ILP address: no hop can claim it.
pub const THIS_PROGRAM: &str = "this program";

/// Options of a tool that only sends.
pub fn send_options(window: usize) -> Options {
    Options { max_packets_in_flight: window, ..Options::default() }
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

/// Asks the node for an address and the asset of the account (IL-DCP, RFC 31), and takes the address.
pub async fn fetch_address(client: &Client) -> Result<ParentInfo, Failure> {
    let words = || "waiting for the node to say its asset and an address (IL-DCP)".to_owned();
    let mut info = note_if_slow(client.fetch_address(), words).await?;
    info.asset.code = sanitize(&info.asset.code).into();
    Ok(info)
}
