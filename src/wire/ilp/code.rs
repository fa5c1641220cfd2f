//! The error codes of a Reject (RFC 27 "Error Codes").

use std::fmt;

/// Three 7-bit characters. Codes that RFC 27 does not list are legal: judge them by their class,
/// pass them on unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub [u8; 3]);

/// What the sender can do, by the first letter of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// `F`: the same packet will fail again.
    Final,
    /// `T`: try again later.
    Temporary,
    /// `R`: try again with more money or more time.
    Relative,
}

macro_rules! codes {
    ($($code:ident $name:literal: $doc:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!($name, ": ", $doc)]
                pub const $code: Self = Self(three(stringify!($code)));
            )*

            /// Every code with a name, F, then T, then R.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// The name in RFC 27; `None` for a code that it does not list.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$code => Some($name),)*
                    _ => None,
                }
            }

            /// The code as text when it has a name: one of a known few, fit for a metric's label.
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
    /// The class by the first letter; `None` for a letter that RFC 27 does not know.
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

/// Only for the table above, at compile time: a name of any other length does not compile.
const fn three(text: &str) -> [u8; 3] {
    match text.as_bytes() {
        &[a, b, c] => [a, b, c],
        _ => [0; 3],
    }
}
