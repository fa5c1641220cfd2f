//! Issues the address and secret with which a sender can pay a receiver of this node (SPSP). Nothing is stored: see
//! `stream::Receiver`. What has arrived is another question, which `received_payments` answers.

use super::core::Connector;
use crate::account::Asset;
use crate::books::{PaymentKey, ReceivedPayment};
use crate::stream::{CONNECTION_ID_BYTES, ReceiptKey, SharedSecret, encode_connection_id};
use crate::wire::Address;

/// The credentials of one STREAM connection. They are valid as long as the node has the same `receiverSecret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCredentials {
    /// The destination of its packets.
    pub destination: Address,
    /// The secret that encrypts their data.
    pub secret: SharedSecret,
    /// The asset in which the receiver is paid.
    pub asset: Asset,
}

/// Why no credentials can be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamCredentialsError {
    /// No receiver has that id, or there is no receiver at all.
    #[error("there is no such receiver here")]
    UnknownReceiver,
    /// The node's parent has not assigned it an address yet (D12).
    #[error("this node has no address of its own yet")]
    NoAddressYet,
    /// The address would be longer than 1023 bytes.
    #[error("the receiver's address would be too long")]
    AddressTooLong,
}

impl Connector {
    /// What receivers got by connection, now: at most `max` after a key, in the order of receiver, asset and
    /// connection; of one receiver, or of all. Without a store, only connections with receipts have totals.
    pub fn received_payments(
        &self,
        receiver: Option<&str>,
        after: Option<&PaymentKey>,
        max: usize,
    ) -> Vec<ReceivedPayment> {
        let received = self.cuts.as_ref().map_or(&self.receipted, |cuts| &cuts.received);
        received.list(receiver, after, max)
    }

    /// Whether [`Self::issue_stream_credentials`] knows a receiver of this id.
    pub fn has_receiver(&self, id: &str) -> bool {
        let snapshot = self.snapshot.load();
        let slot = snapshot.accounts_by_id.get(id).map(|account| account.slot());
        let found = slot.and_then(|slot| snapshot.entry(slot)).filter(|entry| entry.is_served());
        found.is_some_and(|entry| entry.settings.receiver.is_some())
    }

    /// Credentials of a new connection to a receiver, or to the one that was configured first. `random` makes them
    /// unique. With `receipts`, its money gets receipts that are signed with this key.
    ///
    /// # Errors
    /// [`StreamCredentialsError`].
    pub fn issue_stream_credentials(
        &self,
        receiver: Option<&str>,
        random: [u8; CONNECTION_ID_BYTES],
        receipts: Option<&ReceiptKey>,
    ) -> Result<StreamCredentials, StreamCredentialsError> {
        let snapshot = self.snapshot.load();
        let slot = match receiver {
            Some(id) => snapshot.accounts_by_id.get(id).map(|account| account.slot()),
            None => snapshot.first_receiver,
        };
        let found = slot.and_then(|slot| snapshot.entry(slot));
        let found = found.filter(|entry| entry.is_served());
        let (entry, receiver) = found
            .and_then(|entry| Some((entry, entry.settings.receiver.as_ref()?)))
            .ok_or(StreamCredentialsError::UnknownReceiver)?;
        let own = snapshot.address.as_ref().ok_or(StreamCredentialsError::NoAddressYet)?;
        let id = match receipts {
            Some(key) => receiver.encode_connection_id_with_receipts(random, key),
            None => encode_connection_id(random),
        };
        let destination = own
            .child(entry.settings.address_segment())
            .and_then(|address| address.child(&id))
            .map_err(|_| StreamCredentialsError::AddressTooLong)?;
        let asset = entry.settings.asset.clone();
        Ok(StreamCredentials { destination, secret: receiver.secret(&id), asset })
    }
}
