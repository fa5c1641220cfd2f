//! IL-DCP (RFC 31): a child asks its parent for its address and asset. The request is a Prepare to
//! `peer.config`, the response is the data of its Fulfill.

use oer_codec::{Reader, put_u8, put_var_octet_string};

use super::error::{address, encoding};
use super::ilp::{Fulfill, Prepare};
use super::{AddressRef, Error, Fulfillment, Timestamp};

/// The Prepare of a request. RFC 31 "Packet": its amount is 0, its condition the one of peer
/// protocols, and it has no data. [row 96]
#[must_use]
pub const fn request(expires_at: Timestamp) -> Prepare<'static> {
    Prepare::peer_request(AddressRef::PEER_CONFIG, &[], expires_at)
}

/// The parent's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IldcpResponse<'a> {
    /// The child's address.
    pub client_address: AddressRef<'a>,
    /// Decimal places of the link's amounts: one unit is 10^-scale.
    pub asset_scale: u8,
    /// The code of the link's asset, such as `USD`.
    pub asset_code: &'a str,
}

impl<'a> IldcpResponse<'a> {
    /// Reads the Fulfill that answers a request. A child accepts only a fulfillment of zeros and a
    /// valid address. [row 97]
    ///
    /// # Errors
    /// [`Error`] when the fulfillment is not 32 zero bytes or the data does not parse.
    pub fn from_fulfill(fulfill: &Fulfill<'a>) -> Result<Self, Error> {
        if fulfill.fulfillment != Fulfillment::ZERO {
            let place = "IL-DCP response: fulfillment";
            return Err(Error::Value { place, rule: "is not 32 zero bytes" });
        }
        Self::parse(fulfill.data)
    }

    /// Reads the data of the Fulfill. RFC 30 "Extensibility": bytes after the last field are ignored. [row 99]
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut data = Reader::new(data);
        let text = data.var_octet_string().map_err(encoding("IL-DCP response: clientAddress"))?;
        let client_address =
            AddressRef::parse(text).map_err(address("IL-DCP response: clientAddress"))?;
        let asset_scale = data.u8().map_err(encoding("IL-DCP response: assetScale"))?;
        let code = data.var_octet_string().map_err(encoding("IL-DCP response: assetCode"))?;
        let asset_code = std::str::from_utf8(code)
            .map_err(|_| Error::NotUtf8 { place: "IL-DCP response: assetCode" })?;
        Ok(Self { client_address, asset_scale, asset_code })
    }

    /// Appends the data of the Fulfill; its fulfillment is [`Fulfillment::ZERO`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_var_octet_string(self.client_address.as_bytes(), out);
        put_u8(self.asset_scale, out);
        put_var_octet_string(self.asset_code.as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ilp::{ErrorCode, Reject};
    use crate::wire::vectors::{self, Expect, written};

    /// A minute before the requests of the vectors expire.
    fn now() -> Timestamp {
        Timestamp::read17(b"20150616000000000").unwrap()
    }

    #[test]
    fn vectors_of_packets() {
        for entry in vectors::list(&vectors::load("ildcp"), "packets") {
            let bytes = vectors::bytes(entry, "hex");
            let accepted = match vectors::text(entry, "kind") {
                "request" => check_vector_of_request(&bytes),
                "response" => check_vector_of_response(entry, &bytes),
                "reject" => {
                    let reject = Reject::parse(&bytes).unwrap();
                    assert_eq!(reject.code, ErrorCode::F00, "{entry}");
                    assert_eq!(reject.triggered_by.unwrap().as_str(), "example.server");
                    true
                }
                other => panic!("unknown kind {other}"),
            };
            assert_eq!(accepted, vectors::expect(entry) == Expect::Accept, "{entry}");
        }
    }

    fn check_vector_of_request(bytes: &[u8]) -> bool {
        let prepare = Prepare::parse(bytes).unwrap();
        let accepted = prepare.destination == AddressRef::PEER_CONFIG
            && prepare.check_peer_request(now()).is_ok();
        if accepted {
            assert_eq!(written(|out| request(prepare.expires_at).encode(out)), bytes);
        }
        accepted
    }

    fn check_vector_of_response(entry: &serde_json::Value, bytes: &[u8]) -> bool {
        let fulfill = Fulfill::parse(bytes).unwrap();
        let Ok(response) = IldcpResponse::from_fulfill(&fulfill) else {
            return false;
        };
        let fields = &entry["fields"];
        assert_eq!(response.client_address.as_str(), vectors::text(fields, "clientAddress"));
        assert_eq!(fields["assetScale"], response.asset_scale, "{entry}");
        assert_eq!(response.asset_code, vectors::text(fields, "assetCode"), "{entry}");
        let again = written(|out| response.encode(out));
        assert!(fulfill.data.starts_with(&again), "{entry}");
        vectors::refuse_truncations(&again, |cut| IldcpResponse::parse(cut).is_ok());
        true
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(
            IldcpResponse::parse(b"\x08test.a.b\x09\x02\xff\xfe").unwrap_err().to_string(),
            "IL-DCP response: assetCode is not UTF-8"
        );
        let wrong = Fulfill { fulfillment: Fulfillment::PING, data: b"\x08test.a.b\x09\x03USD" };
        assert_eq!(
            IldcpResponse::from_fulfill(&wrong).unwrap_err().to_string(),
            "IL-DCP response: fulfillment is not 32 zero bytes"
        );
    }
}
