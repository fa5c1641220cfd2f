//! A network of IP addresses in the notation of CIDR.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses with the same first bits: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork {
    first: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpNetworkError {
    #[error("is no IP address and no network such as 10.0.0.0/8")]
    Malformed,
    #[error("has bits after the first {prefix_bits}; did you mean {network}?")]
    HostBits { prefix_bits: u8, network: IpNetwork },
}

impl IpNetwork {
    /// Whether the address is one of the network. An IPv4 address that is mapped to IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix_bits) == self.first
    }

    /// Whether it has all addresses of its family.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix_bits == 0
    }
}

/// The address with only its first bits.
fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    let prefix_bits = u32::from(prefix_bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix_bits.min(32)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix_bits.min(128)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let address: IpAddr = address.parse().map_err(|_| IpNetworkError::Malformed)?;
        let bits_max = bits_of(address);
        let prefix_bits = match bits {
            None => bits_max,
            Some(bits) => {
                let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
                let bits = is_number.then(|| bits.parse().ok()).flatten();
                bits.filter(|bits| *bits <= bits_max).ok_or(IpNetworkError::Malformed)?
            }
        };
        let network = Self { first: masked(address, prefix_bits), prefix_bits };
        if network.first != address {
            return Err(IpNetworkError::HostBits { prefix_bits, network });
        }
        Ok(network)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.prefix_bits < bits_of(self.first) {
            write!(f, "/{}", self.prefix_bits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_with_its_first_bits() {
        for (network, address, is_in) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.7/32", "192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1", "::1", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
        ] {
            let network: IpNetwork = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), is_in, "{network} {address}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["", "x", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "::/129", "/8"]
        {
            assert_eq!(text.parse::<IpNetwork>(), Err(IpNetworkError::Malformed), "{text}");
        }
        let error = "10.1.0.0/8".parse::<IpNetwork>().unwrap_err();
        assert_eq!(error.to_string(), "has bits after the first 8; did you mean 10.0.0.0/8?");
    }
}
