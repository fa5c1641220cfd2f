//! `peer.reconcile`: two neighbours compare their books. The Prepare has amount 0 and the books of the one that asks;
//! its Fulfill has those of the other. No RFC has it: a node that does not know it answers with a Reject.
//!
//! Version 1, in canonical OER: version (1 byte), flags (1 byte), the id of the books (octets), the run of the process,
//! the newest durable cut, and the newest cut of the other's books that the sender has seen (8 bytes each), asset code
//! (octets), asset scale (1 byte), eleven amounts, each a variable-length signed integer, and the most decimal places
//! of a settlement that the sender was credited for by its settlement engine (1 byte, 255: none). Bytes after them are
//! ignored, so that a later version can add fields.

use oer_codec::{Reader, put_u8, put_u64, put_var_octet_string};

use super::error::{check_len, encoding};
use super::ilp::{Fulfill, Prepare};
use super::{AddressRef, Error, Fulfillment, Timestamp};

/// The version of this format.
const VERSION: u8 = 1;
/// Bytes of the id of books.
pub const BOOKS_ID_MAX: usize = 64;
/// Bytes of an asset code.
const ASSET_CODE_MAX: usize = 255;
/// Bytes of an amount.
const AMOUNT_BYTES_MAX: usize = 16;
/// No amount is further from zero, so that some of them can be added.
pub const AMOUNT_MAX: i128 = 1 << 120;

/// The sender's engine has reported no settlement.
const NO_PLACES: u8 = 255;

/// The sender has had an unclean end, and has not yet found out what it lost: it will give way.
const RECOVERING: u8 = 1;
/// The sender's books survive its process.
const DURABLE: u8 = 2;

/// The request: the books of the node that asks are its data.
#[must_use]
pub const fn request(data: &[u8], expires_at: Timestamp) -> Prepare<'_> {
    Prepare::peer_request(AddressRef::PEER_RECONCILE, data, expires_at)
}

/// What one node's books say of the account that it shares with a neighbour. Amounts are in units of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerBooks<'a> {
    /// Identifies these books.
    pub books: &'a [u8],
    /// Identifies the process; random.
    pub run: u64,
    /// The newest durable cut; 0 without a store.
    pub cut: u64,
    /// The newest durable cut of the receiver's books that the sender has seen.
    pub seen_cut: u64,
    /// The sender has had an unclean end, and gives way to what the receiver has.
    pub is_recovering: bool,
    /// The books survive the process.
    pub is_durable: bool,
    /// The code of the asset.
    pub asset_code: &'a str,
    /// Decimal places of the amounts.
    pub asset_scale: u8,
    /// The amounts.
    pub amounts: PeerAmounts,
    /// The most decimal places of a settlement that the sender's engine has reported. `None`: it has reported none.
    pub credit_places: Option<u8>,
}

/// The amounts of [`PeerBooks`]. Cumulative, but for those that say what is in flight or uncertain now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerAmounts {
    /// The sender's Prepares that it accepts as fulfilled by the receiver, with what it conceded.
    pub asked: i128,
    /// The receiver's Prepares that the sender fulfilled, without what it wrote off.
    pub answered: i128,
    /// What the sender paid the receiver in settlements.
    pub paid: i128,
    /// What the sender was credited for settlements by the receiver.
    pub received: i128,
    /// Every other change of the balance; above zero: the receiver owes more.
    pub adjusted: i128,
    /// The sender's Prepares without an answer.
    pub in_flight_out: i128,
    /// The receiver's Prepares without an answer.
    pub in_flight_in: i128,
    /// What was in flight to the receiver at a crash of the sender.
    pub uncertain: i128,
    /// The sender's Prepares whose outcome it never learnt: expired, or without a valid answer.
    pub unanswered: i128,
    /// The part of `asked` that the sender conceded.
    pub conceded: i128,
    /// What the sender took off `answered`.
    pub written_off: i128,
}

/// The fields of [`PeerAmounts`] in their order on the wire, and whether one may be below zero.
macro_rules! amounts {
    ($($name:ident $place:literal $is_signed:literal),* $(,)?) => {
        impl PeerAmounts {
            fn read(data: &mut Reader<'_>) -> Result<Self, Error> {
                Ok(Self {
                    $($name: read_amount(data, concat!("peer.reconcile: ", $place), $is_signed)?,)*
                })
            }

            fn encode(&self, out: &mut Vec<u8>) {
                $(put_amount(self.$name, out);)*
            }
        }
    };
}

amounts! {
    asked "asked" true,
    answered "answered" true,
    paid "paid" true,
    received "received" true,
    adjusted "adjusted" true,
    in_flight_out "inFlightOut" false,
    in_flight_in "inFlightIn" false,
    uncertain "uncertain" false,
    unanswered "unanswered" false,
    conceded "conceded" true,
    written_off "writtenOff" true,
}

