//! The id of a connection: the last segment of its address. It is random, and it carries what the receiver must know of
//! the connection, because the receiver stores nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Receiver, hmac_of_parts};
use crate::stream::envelope::{Iv, OVERHEAD};
use crate::stream::keys::{Keys, SECRET_LEN, SharedSecret};
use crate::stream::receipt::{RECEIPT_NONCE_BYTES, ReceiptKey};

/// Random bytes of a connection's id.
pub const CONNECTION_ID_BYTES: usize = 18;

/// Bytes that the id of a connection with receipts stands for: the encrypted nonce and secret of the verifier.
const RECEIPTS_ID_BYTES: usize = OVERHEAD + RECEIPT_NONCE_BYTES + SECRET_LEN;
/// Characters of such an id. Other ids have fewer.
const RECEIPTS_ID_CHARS: usize = (RECEIPTS_ID_BYTES * 4).div_ceil(3);
/// Characters at the beginning of such an id that stand for its random bytes.
const RANDOM_CHARS: usize = 16;

/// The id of a new connection: the last segment of its address.
pub fn encode_connection_id(random: [u8; CONNECTION_ID_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

impl Receiver {
    /// The id of a new connection whose money gets receipts.
    ///
    /// RFC 39 "Stateless Receiver": the verifier's secret in an address is encrypted, because the sender and each
    /// connector on the way read it.
    pub fn encode_connection_id_with_receipts(
        &self,
        random: [u8; CONNECTION_ID_BYTES],
        key: &ReceiptKey,
    ) -> String {
        let (iv, _) = random.split_first_chunk().expect("18 bytes begin with 12");
        let clear = [&key.nonce[..], &key.secret].concat();
        let sealed = self.id_keys().seal(Iv(*iv), &clear).expect("48 bytes are not too long");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The key of the receipts of a connection, if it has them. Made-up ids have none.
    pub(super) fn receipt_key(&self, connection_id: &str) -> Option<ReceiptKey> {
        if connection_id.len() != RECEIPTS_ID_CHARS {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(connection_id).ok()?;
        let clear = self.id_keys().open(&sealed).ok()?;
        let (nonce, secret) = clear.split_first_chunk()?;
        Some(ReceiptKey { nonce: *nonce, secret: secret.try_into().ok()? })
    }

    /// No id has a space, so these keys are those of no connection.
    fn id_keys(&self) -> Keys {
        Keys::new(&SharedSecret(hmac_of_parts(
            &self.generator_key(),
            &[b"receipts of a connection"],
        )))
    }
}

/// The part of a connection's id by which people and the books know it: all of it, or its random characters if it also
/// carries a verifier's secret.
pub fn short_connection_id(connection_id: &str) -> &str {
    match connection_id.len() {
        RECEIPTS_ID_CHARS => connection_id.get(..RANDOM_CHARS).unwrap_or(connection_id),
        _ => connection_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ReceiptKey {
        ReceiptKey { nonce: [3; RECEIPT_NONCE_BYTES], secret: [4; SECRET_LEN] }
    }

    #[test]
    fn an_id_carries_the_key_of_receipts_and_shows_it_only_to_its_receiver() {
        let receiver = Receiver::new(b"node", "wallet");
        let id = receiver.encode_connection_id_with_receipts([7; CONNECTION_ID_BYTES], &key());
        assert_eq!(id.len(), RECEIPTS_ID_CHARS);
        assert_eq!(receiver.receipt_key(&id), Some(key()));
        let other = Receiver::new(b"node", "shop");
        assert_eq!(other.receipt_key(&id), None);
        assert_eq!(receiver.receipt_key(&"A".repeat(RECEIPTS_ID_CHARS)), None);
        assert_eq!(receiver.receipt_key(&"é".repeat(RECEIPTS_ID_CHARS / 2)), None);
        assert_eq!(receiver.receipt_key(&encode_connection_id([7; CONNECTION_ID_BYTES])), None);
        let sealed = URL_SAFE_NO_PAD.decode(&id).unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == [4; 4]), "the secret is readable");
    }

    #[test]
    fn the_books_know_a_connection_by_its_random_part() {
        let receiver = Receiver::new(b"node", "wallet");
        let id = |random| receiver.encode_connection_id_with_receipts([random; 18], &key());
        assert_eq!(short_connection_id(&id(7)), encode_connection_id([7; 18]).get(..16).unwrap());
        assert_ne!(short_connection_id(&id(7)), short_connection_id(&id(8)));
        let plain = encode_connection_id([7; 18]);
        assert_eq!(short_connection_id(&plain), plain);
        assert_eq!(short_connection_id(&"é".repeat(RECEIPTS_ID_CHARS / 2)).len(), 16);
    }
}
