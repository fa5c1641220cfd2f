//! The node as a child: asks its parent for its address and asset at every link-up (IL-DCP, RFC 31).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::account::{AccountId, Asset};
use crate::connector::Connector;
use crate::link::{Cause, Outcome, Rejection};
use crate::transport::{Clock, TransportContext};
use crate::wire::ilp::Fulfill;
use crate::wire::{Address, ildcp};

/// How long the parent may take to answer. Shorter than the 60 s of other implementations: it is one hop.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The first wait before asking again; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait before asking again.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What a parent tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// This node's address.
    pub address: Address,
    /// What the amounts of their link are counted in.
    pub asset: Asset,
}

/// Why an answer is no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The parent rejected the request.
    #[error("{} from {:?}: {}", .0.code, .0.by, .0.message)]
    Rejected(Rejection),
    /// There is no answer of the parent.
    #[error("{}: {}", .0.code, .0.message)]
    Unanswered(Cause),
    /// The answer does not parse.
    #[error(transparent)]
    Unreadable(#[from] crate::wire::Error),
    /// The node shut down meanwhile.
    #[error("the request was dropped")]
    Dropped,
}

/// Asks once.
pub async fn ask(
    connector: &Connector,
    clock: &Clock,
    parent: &AccountId,
) -> Result<Told, AskError> {
    let now = clock.now();
    let (sender, answered) = oneshot::channel();
    let request = ildcp::request(now.wall.saturating_add(ANSWER_TIME));
    connector.originate(parent, &request, now, move |answer| {
        // Nobody listens any more if the asker was cancelled.
        let _ = sender.send(answer);
    });
    match answered.await.map_err(|_| AskError::Dropped)? {
        Outcome::Fulfilled { fulfillment, data } => {
            let told = ildcp::Response::from_fulfill(&Fulfill { fulfillment, data: &data })?;
            Ok(Told {
                address: told.client_address.to_address(),
                asset: Asset::new(told.asset_code, told.asset_scale),
            })
        }
        Outcome::Rejected(rejection) => Err(AskError::Rejected(rejection)),
        Outcome::NotSent(cause) | Outcome::NoAnswer(cause) => Err(AskError::Unanswered(cause)),
    }
}

/// Asks until there is an answer.
pub(super) async fn ask_until_told(context: Arc<TransportContext>, parent: AccountId) -> Told {
    let mut wait = RETRY_FIRST;
    loop {
        match ask(&context.connector, &context.clock, &parent).await {
            Ok(told) => return told,
            Err(error) => {
                if let Some(suppressed) = context.peers.status(&parent).admit_line() {
                    tracing::warn!(peer = %parent, %error, again_in = ?wait, suppressed, "the parent gave no address");
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}