impl<'a> PeerBooks<'a> {
    /// Reads the request of a neighbour, which would be answered at `now`.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn from_prepare(prepare: &Prepare<'a>, now: Timestamp) -> Result<Self, Error> {
        prepare.check_peer_request(now)?;
        Self::parse(prepare.data)
    }

    /// Reads the Fulfill that answers a request.
    ///
    /// # Errors
    /// [`Error`] when the fulfillment is not 32 zero bytes or the data does not parse.
    pub fn from_fulfill(fulfill: &Fulfill<'a>) -> Result<Self, Error> {
        if fulfill.fulfillment != Fulfillment::ZERO {
            let place = "peer.reconcile: fulfillment";
            return Err(Error::Value { place, rule: "is not 32 zero bytes" });
        }
        Self::parse(fulfill.data)
    }

    /// Reads the data of either.
    ///
    /// # Errors
    /// [`Error`] with the field that is wrong.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut data = Reader::new(data);
        let place = "peer.reconcile: version";
        let found = data.u8().map_err(encoding(place))?;
        if found != VERSION {
            return Err(Error::Type { place, found, expected: "1" });
        }
        let flags = data.u8().map_err(encoding("peer.reconcile: flags"))?;
        let place = "peer.reconcile: booksId";
        let books = data.var_octet_string().map_err(encoding(place))?;
        let books = check_len(BOOKS_ID_MAX, books, place)?;
        let run = data.u64().map_err(encoding("peer.reconcile: run"))?;
        let cut = data.u64().map_err(encoding("peer.reconcile: cut"))?;
        let seen_cut = data.u64().map_err(encoding("peer.reconcile: seenCut"))?;
        let place = "peer.reconcile: assetCode";
        let code = data.var_octet_string().map_err(encoding(place))?;
        let code = check_len(ASSET_CODE_MAX, code, place)?;
        let asset_code = std::str::from_utf8(code).map_err(|_| Error::NotUtf8 { place })?;
        let asset_scale = data.u8().map_err(encoding("peer.reconcile: assetScale"))?;
        let amounts = PeerAmounts::read(&mut data)?;
        let credit_places = data.u8().map_err(encoding("peer.reconcile: creditPlaces"))?;
        Ok(Self {
            books,
            run,
            cut,
            seen_cut,
            is_recovering: flags & RECOVERING != 0,
            is_durable: flags & DURABLE != 0,
            asset_code,
            asset_scale,
            amounts,
            credit_places: (credit_places != NO_PLACES).then_some(credit_places),
        })
    }

    /// Appends the data of the Prepare or of the Fulfill, whose fulfillment is [`Fulfillment::ZERO`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        put_u8(VERSION, out);
        put_u8(flag(self.is_recovering, RECOVERING) | flag(self.is_durable, DURABLE), out);
        put_var_octet_string(self.books, out);
        for number in [self.run, self.cut, self.seen_cut] {
            put_u64(number, out);
        }
        put_var_octet_string(self.asset_code.as_bytes(), out);
        put_u8(self.asset_scale, out);
        self.amounts.encode(out);
        put_u8(self.credit_places.unwrap_or(NO_PLACES), out);
    }
}

/// Reads a variable-length signed integer: RFC 30, two's complement in as few bytes as possible, after their number.
fn read_amount(data: &mut Reader<'_>, place: &'static str, is_signed: bool) -> Result<i128, Error> {
    let octets = data.var_octet_string().map_err(encoding(place))?;
    let octets = check_len(AMOUNT_BYTES_MAX, octets, place)?;
    let amount = match octets {
        [] => return Err(Error::Value { place, rule: "has no bytes" }),
        [0, next, ..] if *next < 0x80 => return Err(not_shortest(place)),
        [0xff, next, ..] if *next >= 0x80 => return Err(not_shortest(place)),
        [first, ..] => {
            let sign = if *first >= 0x80 { -1 } else { 0 };
            octets.iter().fold(sign, |value: i128, octet| (value << 8) | i128::from(*octet))
        }
    };
    if !(-AMOUNT_MAX..=AMOUNT_MAX).contains(&amount) {
        return Err(Error::Value { place, rule: "is beyond 2^120" });
    }
    match amount < 0 && !is_signed {
        true => Err(Error::Value { place, rule: "is below zero" }),
        false => Ok(amount),
    }
}

fn not_shortest(place: &'static str) -> Error {
    Error::Value { place, rule: "is not in its shortest form" }
}

