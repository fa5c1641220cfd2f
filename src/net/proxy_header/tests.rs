//! Headers of each kind, cut at each byte, and bytes that are none.

use proptest::prelude::*;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::wire::vectors;

/// The bytes of a vector, of which a long run of one byte is given as such.
fn bytes_of(entry: &Value) -> Vec<u8> {
    if entry["hex"].is_string() {
        return vectors::bytes(entry, "hex");
    }
    let fill = vectors::bytes(entry, "fill_byte");
    let count = usize::try_from(entry["fill_count"].as_u64().unwrap()).unwrap();
    let [begin, end] = ["hex_prefix", "hex_suffix"].map(|key| vectors::bytes(entry, key));
    [begin, fill.repeat(count), end].concat()
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
    let file = vectors::load("proxy-header");
    for entry in vectors::list(&file, "accepted") {
        let header = bytes_of(entry);
        let expected = Ok(entry["client"].as_str().map(str::to_owned));
        for first in 0..=header.len() {
            // What follows may itself look like a header, and stays unread.
            let bytes = [&header[..], b"PROXY and \r\n\r\n\0"].concat();
            let (found, rest) = read(&bytes, first).await;
            assert_eq!(found, expected, "{entry} {first}");
            assert_eq!(rest, b"PROXY and \r\n\r\n\0", "{entry} {first}");
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let file = vectors::load("proxy-header");
    for entry in vectors::list(&file, "refused") {
        let (found, _) = read(&bytes_of(entry), 0).await;
        let error = found.unwrap_err();
        assert!(error.contains(vectors::text(entry, "error")), "{entry}: {error}");
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
