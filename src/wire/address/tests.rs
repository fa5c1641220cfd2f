//! Vectors of the grammar, agreement of the fast check with the slow one, and prefixes.

use proptest::prelude::*;

use super::error::{AddressKind, find_mistake};
use super::*;
use crate::wire::vectors::{self, Expect};

#[test]
fn vectors_of_the_grammar() {
    for entry in vectors::list(&vectors::load("addresses"), "valid_and_invalid") {
        let bytes = vectors::bytes(entry, "hex");
        let result = AddressRef::parse(&bytes);
        assert_eq!(result.is_ok(), vectors::expect(entry) == Expect::Accept, "{entry} {result:?}");
        if let Ok(address) = result {
            assert_eq!(address.as_bytes(), bytes);
            assert_eq!(address.to_address().view(), address);
        }
    }
}

#[test]
fn errors_say_what_is_wrong_where() {
    fn check(text: &str, message: &str) {
        let error = text.parse::<Address>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
    let characters = "only A-Z a-z 0-9 _ ~ - and dots are allowed";
    check("", "is empty, an ILP address looks like test.alice");
    check("test.alice 1", &format!("has ' ' as character 11, {characters}"));
    check("test.alice\n", &format!("has '\\n' as character 11, {characters}"));
    check("g.alïce", &format!("has 'ï' as character 5, {characters}"));
    check(".test.a", "has an empty segment at character 1 (a dot too many)");
    check("test..a", "has an empty segment at character 6 (a dot too many)");
    check("test.a.", "has an empty segment at character 8 (a dot too many)");
    check("test", "is only a scheme, an address needs a segment after it, as in test.alice");
    let scheme = "does not begin with a known scheme \
                  (g, test, test1, test2, test3, example, private, local, self, peer)";
    check("Test.alice", scheme);
    let long = format!("g.{}", "x".repeat(1022));
    check(&long, "has 1024 characters, at most 1023 are allowed");
    assert_eq!(
        AddressRef::parse(b"g.\xff"),
        Err(AddressError::Character { at: 3, found: '\u{fffd}' })
    );
}

#[test]
fn every_character_is_checked_at_every_position() {
    // Lengths on both sides of one and two steps of the scan.
    for length in [3usize, 4, 15, 16, 17, 18, 19, 31, 32, 33, 34, 35, 50] {
        let good = format!("g.{}", "a".repeat(length - 2)).into_bytes();
        for at in 2..length {
            for byte in 0..=u8::MAX {
                let mut text = good.clone();
                text[at] = byte;
                let inner_dot = byte == b'.' && at != 2 && at + 1 != length;
                let expected = byte.is_ascii_alphanumeric() || b"_~-".contains(&byte) || inner_dot;
                assert_eq!(AddressRef::parse(&text).is_ok(), expected, "byte {byte} at {at}");
            }
        }
        for at in 3..length.saturating_sub(2) {
            let mut text = good.clone();
            text[at] = b'.';
            text[at + 1] = b'.';
            assert!(AddressRef::parse(&text).is_err(), "two dots at {at} of {length}");
        }
    }
}

#[test]
fn schemes() {
    for scheme in Scheme::ALL {
        let text = format!("{scheme}.a");
        assert_eq!(leading_scheme(text.as_bytes()), Some(scheme), "{text}");
        assert_eq!(leading_scheme(scheme.name().as_bytes()), None, "{scheme} without a segment");
        assert_eq!(AddressRef::new(&text).map(AddressRef::scheme), Ok(scheme));
        assert_eq!(Scheme::from_name(scheme.name()), Some(scheme));
        assert_eq!(scheme.name().parse::<Prefix>().map(|p| p.scheme()), Ok(Some(scheme)));
    }
    assert_eq!(Scheme::from_name("test4"), None);
    let live: Vec<_> = Scheme::ALL.iter().filter(|s| s.network() == Network::Live).collect();
    let test = Scheme::ALL.iter().filter(|s| s.network() == Network::Test).count();
    assert_eq!((live, test), (vec![&Scheme::Global], 4));
}

#[test]
fn children() {
    let node: Address = "test.node".parse().unwrap();
    assert_eq!(node.child("alice").unwrap().as_str(), "test.node.alice");
    assert_eq!(node.child(""), Err(AddressError::EmptySegment { at: 1 }));
    assert_eq!(node.child("a.b"), Err(AddressError::Character { at: 2, found: '.' }));
    assert_eq!(node.child("äb"), Err(AddressError::Character { at: 1, found: 'ä' }));
    let longest = "x".repeat(MAX_ADDRESS - "test.node.".len());
    assert_eq!(node.child(&longest).unwrap().as_str().len(), MAX_ADDRESS);
    assert_eq!(node.child(&format!("{longest}x")), Err(AddressError::TooLong { length: 1024 }));
    let child = node.child("alice").unwrap();
    assert_eq!(child.view().below(node.view()), Some("alice"));
    assert_eq!(node.view().below(node.view()), None);
    assert_eq!(AddressRef::new("test.nodex.a").unwrap().below(node.view()), None);
}

#[test]
fn segments() {
    for (text, expected) in [
        ("alice", true),
        ("A-_~9", true),
        ("", false),
        ("a.b", false),
        ("ä", false),
        ("a b", false),
    ] {
        assert_eq!(is_segment(text), expected, "{text:?}");
    }
    assert_eq!(AddressRef::new("peer.config"), Ok(AddressRef::PEER_CONFIG));
    assert_eq!(AddressRef::new("peer.reconcile"), Ok(AddressRef::PEER_RECONCILE));
    let address = AddressRef::new("g.acme.bob").unwrap();
    assert_eq!(address.segments().collect::<Vec<_>>(), ["g", "acme", "bob"]);
}

#[test]
fn prefixes() {
    fn check(prefix: &str, address: &str, expected: bool) {
        let prefix: Prefix = prefix.parse().unwrap_or_else(|e| panic!("{prefix:?} {e}"));
        assert_eq!(
            prefix.matches(AddressRef::new(address).unwrap()),
            expected,
            "{prefix} {address}"
        );
    }
    check("", "g.alice", true);
    check("g", "g.alice", true);
    check("g.", "g.alice", true);
    check("g", "test.g", false);
    check("g.alice", "g.alice", true);
    check("g.alice.", "g.alice.x", true);
    check("g.al", "g.alice", false);
    check("g.alice.x", "g.alice", false);
    check("g.Alice", "g.alice", false);

    let prefix = |text: &str| text.parse::<Prefix>();
    assert_eq!(prefix("g.us.").unwrap().as_str(), "g.us");
    assert_eq!(prefix("g.us").unwrap().depth(), 2);
    assert_eq!(prefix("").unwrap(), Prefix::default());
    assert_eq!((prefix("").unwrap().depth(), prefix("").unwrap().scheme()), (0, None));
    assert_eq!(prefix("."), Err(AddressError::EmptySegment { at: 1 }));
    assert_eq!(prefix("g.."), Err(AddressError::EmptySegment { at: 3 }));
    assert_eq!(prefix("what"), Err(AddressError::UnknownScheme));
    assert_eq!(prefix("g.*"), Err(AddressError::Character { at: 3, found: '*' }));
    assert!(prefix("g").unwrap().covers(&prefix("g.us").unwrap()));
    assert!(!prefix("g.u").unwrap().covers(&prefix("g.us").unwrap()));
}

#[test]
fn addresses_and_prefixes_are_strings_in_json() {
    let address: Address = "test.alice".parse().unwrap();
    assert_eq!(serde_json::to_string(&address).unwrap(), "\"test.alice\"");
    assert_eq!(serde_json::to_string(&Prefix::from(&address)).unwrap(), "\"test.alice\"");
}

proptest! {
    /// The fast check and the explaining one agree.
    #[test]
    fn the_two_checks_agree(text in "(g|test[0-4]?|peer|x)?[.a-c_~ -]{0,40}") {
        let slow = find_mistake(text.as_bytes(), AddressKind::Address);
        prop_assert_eq!(AddressRef::new(&text).err(), slow);
    }

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let slow = find_mistake(&bytes, AddressKind::Address);
        prop_assert_eq!(AddressRef::parse(&bytes).err(), slow);
    }
}
