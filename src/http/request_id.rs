//! `Request-Id`s of the asynchronous mode (RFC 35).
//!
//! Each is made from the request id of the account's pending table, and can be turned back into it, so no second table
//! is needed: 12 bytes are a keyed hash of account and id, and mask the 4 bytes of the id. Without the key no peer can
//! read or make one. A repeated one finds no pending packet.

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

    /// The UUID (version 4, RFC 9562) that stands for a request.
    pub(super) fn make(&self, peer: &AccountId, id: RequestId) -> String {
        let hash = self.hash(peer, id);
        let masked = id.0 ^ mask(&hash);
        let mut uuid = [0; 16];
        let (first, rest) = uuid.split_at_mut(4);
        first.copy_from_slice(&masked.to_be_bytes());
        rest.copy_from_slice(&hash);
        let mut text = hex::encode(uuid);
        for hyphen in HYPHENS {
            text.insert(hyphen, '-');
        }
        text
    }

    /// The request that a UUID stands for. `None`: this node did not make it, or made it for another peer.
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

    /// Twelve bytes, with the UUID's version and variant.
    fn hash(&self, peer: &AccountId, id: RequestId) -> [u8; 12] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&id.0.to_be_bytes());
        context.update(peer.as_str().as_bytes());
        let tag = context.sign();
        let mut hash: [u8; 12] = *tag.as_ref().first_chunk().expect("HMAC-SHA256 has 32 bytes");
        // Bytes 6 and 8 of the UUID.
        hash[2] = hash[2] & 0x0f | 0x40;
        hash[4] = hash[4] & 0x3f | 0x80;
        hash
    }
}

/// Hides the id: the end of the hash, which has no fixed bits.
fn mask(hash: &[u8; 12]) -> u32 {
    u32::from_be_bytes(*hash.last_chunk().expect("12 bytes"))
}

/// The positions of the hyphens in a UUID's text.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether a text has the form of a UUID (RFC 9562 4).
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match HYPHENS.contains(&index) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
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
    fn only_the_right_node_and_peer_can_read_an_id() {
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
    fn forms_of_a_uuid() {
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
