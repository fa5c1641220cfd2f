//! What an account's amounts are counted in.

use std::fmt;
use std::sync::Arc;

/// The largest scale that is accepted: 10^-38 of a unit. Beyond it not even one unit would fit an amount.
pub const MAX_ASSET_SCALE: u8 = 38;

/// An asset and the scale in which one account counts it: amount 1 means `10^-scale` of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asset {
    /// Asset code, such as `USD`. Two accounts hold the same asset when their codes are equal.
    pub code: Arc<str>,
    /// Decimal places of the unit, 0 to [`MAX_ASSET_SCALE`].
    pub scale: u8,
}

/// Characters of the longest asset code.
const ASSET_CODE_MAX: usize = 32;

/// Why accounts cannot be counted in an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// No code.
    #[error("the asset code is empty")]
    Empty,
    /// A code of more than 32 characters.
    #[error("the asset code is too long")]
    TooLong,
    /// A character that no code has.
    #[error("the asset code is not made of letters, digits, '_', '-' and '.'")]
    NotACode,
    /// Beyond [`MAX_ASSET_SCALE`].
    #[error("the asset scale {0} is above {MAX_ASSET_SCALE}")]
    Scale(u8),
}

/// Checks an asset code, whether a file or a peer says it.
///
/// # Errors
/// [`AssetError`] with the rule that it breaks.
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
    /// An asset that a peer tells, checked by the rules of the configuration.
    ///
    /// # Errors
    /// [`AssetError`] with the rule that it breaks.
    pub fn checked(code: &str, scale: u8) -> Result<Self, AssetError> {
        check_asset_code(code)?;
        if scale > MAX_ASSET_SCALE {
            return Err(AssetError::Scale(scale));
        }
        Ok(Asset::new(code, scale))
    }

    /// An asset by its code and scale.
    pub fn new(code: &str, scale: u8) -> Self {
        Asset { code: code.into(), scale }
    }
}

impl Default for Asset {
    /// `USD` with nine decimal places.
    fn default() -> Self {
        Asset::new("USD", 9)
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
    fn assets_of_others_are_checked() {
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
}
