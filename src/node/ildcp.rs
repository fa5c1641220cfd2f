//! The node as a child: asks its parent for its address and asset at every link-up (IL-DCP, RFC 31). What it says is held to
//! the same rules as the configuration file.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::account::{AccountId, Asset, AssetError};
use crate::config::{OwnAddressError, not_below_peer};
use crate::connector::Connector;
use crate::link::{Cause, Outcome, Rejection};
use crate::net::Clock;
use crate::peers::TransportContext;
use crate::time::Backoff;
use crate::wire::ilp::{ErrorClass, Fulfill};
use crate::wire::{Address, ildcp};

/// How long the parent may take to answer. Shorter than the 60 s of other implementations: it is one hop.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The delay before the first retry; each other one is twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What a parent tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentInfo {
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
    /// The address that it gives can be nobody's own.
    #[error("it gives the address {0:?}: {1}")]
    Address(Address, OwnAddressError),
    /// No account can be counted in its asset.
    #[error("its asset cannot be used: {0}")]
    Asset(AssetError),
    /// The node shut down meanwhile.
    #[error("the request was dropped")]
    Dropped,
}

/// Asks once.
pub async fn ask(
    connector: &Connector,
    clock: &Clock,
    parent: &AccountId,
) -> Result<ParentInfo, AskError> {
    let now = clock.now();
    let (sender, answered) = oneshot::channel();
    let request = ildcp::request(now.wall.saturating_add(ANSWER_TIME));
    connector.originate_prepare(parent, &request, now, move |answer| {
        // The receiver is gone if the request was cancelled.
        let _ = sender.send(answer);
    });
    match answered.await.map_err(|_| AskError::Dropped)? {
        Outcome::Fulfilled { fulfillment, data } => {
            let told = ildcp::IldcpResponse::from_fulfill(&Fulfill { fulfillment, data: &data })?;
            let address = told.client_address.to_address();
            if let Err(error) = not_below_peer(&address) {
                return Err(AskError::Address(address, error));
            }
            let asset =
                Asset::checked(told.asset_code, told.asset_scale).map_err(AskError::Asset)?;
            Ok(ParentInfo { address, asset })
        }
        Outcome::Rejected(rejection) => Err(AskError::Rejected(rejection)),
        Outcome::NotSent(cause) | Outcome::NoAnswer(cause) => Err(AskError::Unanswered(cause)),
    }
}

/// Asks until there is an answer. Where the node can do `without`, a parent that will never answer is not asked again.
pub(super) async fn ask_until_told(
    context: Arc<TransportContext>,
    parent: AccountId,
    without: bool,
) -> Option<ParentInfo> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        let wait = backoff.next_delay();
        match ask(&context.connector, &context.clock, &parent).await {
            Ok(told) => return Some(told),
            Err(AskError::Rejected(rejection))
                if without && rejection.code.class() == Some(ErrorClass::Final) =>
            {
                if let Some(suppressed) = context.peers.status(&parent).admit_line() {
                    tracing::warn!(
                        peer = %parent, code = %rejection.code, suppressed,
                        "the parent told no asset; set assetCode and assetScale, the defaults may not be its own"
                    );
                }
                return None;
            }
            Err(error) => {
                if let Some(suppressed) = context.peers.status(&parent).admit_line() {
                    tracing::warn!(peer = %parent, %error, again_in = ?wait, suppressed, "the parent gave no address");
                }
            }
        }
        tokio::time::sleep(wait).await;
    }
}
