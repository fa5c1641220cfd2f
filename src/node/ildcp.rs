//! The node as a child: requests its address and asset from its parent at every link-up.

use std::sync::Arc;
use std::time::Duration;

use crate::account::AccountId;
use crate::peers::{IldcpRequestError, NodeContext, ParentInfo};
use crate::time::Backoff;
use crate::wire::ilp::ErrorClass;

/// The delay before the first retry; each other one is twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

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
        match context.request_parent_info(&parent).await {
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
