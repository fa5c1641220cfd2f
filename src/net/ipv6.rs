//! Machines without IPv6.

use std::io;

use rustix::io::Errno;

/// Whether an error at an IPv6 address says that this machine has no IPv6.
pub fn is_without_ipv6(error: &io::Error) -> bool {
    let is_unsupported = error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    is_unsupported || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_ipv6_is_no_error() {
        let check = |error: Errno| is_without_ipv6(&error.into());
        assert!(check(Errno::AFNOSUPPORT) && check(Errno::ADDRNOTAVAIL));
        assert!(!check(Errno::MFILE) && !check(Errno::ACCESS) && !check(Errno::ADDRINUSE));
    }
}
