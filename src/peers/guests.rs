//! Guests: programs of this machine that log in at the guests' door with any token, and what passes between that door
//! and the task of the node, which knows all guests.

use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use tokio::sync::{mpsc, oneshot};

use crate::account::{AccountId, GUEST_PREFIX, RateLimiter};
use crate::time::MonoTime;

/// Logins of newcomers that may wait for the node's task.
pub const GUEST_ORDERS_MAX: usize = 64;

/// Tokens that no guest has and that can be tried at the door in a second, and at once. All newcomers are among them.
const UNKNOWN_TOKENS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// The account of the guest with this token: `guest~` and the SHA-256 of the token in base64url, as
/// `ilp-plugin-mini-accounts` names its accounts. It is the last segment of the guest's address too, so the token does
/// not follow from it unless the token can be guessed.
#[must_use]
pub fn guest_id(token: &[u8]) -> AccountId {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token));
    let id = format!("{GUEST_PREFIX}{hash}");
    id.parse().expect("base64url has the characters of an id, and 49 of them are not too many")
}

/// Why a guest is refused. The guest reads the `Display` text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuestRefusal {
    /// Each place is taken.
    #[error(
        "this node has {max} guests, as many as it may, and none of them can be forgotten yet; try again later, or raise guests.max"
    )]
    Full {
        /// `guests.max`.
        max: usize,
    },
    /// More newcomers than the node admits in a second.
    #[error("too many new guests at the same time; try again in a second")]
    TooManyNewcomers,
    /// An operator has suspended the guest.
    #[error("an operator has suspended this guest")]
    Suspended,
    /// The node cannot have the account, or is about to stop.
    #[error("this node cannot take a guest now; try again later")]
    Unavailable,
}

/// The login of a guest whose account is not in force.
#[derive(Debug)]
pub struct GuestOrder {
    /// The account.
    pub id: AccountId,
    /// Gets the answer, once the account is in force.
    pub reply: oneshot::Sender<Result<(), GuestRefusal>>,
}

/// Where the guests' door asks for accounts.
#[derive(Clone, Debug)]
pub struct GuestDoor {
    orders: mpsc::Sender<GuestOrder>,
    unknown_tokens: Arc<Mutex<RateLimiter>>,
}

impl GuestDoor {
    /// A door, and where its orders arrive.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<GuestOrder>) {
        let (sender, orders) = mpsc::channel(GUEST_ORDERS_MAX);
        (Self { orders: sender, unknown_tokens: Arc::default() }, orders)
    }

    /// Whether a token that no guest has may be tried now. One rate is for the whole door, so that more connections are
    /// no more guesses.
    #[must_use]
    pub fn admit_unknown_token(&self, now: MonoTime) -> bool {
        self.unknown_tokens.lock().try_take(now, 1, UNKNOWN_TOKENS_PER_SECOND)
    }

    /// Waits until a guest has an account. The caller bounds the wait.
    ///
    /// # Errors
    /// [`GuestRefusal`].
    pub async fn admit(&self, id: &AccountId) -> Result<(), GuestRefusal> {
        let (reply, answer) = oneshot::channel();
        let order = GuestOrder { id: id.clone(), reply };
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => GuestRefusal::TooManyNewcomers,
            mpsc::error::TrySendError::Closed(_) => GuestRefusal::Unavailable,
        })?;
        answer.await.unwrap_or(Err(GuestRefusal::Unavailable))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[test]
    fn an_id_follows_from_the_token_and_does_not_show_it() {
        // `printf token | openssl dgst -sha256 -binary | basenc --base64url`
        let id = guest_id(b"token");
        assert_eq!(id.as_str(), "guest~PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A");
        assert!(id.is_guest() && !id.as_str().contains("token"));
        assert_ne!(guest_id(b"token"), guest_id(b"token "));
        assert_eq!(guest_id(&[0xff; 100_000]).as_str().len(), 49);
    }

    #[test]
    fn a_door_has_one_rate_for_all_unknown_tokens() {
        let (door, _orders) = GuestDoor::new();
        let also = door.clone();
        let tried = |now| {
            (0..30).filter(|n| [&door, &also][n % 2].admit_unknown_token(MonoTime(now))).count()
        };
        assert_eq!(tried(0), 10);
        assert_eq!(tried(100_000_000), 1);
        assert_eq!(tried(9_000_000_000), 10);
    }

    #[tokio::test]
    async fn a_door_without_a_node_refuses() {
        let (door, orders) = GuestDoor::new();
        drop(orders);
        assert_eq!(door.admit(&guest_id(b"t")).await, Err(GuestRefusal::Unavailable));
    }

    #[tokio::test]
    async fn newcomers_that_the_node_has_not_heard_of_are_bounded() {
        let (door, mut orders) = GuestDoor::new();
        let waiting = (0..GUEST_ORDERS_MAX).map(|number| {
            let (door, id) = (door.clone(), guest_id(&number.to_be_bytes()));
            async move { door.admit(&id).await }
        });
        let mut waiting = Box::pin(futures_util::future::join_all(waiting));
        let asked = std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
        assert!(asked.is_pending());
        assert_eq!(door.admit(&guest_id(b"t")).await, Err(GuestRefusal::TooManyNewcomers));
        while let Ok(order) = orders.try_recv() {
            order.reply.send(Ok(())).unwrap();
        }
        assert!(waiting.await.iter().all(Result::is_ok));
    }
}
