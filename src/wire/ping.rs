//! Packets of the two ping conventions. Neither is an RFC: ilp-connector (JavaScript) and
//! interledger-rs answer echo requests, Java's connector the known condition.
//!
//! - Echo: a Prepare to the node's own address, with the prefix, `00` and a return address as data.
//!   The node sends a Prepare with the same condition to that address, with the prefix and `01` as data.
//! - Known condition: a Prepare with [`Condition::PING`](super::Condition::PING) is fulfilled with
//!   [`Fulfillment::PING`](super::Fulfillment::PING).

use oer_codec::{Reader, put_u8, put_var_octet_string};

use super::error::{address, encoding};
use super::{AddressRef, Error};

/// The first bytes of echo data.
pub const ECHO_PREFIX: &[u8; 16] = b"ECHOECHOECHOECHO";
/// The whole data of the Prepare that answers an echo request.
pub const ECHO_RESPONSE: &[u8; 17] = b"ECHOECHOECHOECHO\x01";

const REQUEST: u8 = 0;

/// The data of an echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoRequest<'a> {
    /// The destination of the answering Prepare, chosen by the requester.
    pub return_address: AddressRef<'a>,
}

impl<'a> EchoRequest<'a> {
    /// Reads the data of a Prepare; `None` if it does not begin with the prefix (F06).
    ///
    /// # Errors
    /// [`Error`] if it is not a valid request (F01): another type, such as a stray answer, or no valid return address.
    pub fn parse(data: &'a [u8]) -> Result<Option<Self>, Error> {
        let Some(rest) = data.strip_prefix(ECHO_PREFIX) else {
            return Ok(None);
        };
        let mut rest = Reader::new(rest);
        let found = rest.u8().map_err(encoding("echo data: type"))?;
        if found != REQUEST {
            return Err(Error::Type { place: "echo data: type", found, expected: "0 (request)" });
        }
        let text = rest.var_octet_string().map_err(encoding("echo data: return address"))?;
        let return_address =
            AddressRef::parse(text).map_err(address("echo data: return address"))?;
        Ok(Some(Self { return_address }))
    }

    /// Appends the data of the request.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(ECHO_PREFIX);
        put_u8(REQUEST, out);
        put_var_octet_string(self.return_address.as_bytes(), out);
    }
}

/// Whether this data is the answer to an echo request. Bytes after it are ignored.
#[must_use]
pub fn is_echo_response(data: &[u8]) -> bool {
    data.starts_with(ECHO_RESPONSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Condition, Fulfillment, vectors};

    #[test]
    fn vectors_of_ping() {
        let mut echoes = 0;
        for case in vectors::list(&vectors::load("ping"), "cases") {
            let data = vectors::bytes(case, "data_hex");
            let parsed = EchoRequest::parse(&data);
            match vectors::text(case, "expect").split_once(' ') {
                Some(("pong", rest)) => {
                    let request = parsed.unwrap().expect("an echo request");
                    assert_eq!(rest.strip_prefix("to "), Some(request.return_address.as_str()));
                    assert_eq!(vectors::written(|out| request.encode(out)), data);
                    vectors::refuse_truncations(&data, |cut| {
                        // Before the end of the prefix it is the data of another packet.
                        cut.starts_with(ECHO_PREFIX) && EchoRequest::parse(cut).is_ok()
                    });
                    echoes += 1;
                }
                Some(("only", _)) => {
                    assert!(is_echo_response(&data) && parsed.is_err(), "{case}");
                    assert_eq!(data, ECHO_RESPONSE);
                }
                None => assert!(parsed.is_err() && !is_echo_response(&data), "{case}"),
                Some(("F06", _)) => assert_eq!(parsed, Ok(None), "{case}"),
                Some(("Fulfill", _)) => {
                    let fulfillment = Fulfillment(vectors::array(case, "fulfillment_hex"));
                    assert_eq!(fulfillment, Fulfillment::PING);
                    assert_eq!(Condition(vectors::array(case, "condition_hex")), Condition::PING);
                    assert_eq!(parsed, Ok(None), "{case}");
                }
                Some(other) => panic!("unknown expectation {other:?}"),
            }
        }
        assert_eq!(echoes, 1);
    }

    #[test]
    fn errors_say_what_is_wrong() {
        fn check(data: &[u8], message: &str) {
            assert_eq!(EchoRequest::parse(data).unwrap_err().to_string(), message);
        }
        check(ECHO_PREFIX, "echo data: type needs 1 bytes, 0 left");
        check(ECHO_RESPONSE, "echo data: type is 1, expected 0 (request)");
        check(b"ECHOECHOECHOECHO\x00\x05abc", "echo data: return address claims 5 bytes, 3 left");
        check(
            b"ECHOECHOECHOECHO\x00\x01g",
            "echo data: return address is only a scheme, \
             an address needs a segment after it, as in test.alice",
        );
    }
}
