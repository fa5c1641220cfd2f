//! Headers of the PROXY protocol. Exactly a header is read, wherever it ends; what is cut short or wrong is no header;
//! and the address that was found is found again in a header of each version that says so.
#![no_main]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ilp_connector::internals::net::{
    ProxyHeaderError, RemoteAddress, begins_as_proxy_header, read_proxy_header,
};
use libfuzzer_sys::fuzz_target;

type Outcome = Result<Option<RemoteAddress>, ProxyHeaderError>;

/// What a connection with these bytes says, and how many of them were read.
fn read(bytes: &[u8]) -> (Outcome, usize) {
    let mut rest = bytes;
    let outcome = {
        let mut reading = pin!(read_proxy_header(&mut rest));
        match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => unreachable!("bytes in memory are there at once"),
        }
    };
    (outcome, bytes.len() - rest.len())
}

fuzz_target!(|input: &[u8]| {
    let (outcome, length) = read(input);
    let client = match outcome {
        Ok(client) => client,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let is_cut_short = matches!(error, ProxyHeaderError::Silent | ProxyHeaderError::Closed);
            // More bytes make a header only of what was cut short.
            let longer = [input, b"\r\n"].concat();
            assert!(is_cut_short || read(&longer).0.is_err());
            return;
        }
    };
    let header = &input[..length];
    assert!(begins_as_proxy_header(header));
    for end in 0..length {
        let is_cut_short =
            matches!(read(&header[..end]).0, Err(ProxyHeaderError::Silent | ProxyHeaderError::Closed));
        assert!(is_cut_short, "{end} of {length} bytes are a header or none");
    }
    let (again, read_again) = read(&[header, b"PROXY \r\n\r\n\0"].concat());
    assert_eq!((again.ok(), read_again), (Some(client), length));
    if let Some(client) = client {
        for header in headers_of(client) {
            let (found, length) = read(&header);
            assert_eq!((found.ok(), length), (Some(Some(client)), header.len()));
        }
    }
});

/// Both versions of a header with this client.
fn headers_of(client: RemoteAddress) -> [Vec<u8>; 2] {
    let client: SocketAddr = client.to_string().parse().expect("a header of TCP has a port");
    let port = client.port();
    let (family, addresses, binary_family) = match client.ip() {
        IpAddr::V4(ip) => ("TCP4", [ip.octets().to_vec(), vec![0; 4]].concat(), 0x11),
        IpAddr::V6(ip) => ("TCP6", [ip.octets().to_vec(), vec![0; 16]].concat(), 0x21),
    };
    let nobody = match client.ip() {
        IpAddr::V4(_) => "0.0.0.0".to_owned(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.to_string(),
    };
    let line = format!("PROXY {family} {} {nobody} {port} 0\r\n", client.ip());
    let rest = [addresses, port.to_be_bytes().to_vec(), vec![0; 2]].concat();
    let length = u16::try_from(rest.len()).expect("addresses are short").to_be_bytes();
    let fixed = [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x21, binary_family], &length].concat();
    [line.into_bytes(), [fixed, rest].concat()]
}
