//! Messages between the settlement engines of two neighbours (RFC 38 "Exchanging messages"):
//! as Prepares to `peer.settle` on the link, and as HTTP requests to and from the engines.

use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::timeout;

use super::client::EngineError;
use super::engines::Engines;
use crate::account::AccountId;
use crate::connector::{MessageAnswer, MessageRefusal, PeerMessage};
use crate::link::Outcome;
use crate::peers::NodeContext;
use crate::wire::AddressRef;
use crate::wire::ilp::{ErrorCode, Prepare};

/// The time for the peer's engine: shorter than the 10 s after which engines give up themselves.
const PEER_TIMEOUT: Duration = Duration::from_secs(9);
/// The time that the answer of our engine takes back to the peer.
const RETURN_TIME: Duration = Duration::from_millis(200);

/// Why the peer's engine gives no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoReply {
    /// What our engine gets.
    pub status: StatusCode,
    /// What to do, or what the peer said.
    pub detail: String,
}

/// Sends a message of our engine to the peer's. Returns the reply.
///
/// RFC 38 "Exchanging messages": a message is the data of a Prepare to `peer.settle` with the
/// amount 0. The condition fits the fulfillment of 32 zero bytes. [row 137]
///
/// # Errors
/// [`NoReply`].
pub async fn send_message(
    context: &NodeContext,
    account: &AccountId,
    message: &[u8],
) -> Result<Vec<u8>, NoReply> {
    let now = context.clock.now();
    let expires_at = now.wall.saturating_add(PEER_TIMEOUT);
    let prepare = Prepare::peer_request(AddressRef::PEER_SETTLE, message, expires_at);
    let no_reply = |status, detail| Err(NoReply { status, detail });
    match context.send_prepare(account, &prepare, now).await {
        Outcome::Fulfilled { data, .. } => Ok(data),
        Outcome::Rejected(rejection) => {
            let detail = format!("the peer rejects it: {} {}", rejection.code, rejection.message);
            no_reply(StatusCode::BAD_GATEWAY, detail)
        }
        Outcome::NotSent(cause) => {
            let detail = format!("it cannot be sent now: {} {}", cause.code, cause.message);
            no_reply(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
        Outcome::NoAnswer(cause) => {
            let status = match cause.code {
                ErrorCode::R00 => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            no_reply(status, format!("the peer gives no answer: {} {}", cause.code, cause.message))
        }
    }
}

/// Hands a message of the peer's engine to ours, and answers the peer: always, once, and in time.
///
/// RFC 38 "Exchanging messages": the reply of the engine fulfills the packet; without one the
/// packet is rejected. [row 136]
pub async fn deliver_message(context: &NodeContext, engines: &Engines, message: PeerMessage) {
    let PeerMessage { number, account, data, deadline } = message;
    let time_left = deadline.since(context.clock.mono()).saturating_sub(RETURN_TIME);
    let delivered = timeout(time_left, engines.deliver(&account, &data)).await;
    if let Ok(Err(error)) = &delivered {
        tracing::debug!(peer = %account, %error, "a message of the peer's settlement engine has no reply");
    }
    let answer = match &delivered {
        Ok(Ok(reply)) => MessageAnswer::Reply(reply),
        Ok(Err(EngineError::NoEngine(_))) => MessageAnswer::Refused(MessageRefusal::NoEngine, &[]),
        Ok(Err(EngineError::Status { status, body, .. })) => {
            let refusal = match status {
                400..=499 => MessageRefusal::ByEngine,
                _ => MessageRefusal::EngineFailed,
            };
            MessageAnswer::Refused(refusal, body)
        }
        Ok(Err(EngineError::NoAnswer { .. })) | Err(_) => {
            MessageAnswer::Refused(MessageRefusal::EngineFailed, &[])
        }
    };
    let batch = context.connector.start_batch(context.clock.now());
    batch.answer_message(number, answer);
}
