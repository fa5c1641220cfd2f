//! The asset and scale in which an account counts its amounts.

use std::fmt;
use std::sync::Arc;

/// The largest asset scale.
pub const MAX_ASSET_SCALE: u8 = 38;

/// An asset and its scale: amount 1 is `10^-scale` of a unit (RFC 34 "Amounts").
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asset {
    /// The asset code, such as `USD`. Equal codes are the same asset.
    pub code: Arc<str>,
    /// Decimal places of the unit, 0 to 38.
    pub scale: u8,
}

/// The longest asset code, in characters.
const ASSET_CODE_MAX: usize = 32;

/// Why an asset is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// The code is empty.
    #[error("the asset code is empty")]
    Empty,
    /// The code has more than 32 characters.
    #[error("the asset code is too long")]
    TooLong,
    /// The code has a character that is not allowed.
    #[error("the asset code is not made of letters, digits, '_', '-' and '.'")]
    NotACode,
    /// The scale is above [`MAX_ASSET_SCALE`].
    #[error("the asset scale {0} is above {MAX_ASSET_SCALE}")]
    Scale(u8),
}

/// Checks an asset code from the configuration or from a peer.
///
/// # Errors
/// `AssetError` with the rule that it breaks.
pub fn check_asset_code(code: &str) -> Result<(), AssetError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match code {
        "" => Err(AssetError::Empty),
        _ if code.len() > ASSET_CODE_MAX => Err(AssetError::TooLong),
        _ if !code.chars().all(allowed) => Err(AssetError::NotACode),
        _ => Ok(()),
    }
}

impl Asset {
    /// An asset from a peer, checked by the rules of the configuration.
    ///
    /// # Errors
    /// `AssetError` with the rule that it breaks.
    pub fn checked(code: &str, scale: u8) -> Result<Self, AssetError> {
        check_asset_code(code)?;
        if scale > MAX_ASSET_SCALE {
            return Err(AssetError::Scale(scale));
        }
        Ok(Self::new(code, scale))
    }

    /// An asset that needs no check.
    #[must_use]
    pub fn new(code: &str, scale: u8) -> Self {
        Self { code: code.into(), scale }
    }
}

impl Default for Asset {
    /// `USD` with nine decimal places.
    fn default() -> Self {
        Self::new("USD", 9)
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.code, self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_from_peers_are_checked() {
        for (code, scale, expected) in [
            ("USD", 0, Ok(())),
            ("a_-.9", 38, Ok(())),
            ("X".repeat(32).as_str(), 9, Ok(())),
            ("", 9, Err(AssetError::Empty)),
            ("X".repeat(33).as_str(), 9, Err(AssetError::TooLong)),
            ("€", 9, Err(AssetError::NotACode)),
            ("US D", 9, Err(AssetError::NotACode)),
            ("USD\n", 9, Err(AssetError::NotACode)),
            ("USD", 39, Err(AssetError::Scale(39))),
            ("USD", 255, Err(AssetError::Scale(255))),
        ] {
            assert_eq!(Asset::checked(code, scale).map(drop), expected, "{code:?}/{scale}");
        }
    }

    #[test]
    fn an_asset_is_shown_with_its_scale() {
        assert_eq!(Asset::new("EUR", 2).to_string(), "EUR/2");
    }
}
