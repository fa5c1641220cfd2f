//! The request of a child for its address and asset (IL-DCP, RFC 31).

use std::time::Duration;

use tokio::sync::oneshot;

use super::NodeContext;
use crate::account::{AccountId, Asset, AssetError};
use crate::link::{Cause, Outcome, Rejection};
use crate::time::Now;
use crate::wire::ilp::{Fulfill, Prepare};
use crate::wire::{Address, Scheme, ildcp};

/// Shorter than the 60 s of other implementations: the parent is one hop away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

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
    #[error("it gives the address {0:?}: the address is below peer.")]
    BelowPeer(Address),
    /// No account can have this asset.
    #[error("its asset cannot be used: {0}")]
    Asset(AssetError),
}

impl NodeContext {
    /// Sends a Prepare to an account and waits for the outcome; its deadline is computed from `now`.
    pub async fn send_prepare(&self, to: &AccountId, prepare: &Prepare<'_>, now: Now) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        // The receiver is gone if this future was dropped.
        let answer = move |outcome| drop(sender.send(outcome));
        self.connector.originate_prepare(to, prepare, now, answer);
        outcome.await.expect("the packet path answers every request once")
    }

    /// Asks a parent for this node's address and asset, once.
    pub async fn request_parent_info(
        &self,
        parent: &AccountId,
    ) -> Result<ParentInfo, IldcpRequestError> {
        let now = self.clock.now();
        let request = ildcp::request(now.wall.saturating_add(ANSWER_TIMEOUT));
        match self.send_prepare(parent, &request, now).await {
            Outcome::Fulfilled { fulfillment, data } => {
                let response =
                    ildcp::IldcpResponse::from_fulfill(&Fulfill { fulfillment, data: &data })?;
                let address = response.client_address.to_address();
                if address.scheme() == Scheme::Peer {
                    return Err(IldcpRequestError::BelowPeer(address));
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
}
