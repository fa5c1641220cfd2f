//! The shared secret of a connection, and the keys derived from it.

use std::fmt;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hmac;

use crate::wire::Fulfillment;

/// Bytes of a shared secret.
pub const SECRET_LEN: usize = 32;

/// The secret of a connection, exchanged out of band (SPSP). Its owner can read the connection, act
/// as either end, and fulfill packets.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(pub [u8; SECRET_LEN]);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// The keys of one connection. A sender derives them once, a receiver without state for each packet.
#[derive(Debug)]
pub struct Keys {
    pub(super) encryption: LessSafeKey,
    fulfillment: hmac::Key,
    /// Makes the IVs of a receiver without state. Not in RFC 29, because the sender need not know it.
    pub(super) reply_iv: hmac::Key,
}

impl Keys {
    /// Derives the keys of a shared secret. RFC 29 "Encryption": the encryption key is the
    /// HMAC-SHA256 of `ilp_stream_encryption` under the secret. [row 122]
    pub fn new(secret: &SharedSecret) -> Self {
        Self::derive(&secret.0)
    }

    fn derive(secret: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let encryption = hmac::sign(&secret, b"ilp_stream_encryption");
        let encryption = UnboundKey::new(&AES_256_GCM, encryption.as_ref())
            .expect("an HMAC-SHA256 has as many bytes as a key of AES-256");
        let fulfillment = hmac::sign(&secret, b"ilp_stream_fulfillment");
        let reply_iv = hmac::sign(&secret, b"ilp-connector reply iv");
        Self {
            encryption: LessSafeKey::new(encryption),
            fulfillment: hmac::Key::new(hmac::HMAC_SHA256, fulfillment.as_ref()),
            reply_iv: hmac::Key::new(hmac::HMAC_SHA256, reply_iv.as_ref()),
        }
    }

    /// The fulfillment of a Prepare with this encrypted data. RFC 29 "Fulfillment Generation": it
    /// is the HMAC-SHA256 of the data, under a key derived from the secret. [row 122]
    pub fn fulfillment(&self, data: &[u8]) -> Fulfillment {
        let mut fulfillment = [0; 32];
        fulfillment.copy_from_slice(hmac::sign(&self.fulfillment, data).as_ref());
        Fulfillment(fulfillment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Iv;
    use crate::wire::ilp::{Fulfill, Prepare};
    use crate::wire::stream::StreamPacket;
    use crate::wire::vectors;

    fn entry(name: &str) -> serde_json::Value {
        vectors::named(&vectors::load("stream-extra"), "crypto", name).clone()
    }

    fn keys(secret: &[u8], key: &str, entry: &serde_json::Value) -> hmac::Key {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), key.as_bytes());
        let field = key.replace("ilp_stream_", "") + "_key_hex";
        assert_eq!(derived.as_ref(), vectors::bytes(entry, &field), "{entry}");
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }

    #[test]
    fn keys_are_those_of_the_other_implementations() {
        let foo = entry("key derivation, secret \"foo\"");
        let secret = vectors::bytes(&foo, "shared_secret_hex");
        keys(&secret, "ilp_stream_encryption", &foo);
        // `derive` made the same key if its signatures are the same.
        let key = keys(&secret, "ilp_stream_fulfillment", &foo);
        let fulfillment = Keys::derive(&secret).fulfillment(b"data");
        assert_eq!(hmac::sign(&key, b"data").as_ref(), fulfillment.0);
    }

    #[test]
    fn ciphertext_of_interledger_rs() {
        let vector = entry("rs/js interop ciphertext");
        let keys = Keys::derive(&vectors::bytes(&vector, "shared_secret_hex"));
        let data = vectors::bytes(&vector, "envelope_hex");
        let plaintext = vectors::bytes(&vector, "plaintext_hex");
        assert_eq!(keys.open(&data).as_deref(), Ok(&*plaintext));
        let iv = Iv(*data.first_chunk().unwrap());
        assert_eq!(keys.seal(iv, &plaintext).as_deref(), Ok(&*data));
        let fulfillment = keys.fulfillment(&data);
        assert_eq!(fulfillment.0, vectors::array(&vector, "fulfillment_hex"));
        assert_eq!(fulfillment.condition().0, vectors::array(&vector, "condition_hex"));
    }

    #[test]
    fn fulfillment_of_ilp_protocol_stream() {
        let vector = entry("fulfilment from zero key, data \"foo\"");
        let key = vectors::bytes(&vector, "fulfillment_key_hex");
        let keys = Keys {
            fulfillment: hmac::Key::new(hmac::HMAC_SHA256, &key),
            ..Keys::new(&SharedSecret([0; 32]))
        };
        let fulfillment = keys.fulfillment(&vectors::bytes(&vector, "data_hex"));
        assert_eq!(fulfillment.0, vectors::array(&vector, "fulfillment_hex"));
    }

    #[test]
    fn whole_exchange() {
        let vector = entry("own: whole exchange");
        let bytes = |key: &str| vectors::bytes(&vector, key);
        let keys = Keys::new(&SharedSecret(vectors::array(&vector, "shared_secret_hex")));
        let packets = bytes("prepare_hex");
        let prepare = Prepare::parse(&packets).unwrap();
        assert_eq!(prepare.data, bytes("prepare_data_hex"));
        assert_eq!(prepare.amount.0, vectors::number(&vector, "prepare_amount"));
        assert_eq!(prepare.condition, keys.fulfillment(prepare.data).condition());
        let plaintext = keys.open(prepare.data).unwrap();
        assert_eq!(plaintext, bytes("prepare_stream_packet_hex"));
        let request = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((request.sequence, request.amount.0), (1, 90));

        let packets = bytes("fulfill_hex");
        let fulfill = Fulfill::parse(&packets).unwrap();
        assert_eq!(fulfill.fulfillment, keys.fulfillment(prepare.data));
        assert_eq!(fulfill.data, bytes("reply_data_hex"));
        let plaintext = keys.open(fulfill.data).unwrap();
        assert_eq!(plaintext, bytes("reply_stream_packet_hex"));
        let reply = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((reply.sequence, reply.amount), (1, prepare.amount));
        let iv = Iv(*fulfill.data.first_chunk().unwrap());
        assert_eq!(keys.seal(iv, &plaintext).as_deref(), Ok(fulfill.data));
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = SharedSecret(*b"secret secret secret secret secr");
        assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
        let text = format!("{:?}", Keys::new(&secret));
        assert!(!text.contains("115") && !text.contains("secr"), "{text}");
    }
}