/// Appends the integer in as few bytes as possible. One beyond [`AMOUNT_MAX`], which no account can reach, becomes
/// that one.
fn put_amount(amount: i128, out: &mut Vec<u8>) {
    let bytes = amount.clamp(-AMOUNT_MAX, AMOUNT_MAX).to_be_bytes();
    let repeats_sign = |pair: &[u8]| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff]);
    let spare = bytes.windows(2).take_while(|pair| repeats_sign(pair)).count();
    put_var_octet_string(bytes.get(spare..).unwrap_or(&bytes), out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::vectors::{self, Expect, written};

    fn books() -> PeerBooks<'static> {
        PeerBooks {
            books: b"0123456789abcdef",
            run: 7,
            cut: 900,
            seen_cut: 17,
            is_recovering: false,
            is_durable: true,
            asset_code: "USD",
            asset_scale: 9,
            amounts: PeerAmounts { asked: 1_000, answered: 128, ..PeerAmounts::default() },
            credit_places: None,
        }
    }

    fn amounts() -> impl Strategy<Value = PeerAmounts> {
        let signed = prop_oneof![-300..300_i128, -AMOUNT_MAX..=AMOUNT_MAX];
        let unsigned = prop_oneof![0..300_i128, 0..=AMOUNT_MAX];
        (proptest::array::uniform7(signed), proptest::array::uniform4(unsigned)).prop_map(
            |([asked, answered, paid, received, adjusted, conceded, written_off], unsigned)| {
                let [in_flight_out, in_flight_in, uncertain, unanswered] = unsigned;
                PeerAmounts {
                    asked,
                    answered,
                    paid,
                    received,
                    adjusted,
                    in_flight_out,
                    in_flight_in,
                    uncertain,
                    unanswered,
                    conceded,
                    written_off,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            amounts in amounts(),
            id in proptest::collection::vec(any::<u8>(), 0..=BOOKS_ID_MAX),
            numbers in any::<[u64; 3]>(),
            (is_recovering, is_durable) in any::<(bool, bool)>(),
            code in "[A-Z€]{0,20}",
            asset_scale in any::<u8>(),
            credit_places in proptest::option::of(0..NO_PLACES),
            more in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let [run, cut, seen_cut] = numbers;
            let written_books = PeerBooks {
                books: &id, run, cut, seen_cut, is_recovering, is_durable,
                asset_code: &code, asset_scale, amounts, credit_places,
            };
            let mut bytes = written(|out| written_books.encode(out));
            vectors::refuse_truncations(&bytes, |cut| PeerBooks::parse(cut).is_ok());
            bytes.extend(more);
            prop_assert_eq!(PeerBooks::parse(&bytes), Ok(written_books));
        }

        #[test]
        fn what_is_read_has_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..18)) {
            let mut encoded = written(|out| put_var_octet_string(&bytes, out));
            let read = read_amount(&mut Reader::new(&encoded), "amount", true);
            if let Ok(amount) = read {
                encoded.clear();
                put_amount(amount, &mut encoded);
                prop_assert_eq!(encoded, written(|out| put_var_octet_string(&bytes, out)));
            }
        }
    }

    #[test]
    fn vectors_of_reconciliation() {
        let file = vectors::load("reconcile");
        for entry in vectors::list(&file, "amounts") {
            let bytes = vectors::bytes(entry, "hex");
            let read = read_amount(&mut Reader::new(&bytes), "amount", true);
            match vectors::expect(entry) {
                Expect::Accept => {
                    let value: i128 = vectors::text(entry, "value").parse().unwrap();
                    assert_eq!(read, Ok(value), "{entry}");
                    assert_eq!(written(|out| put_amount(value, out)), bytes, "{entry}");
                }
                _ => assert!(read.is_err(), "{entry}"),
            }
        }
        for entry in vectors::list(&file, "messages") {
            let bytes = vectors::bytes(entry, "hex");
            let read = PeerBooks::parse(&bytes);
            if vectors::expect(entry) == Expect::Reject {
                assert_eq!(read.unwrap_err().to_string(), vectors::text(entry, "error"));
                continue;
            }
            let read = read.unwrap();
            let again = written(|out| read.encode(out));
            assert_eq!(again, vectors::canonical(entry, &bytes), "{entry}");
            vectors::refuse_truncations(&again, |cut| PeerBooks::parse(cut).is_ok());
            assert_eq!(format!("{read:?}"), vectors::text(entry, "reads_as"));
        }
    }

    #[test]
    fn a_fulfillment_other_than_zeros_is_refused() {
        let data = written(|out| books().encode(out));
        let fulfill = Fulfill { fulfillment: Fulfillment::ZERO, data: &data };
        assert_eq!(PeerBooks::from_fulfill(&fulfill), Ok(books()));
        let wrong = Fulfill { fulfillment: Fulfillment::PING, ..fulfill };
        assert_eq!(
            PeerBooks::from_fulfill(&wrong).unwrap_err().to_string(),
            "peer.reconcile: fulfillment is not 32 zero bytes"
        );
    }

    #[test]
    fn a_request_is_one_between_neighbours() {
        let data = written(|out| books().encode(out));
        let (now, later) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let prepare = request(&data, later);
        assert_eq!(prepare.destination.as_str(), "peer.reconcile");
        assert_eq!(PeerBooks::from_prepare(&prepare, now), Ok(books()));
        assert!(PeerBooks::from_prepare(&prepare, later).is_err(), "it has expired");
    }
}
