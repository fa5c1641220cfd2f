//! `Request-Id`s of the asynchronous mode (RFC 35).
//!
//! Ours are made from the request id of the account's pending table and can be turned back into it, so there is no second
//! table to bound and to clean: 12 bytes are a keyed hash of account and id, and mask the 4 bytes of the id. Whoever does
//! not know the key can neither read nor make one; who repeats one finds that nobody waits any more.

use ring::hmac;
use ring::rand::SystemRandom;

use crate::account::AccountId;
use crate::peers::NoRandomness;
use crate::wire::btp::RequestId;

/// Makes and reads the ids of one node.
pub(super) struct RequestIds(hmac::Key);

impl RequestIds {
    pub(super) fn new() -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Self(key.map_err(|_| NoRandomness)?))
    }

    /// The UUID (version 4, RFC 9562) under which a request is known to the peer.
    pub(super) fn make(&self, peer: &AccountId, id: RequestId) -> String {
        let hash = self.hash(peer, id);
        let masked = id.0 ^ mask(&hash);
        let mut uuid = [0; 16];
        let (first, rest) = uuid.split_at_mut(4);
        first.copy_from_slice(&masked.to_be_bytes());
        rest.copy_from_slice(&hash);
        let hex = hex::encode(uuid);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
        parts.join("-")
    }

    /// The request that a UUID of ours stands for. `None`: it is not of ours, or another peer's.
    pub(super) fn read(&self, peer: &AccountId, uuid: &str) -> Option<RequestId> {
        if !is_uuid(uuid) {
            return None;
        }
        let bytes = hex::decode(uuid.replace('-', "")).ok()?;
        let (first, hash) = bytes.split_first_chunk::<4>()?;
        let hash: &[u8; 12] = hash.try_into().ok()?;
        let id = RequestId(u32::from_be_bytes(*first) ^ mask(hash));
        (self.hash(peer, id) == *hash).then_some(id)
    }

    /// Twelve bytes with version and variant in their places.
    fn hash(&self, peer: &AccountId, id: RequestId) -> [u8; 12] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&id.0.to_be_bytes());
        context.update(peer.as_str().as_bytes());
        let tag = context.sign();
        // HMAC-SHA256 has 32 bytes.
        let mut hash: [u8; 12] = tag.as_ref().first_chunk().copied().unwrap_or_default();
        // Bytes 6 and 8 of the UUID.
        hash[2] = hash[2] & 0x0f | 0x40;
        hash[4] = hash[4] & 0x3f | 0x80;
        hash
    }
}

/// What hides the id: the end of the hash, which has no fixed bits.
fn mask(hash: &[u8; 12]) -> u32 {
    hash.last_chunk().copied().map_or(0, u32::from_be_bytes)
}

/// Whether a text has the form of a UUID (RFC 9562, 4).
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl std::fmt::Debug for RequestIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestIds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_nobody_else() {
        let ids = RequestIds::new().unwrap();
        let [alice, bob]: [AccountId; 2] = ["alice", "bob"].map(|id| id.parse().unwrap());
        for id in [0, 1, 77, u32::MAX].map(RequestId) {
            let uuid = ids.make(&alice, id);
            assert!(is_uuid(&uuid), "{uuid}");
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
            assert_eq!(ids.read(&alice, &uuid), Some(id));
            assert_eq!(ids.read(&alice, &uuid.to_uppercase()), Some(id));
            assert_eq!(ids.read(&bob, &uuid), None);
            assert_eq!(RequestIds::new().unwrap().read(&alice, &uuid), None);
        }
        let uuid = ids.make(&alice, RequestId(5));
        for (index, digit) in uuid.char_indices().filter(|(_, digit)| *digit != '-') {
            let other = if digit == '0' { "1" } else { "0" };
            let mut forged = uuid.clone();
            forged.replace_range(index..=index, other);
            assert_eq!(ids.read(&alice, &forged), None, "{forged}");
        }
    }

    #[test]
    fn what_is_a_uuid() {
        assert!(is_uuid("42ee09c8-a6de-4ae3-8a47-4732b0cbb07b"));
        for text in [
            "",
            "42ee09c8a6de4ae38a474732b0cbb07b",
            "42ee09c8-a6de-4ae3-8a47-4732b0cbb07",
            "42ee09c8-a6de-4ae3-8a47-4732b0cbb07g",
            "{2ee09c8-a6de-4ae3-8a47-4732b0cbb07}",
            "42ee09c8-a6de-4ae3-8a47-4732b0cbb0\u{fc}",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
