//! The error codes of a BTP ERROR. An ILP Reject has others.

use std::fmt;

/// The code of a BTP ERROR: three 7-bit characters. Codes and names that RFC 23 does not list are
/// accepted, because implementations send them. [row 87]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BtpErrorCode(pub [u8; 3]);

impl BtpErrorCode {
    /// T00: the peer cannot be reached now; a later try may succeed.
    pub const UNREACHABLE: Self = Self(*b"T00");
    /// F00: the request is refused; do not send it again.
    pub const NOT_ACCEPTED: Self = Self(*b"F00");
    /// F01: a field is wrong.
    pub const INVALID_FIELDS: Self = Self(*b"F01");

    /// RFC 23 "Error Codes": the code has this name. `None` for a code that is not listed.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match &self.0 {
            b"T00" => Some("UnreachableError"),
            b"F00" => Some("NotAcceptedError"),
            b"F01" => Some("InvalidFieldsError"),
            b"F03" => Some("TransferNotFoundError"),
            b"F04" => Some("InvalidFulfillmentError"),
            b"F05" => Some("DuplicateIdError"),
            b"F06" => Some("AlreadyRolledBackError"),
            b"F07" => Some("AlreadyFulfilledError"),
            b"F08" => Some("InsufficientBalanceError"),
            _ => None,
        }
    }
}

/// `F00`; characters that do not print are escaped.
impl fmt::Display for BtpErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for BtpErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}
