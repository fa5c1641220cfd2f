//! Headers of each kind, cut at each byte, and bytes that are none.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

/// A header of version 2.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family][..], &length, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdb, 0xfc, 1, 187];

fn v6() -> Vec<u8> {
    let source: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let destination: Ipv6Addr = "2001:db8::2".parse().unwrap();
    [&source.octets()[..], &destination.octets(), &[0xdb, 0xfc, 1, 187]].concat()
}

/// Sends `bytes`, the first `first` of them alone, and reads the header. Returns it with what follows.
async fn read(bytes: &[u8], first: usize) -> (Result<Option<String>, String>, Vec<u8>) {
    let (mut proxy, mut node) = tokio::io::duplex(64 * 1024);
    let (begin, end) = bytes.split_at(first);
    let sending = async {
        proxy.write_all(begin).await.unwrap();
        tokio::task::yield_now().await;
        // The reader may have refused the beginning.
        let _ = proxy.write_all(end).await;
        proxy.shutdown().await.unwrap();
    };
    let reading = async {
        let header = read_proxy_header(&mut node).await;
        let mut rest = Vec::new();
        node.read_to_end(&mut rest).await.unwrap();
        (header, rest)
    };
    let ((), (header, rest)) = tokio::join!(sending, reading);
    let header = header.map(|client| client.map(|client| client.to_string()));
    (header.map_err(|error| error.to_string()), rest)
}

#[tokio::test]
async fn the_client_of_each_version_wherever_the_segments_end() {
    let line = |text: &str| text.as_bytes().to_vec();
    let tlvs = [3, 0, 4, 1, 2, 3, 4, 0x20, 0, 5, 1, 0, 0, 0, 0];
    for (header, expected) in [
        (line("PROXY TCP4 192.0.2.1 192.0.2.2 56316 443\r\n"), Some("192.0.2.1:56316")),
        (line("PROXY TCP6 2001:db8::1 2001:db8::2 56316 443\r\n"), Some("[2001:db8::1]:56316")),
        (line("PROXY UNKNOWN\r\n"), None),
        (line("PROXY UNKNOWN 1 2 3 anything\r\n"), None),
        (binary(0x21, 0x11, &V4), Some("192.0.2.1:56316")),
        (binary(0x21, 0x21, &v6()), Some("[2001:db8::1]:56316")),
        (binary(0x21, 0x11, &[&V4[..], &tlvs].concat()), Some("192.0.2.1:56316")),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &V4), None),
        (binary(0x20, 0xff, &[9; 300]), None),
        (binary(0x21, 0x00, &[]), None),
        (binary(0x21, 0x12, &V4), None),
        (binary(0x21, 0x31, &[0; 216]), None),
        (binary(0x21, 0x00, &vec![0; HEADER_BYTES_MAX - FIXED_BYTES]), None),
    ] {
        let expected = Ok(expected.map(str::to_owned));
        for first in 0..=header.len() {
            // What follows may itself look like a header, and stays unread.
            let bytes = [&header[..], b"PROXY and \r\n\r\n\0"].concat();
            let (found, rest) = read(&bytes, first).await;
            assert_eq!(found, expected, "{header:?} {first}");
            assert_eq!(rest, b"PROXY and \r\n\r\n\0", "{header:?} {first}");
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let missing = "does not begin with a header";
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX));
    let line = |text: &str| text.as_bytes().to_vec();
    for (bytes, expected) in [
        (vec![], "before the header"),
        (line("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), missing),
        (line("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), missing),
        (vec![0x16, 3, 1], missing),
        (line("\r\n\r\n\r\n"), missing),
        (line("PROXY "), "within the header"),
        (line("PROXY TCP4 192.0.2.1 192"), "within the header"),
        (line(&long), "too long"),
        (line("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), "malformed"),
        (line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), "malformed"),
        (line("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), "malformed"),
        (line("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"), "malformed"),
        (line("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), "malformed"),
        (line("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), "malformed"),
        (line("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), "malformed"),
        (line("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), "malformed"),
        (line("PROXY unknown  \r\n"), "malformed"),
        (b"PROXY TCP4 \xff\xff\xff\xff\xff\xff\r\n".to_vec(), "malformed"),
        (binary(0x11, 0x11, &V4), "of version 2"),
        (binary(0x22, 0x11, &V4), "of version 2"),
        (binary(0x21, 0x11, &V4[..11]), "cut short"),
        (binary(0x21, 0x21, &v6()[..35]), "cut short"),
        (binary(0x21, 0x41, &v6()), "unknown family"),
        (binary(0x21, 0x13, &V4), "unknown family"),
        (binary(0x21, 0x11, &V4)[..20].to_vec(), "within the header"),
        (binary(0x21, 0x11, &vec![0; HEADER_BYTES_MAX - FIXED_BYTES + 1]), "too long"),
    ] {
        let (found, _) = read(&bytes, 0).await;
        let error = found.unwrap_err();
        assert!(error.contains(expected), "{bytes:?}: {error}");
    }
}

proptest! {
    /// A reader asks for a bounded number of bytes and never for more than the header has, whatever comes.
    #[test]
    fn random_bytes_are_bounded(
        begin in prop::sample::select(vec![&b""[..], WORD, SIGNATURE, b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00"]),
        random in prop::collection::vec(any::<u8>(), 0..5000),
    ) {
        let bytes = [begin, &random].concat();
        let mut received = 0;
        while let Ok(HeaderStep::Read(missing)) = next_step(&bytes[..received]) {
            prop_assert!(missing > 0 && received + missing <= HEADER_BYTES_MAX);
            received += missing;
            if received > bytes.len() {
                break;
            }
        }
    }
}
