//! The error codes of a Reject.

use std::fmt;

/// The code of a Reject: three 7-bit characters. RFC 27 "Error Codes": codes that are not listed
/// are handled by their class and passed on unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub [u8; 3]);

/// The first letter of a code: what the sender can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// `F`, final: the same packet will fail again.
    Final,
    /// `T`, temporary: try again later.
    Temporary,
    /// `R`, relative: try again with more money or more time.
    Relative,
}

macro_rules! codes {
    ($($code:ident $name:literal: $doc:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!($name, ": ", $doc)]
                pub const $code: Self = Self(code_bytes(stringify!($code)));
            )*

            /// Every code with a name: F, then T, then R.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// RFC 27 "Error Codes": each code has one name and meaning. [row 21] `None` for others.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$code => Some($name),)*
                    _ => None,
                }
            }

            /// The code as text if it has a name: a bounded set, fit for a metric's label.
            #[must_use]
            pub const fn known(self) -> Option<&'static str> {
                match self {
                    $(Self::$code => Some(stringify!($code)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    F00 "Bad Request": "generic.";
    F01 "Invalid Packet": "the packet does not parse.";
    F02 "Unreachable": "no route to the destination.";
    F03 "Invalid Amount": "the destination cannot represent the amount.";
    F04 "Insufficient Destination Amount": "less arrived than the receiver wants.";
    F05 "Wrong Condition": "the fulfillment does not match the condition.";
    F06 "Unexpected Payment": "the receiver does not know what it is for.";
    F07 "Cannot Receive": "the receiver will not take it.";
    F08 "Amount Too Large": "above a hop's maximum; data is [`AmountTooLarge`](super::AmountTooLarge).";
    F09 "Invalid Peer Response": "not in RFC 27; interledger-rs sends it for a wrong fulfillment.";
    F99 "Application Error": "the application's, see its data.";
    T00 "Internal Error": "something failed that should not.";
    T01 "Peer Unreachable": "the next hop is not connected.";
    T02 "Peer Busy": "the next hop refuses for load.";
    T03 "Connector Busy": "this hop is overloaded.";
    T04 "Insufficient Liquidity": "a balance or credit limit.";
    T05 "Rate Limited": "too many packets.";
    T99 "Application Error": "the application's, see its data.";
    R00 "Transfer Timed Out": "no answer before the expiry.";
    R01 "Insufficient Source Amount": "nothing would be left of the amount.";
    R02 "Insufficient Timeout": "expired, or too little time left.";
    R99 "Application Error": "the application's, see its data.";
}

impl ErrorCode {
    /// The class; `None` for a letter that RFC 27 does not define.
    #[must_use]
    pub const fn class(self) -> Option<ErrorClass> {
        match self.0 {
            [b'F', ..] => Some(ErrorClass::Final),
            [b'T', ..] => Some(ErrorClass::Temporary),
            [b'R', ..] => Some(ErrorClass::Relative),
            _ => None,
        }
    }
}

/// `F01`; characters that do not print are escaped.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Only for the table above.
const fn code_bytes(text: &str) -> [u8; 3] {
    match text.as_bytes() {
        &[a, b, c] => [a, b, c],
        _ => unreachable!(),
    }
}
