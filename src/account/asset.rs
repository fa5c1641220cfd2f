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

impl Asset {
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
