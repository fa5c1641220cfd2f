//! The node as a child: requests its address and asset from its parent at every link-up (IL-DCP, RFC 31). The answer
//! must follow the rules of the configuration file.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::account::{AccountId, Asset, AssetError};
use crate::config::{OwnAddressError, not_below_peer};
use crate::connector::Connector;
use crate::link::{Cause, Outcome, Rejection};
use crate::net::Clock;
use crate::peers::NodeContext;
use crate::time::Backoff;
use crate::wire::ilp::{ErrorClass, Fulfill};
use crate::wire::{Address, ildcp};

/// Shorter than the 60 s of other implementations: the parent is one hop away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The delay before the first retry; each other one is twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A parent's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentInfo {
    /// This node's address.
    pub address: Address,
    /// The asset of the link between them.
    pub asset: Asset,
}

/// Why there is no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IldcpRequestError {
    /// The parent rejected the request.
    #[error("{} from {:?}: {}", .0.code, .0.by, .0.message)]
    Rejected(Rejection),
    /// The parent did not answer.
    #[error("{}: {}", .0.code, .0.message)]
    Unanswered(Cause),
    /// The answer does not parse.
    #[error(transparent)]
    Unreadable(#[from] crate::wire::Error),
    /// No node can have this address.
    #[error("it gives the address {0:?}: {1}")]
    Address(Address, OwnAddressError),
    /// No account can have this asset.
    #[error("its asset cannot be used: {0}")]
    Asset(AssetError),
    /// The node shut down.
    #[error("the request was dropped")]
    Dropped,
}

/// Sends one request.
pub async fn request_parent_info(
    connector: &Connector,
    clock: &Clock,
    parent: &AccountId,
) -> Result<ParentInfo, IldcpRequestError> {
    let now = clock.now();
    let (sender, answered) = oneshot::channel();
    let request = ildcp::request(now.wall.saturating_add(ANSWER_TIMEOUT));
    connector.originate_prepare(parent, &request, now, move |answer| {
        // Fails if the request was cancelled.
        let _ = sender.send(answer);
    });
    match answered.await.map_err(|_| IldcpRequestError::Dropped)? {
        Outcome::Fulfilled { fulfillment, data } => {
            let response =
                ildcp::IldcpResponse::from_fulfill(&Fulfill { fulfillment, data: &data })?;
            let address = response.client_address.to_address();
            if let Err(error) = not_below_peer(&address) {
                return Err(IldcpRequestError::Address(address, error));
            }
            let asset = Asset::checked(response.asset_code, response.asset_scale)
                .map_err(IldcpRequestError::Asset)?;
            Ok(ParentInfo { address, asset })
        }
        Outcome::Rejected(rejection) => Err(IldcpRequestError::Rejected(rejection)),
        Outcome::NotSent(cause) | Outcome::NoAnswer(cause) => {
            Err(IldcpRequestError::Unanswered(cause))
        }
    }
}

/// Repeats the request until there is an answer. `None`: the parent rejected it for good, and the node has an address
/// without it.
pub(super) async fn request_until_answered(
    context: Arc<NodeContext>,
    parent: AccountId,
    has_address: bool,
) -> Option<ParentInfo> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        let wait = backoff.next_delay();
        match request_parent_info(&context.connector, &context.clock, &parent).await {
            Ok(info) => return Some(info),
            Err(IldcpRequestError::Rejected(rejection))
                if has_address && rejection.code.class() == Some(ErrorClass::Final) =>
            {
                if let Some(suppressed) = context.peers.status(&parent).admit_line() {
                    tracing::warn!(
                        peer = %parent, code = %rejection.code, suppressed,
                        "the parent gave no asset; set assetCode and assetScale, because the defaults may differ from its own"
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
