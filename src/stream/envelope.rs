//! Encrypts and decrypts STREAM packets.
//!
//! RFC 29 "Encryption Envelope": the encrypted form is a random IV, the tag of AES-256-GCM without
//! associated data, and the ciphertext, in this order. [row 122]

use ring::aead::{Aad, NONCE_LEN, Nonce, Tag};

use super::Keys;
use crate::wire::ilp::MAX_DATA_EMITTED;
use crate::wire::stream::MAX_PACKET;

/// Bytes of a tag.
const TAG_LEN: usize = 16;
/// Bytes that encryption adds.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;
/// Most bytes of a packet in clear, so that the encrypted form fits the data of an ILP packet.
pub const MAX_PLAINTEXT: usize = MAX_PACKET;

const _: () = assert!(MAX_PLAINTEXT + OVERHEAD == MAX_DATA_EMITTED);

/// An initialization vector, consumed by [`Keys::seal`]. The same IV for two packets under one key reveals both, and
/// the two ends share the key: an IV is random, or derived from everything that it encrypts.
#[derive(Debug)]
pub struct Iv(pub [u8; NONCE_LEN]);

/// Why data could not be encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("a STREAM packet has {0} bytes, at most {MAX_PLAINTEXT} fit")]
    TooLong(usize),
    #[error("the data is too short to be a STREAM packet")]
    TooShort,
    /// Changed on the way, or encrypted with another secret.
    #[error("the data was not encrypted with the secret of this address")]
    NotAuthentic,
}

impl Keys {
    /// Encrypts a packet. Returns the data of the ILP packet.
    pub fn seal(&self, iv: Iv, plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let too_long = EnvelopeError::TooLong(plaintext.len());
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(too_long);
        }
        let mut data = Vec::with_capacity(OVERHEAD + plaintext.len());
        data.extend_from_slice(&iv.0);
        data.extend_from_slice(&[0; TAG_LEN]);
        data.extend_from_slice(plaintext);
        let (head, ciphertext) = data.split_at_mut(OVERHEAD);
        let nonce = Nonce::assume_unique_for_key(iv.0);
        let tag = self.encryption.seal_in_place_separate_tag(nonce, Aad::empty(), ciphertext);
        let tag = tag.map_err(|_| too_long)?;
        let (_, tag_bytes) = head.split_at_mut(NONCE_LEN);
        tag_bytes.copy_from_slice(tag.as_ref());
        Ok(data)
    }

    /// Decrypts the data of an ILP packet.
    pub fn open(&self, data: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let (iv, rest) = data.split_first_chunk().ok_or(EnvelopeError::TooShort)?;
        let (tag, ciphertext) = rest.split_first_chunk().ok_or(EnvelopeError::TooShort)?;
        let mut plaintext = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*iv);
        let tag: Tag = <[u8; TAG_LEN]>::into(*tag);
        self.encryption
            .open_in_place_separate_tag(nonce, Aad::empty(), tag, &mut plaintext, 0..)
            .map_err(|_| EnvelopeError::NotAuthentic)?;
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

    use super::*;
    use crate::stream::SharedSecret;
    use crate::wire::vectors;

    fn keys() -> Keys {
        Keys::new(&SharedSecret([9; 32]))
    }

    #[test]
    fn known_decrypt() {
        let file = vectors::load("stream-extra");
        let entry = vectors::named(&file, "crypto", "known decrypt");
        let key = UnboundKey::new(&AES_256_GCM, &vectors::bytes(entry, "encryption_key_hex"));
        let mut keys = keys();
        keys.encryption = LessSafeKey::new(key.unwrap());
        let plaintext = keys.open(&vectors::bytes(entry, "envelope_hex")).unwrap();
        assert_eq!(plaintext, vectors::bytes(entry, "plaintext_hex"));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let data = keys().seal(Iv([1; 12]), b"to be kept").unwrap();
        assert_eq!(data.len(), OVERHEAD + 10);
        assert_eq!(keys().open(&data).as_deref(), Ok(&b"to be kept"[..]));
        for bit in 0..data.len() * 8 {
            let mut changed = data.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys().open(&changed), Err(EnvelopeError::NotAuthentic), "bit {bit}");
        }
        for end in 0..data.len() {
            let expected = match end {
                ..OVERHEAD => EnvelopeError::TooShort,
                _ => EnvelopeError::NotAuthentic,
            };
            assert_eq!(keys().open(&data[..end]), Err(expected), "cut to {end}");
        }
        assert_eq!(Keys::new(&SharedSecret([8; 32])).open(&data), Err(EnvelopeError::NotAuthentic));
    }

    #[test]
    fn the_largest_packet_fits() {
        let data = keys().seal(Iv([1; 12]), &[7; MAX_PLAINTEXT]).unwrap();
        assert_eq!(data.len(), MAX_DATA_EMITTED);
        assert_eq!(keys().open(&data).unwrap(), [7; MAX_PLAINTEXT]);
        let error = keys().seal(Iv([1; 12]), &[7; MAX_PLAINTEXT + 1]).unwrap_err();
        assert_eq!(error.to_string(), "a STREAM packet has 32740 bytes, at most 32739 fit");
        assert_eq!(keys().open(&keys().seal(Iv([1; 12]), b"").unwrap()).as_deref(), Ok(&b""[..]));
    }
}
