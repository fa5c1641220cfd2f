//! What a sender has to know to pay a receiver of this node (SPSP hands it out). Nothing is opened or remembered: see
//! `stream::Receiver`.

use super::core::Connector;
use crate::link::Slot;
use crate::stream::{SharedSecret, TOKEN_BYTES, encode_token};
use crate::wire::Address;

/// A connection that a sender can use, as soon as it likes and as long as the node has the same `receiverSecret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCredentials {
    /// Where its packets go.
    pub destination: Address,
    /// What they are encrypted with.
    pub secret: SharedSecret,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamCredentialsError {
    /// No receiver has that name, or there is none at all.
    #[error("there is no such receiver here")]
    UnknownReceiver,
    /// The node's parent has not given it an address yet (D12).
    #[error("this node has no address of its own yet")]
    NoAddressYet,
    /// The address would be longer than an address may be.
    #[error("the receiver's address would be too long")]
    AddressTooLong,
}

impl Connector {
    /// A connection to a receiver, or to the one that was configured first. `random` makes it another one than all
    /// others.
    ///
    /// # Errors
    /// [`StreamCredentialsError`].
    pub fn issue_stream_credentials(
        &self,
        receiver: Option<&str>,
        random: [u8; TOKEN_BYTES],
    ) -> Result<StreamCredentials, StreamCredentialsError> {
        let snapshot = self.snapshot.load();
        let slot = match receiver {
            Some(id) => self.account(id).map(|account| account.slot()),
            None => snapshot.first_receiver,
        };
        let found = slot.and_then(|slot: Slot| snapshot.entry(slot));
        let found = found.filter(|entry| entry.is_served());
        let (entry, receiver) = found
            .and_then(|entry| Some((entry, entry.settings.receiver.as_ref()?)))
            .ok_or(StreamCredentialsError::UnknownReceiver)?;
        let own = snapshot.address.as_ref().ok_or(StreamCredentialsError::NoAddressYet)?;
        let token = encode_token(random);
        let destination = own
            .child(entry.settings.address_segment())
            .and_then(|address| address.child(&token))
            .map_err(|_| StreamCredentialsError::AddressTooLong)?;
        Ok(StreamCredentials { destination, secret: receiver.secret(&token) })
    }
}
