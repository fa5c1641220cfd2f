//! Amounts of settlement engines, exact at every scale.
//!
//! An engine names an amount and the scale of it, and both may differ from request to request.

#![deny(clippy::arithmetic_side_effects)]

use std::fmt;
use std::str::FromStr;

/// An amount as an engine writes it: `amount` times 10^-`scale` of the asset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity {
    /// Decimal digits, as they were received.
    amount: Box<str>,
    /// The scale of the amount.
    pub scale: u8,
}

/// Why a quantity cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The amount is not a whole number in decimal digits.
    #[error("the amount of a settlement is a whole number in decimal digits, as text")]
    NotANumber,
    /// The amount is more units of the account than the books can hold.
    #[error("the amount of the settlement is larger than the books can hold")]
    TooLarge,
}

impl Quantity {
    /// An amount in decimal digits, of any length: the caller bounds it.
    ///
    /// # Errors
    /// [`QuantityError::NotANumber`].
    pub fn new(amount: &str, scale: u8) -> Result<Self, QuantityError> {
        match !amount.is_empty() && amount.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(Self { amount: amount.into(), scale }),
            false => Err(QuantityError::NotANumber),
        }
    }

    /// Units of an account.
    pub fn of_units(units: u128, scale: u8) -> Self {
        Self { amount: units.to_string().into(), scale }
    }

    /// The digits of the amount.
    pub fn amount(&self) -> &str {
        &self.amount
    }

    /// The whole units of an account with this scale, together with what was left over before, and what is left over
    /// now.
    ///
    /// RFC 38 "Scale conversions": what makes no whole unit is kept, and counts with the next settlement. [row 135]
    ///
    /// # Errors
    /// [`QuantityError::TooLarge`]: the units are beyond an `i128`.
    pub fn to_units(
        &self,
        account_scale: u8,
        left_over: &Leftover,
    ) -> Result<(u128, Leftover), QuantityError> {
        let digits = self.amount.trim_start_matches('0');
        let (whole, fraction) = match self.scale.checked_sub(account_scale) {
            None | Some(0) => {
                let zeros = usize::from(account_scale.saturating_sub(self.scale));
                let whole = if digits.is_empty() { String::new() } else { digits.to_owned() };
                (whole + &"0".repeat(if digits.is_empty() { 0 } else { zeros }), String::new())
            }
            Some(places) => {
                let places = usize::from(places);
                let padded = format!("{digits:0>places$}");
                let (whole, fraction) = padded.split_at(padded.len().saturating_sub(places));
                (whole.to_owned(), fraction.to_owned())
            }
        };
        let whole: i128 = match &*whole {
            "" => 0,
            // An i128 has at most 39 digits.
            digits => digits.parse().map_err(|_| QuantityError::TooLarge)?,
        };
        let (carry, leftover) = left_over.add(&fraction);
        let units = whole.checked_add(carry.into()).ok_or(QuantityError::TooLarge)?;
        Ok((units.unsigned_abs(), leftover))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at scale {}", self.amount, self.scale)
    }
}

/// What settlements have left over below one unit of an account: the digits behind the point, without zeros at the end.
/// At most 255 of them, as many as the largest scale has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leftover {
    digits: Box<str>,
}

/// Not a fraction of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a decimal fraction below one")]
pub struct NotAFraction;

impl Leftover {
    /// Whether nothing is left over.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Adds a fraction, by its digits behind the point. Returns whether a whole unit came together.
    fn add(&self, fraction: &str) -> (bool, Self) {
        let places = self.digits.len().max(fraction.len());
        let digit = |digits: &str, place: usize| {
            let byte = digits.as_bytes().get(place).copied().unwrap_or(b'0');
            byte.saturating_sub(b'0')
        };
        let mut sum = Vec::with_capacity(places);
        let mut carry = 0;
        for place in (0..places).rev() {
            // At most 9 + 9 + 1.
            let digits = digit(&self.digits, place)
                .saturating_add(digit(fraction, place))
                .saturating_add(carry);
            carry = u8::from(digits >= 10);
            let digits = if carry == 1 { digits.saturating_sub(10) } else { digits };
            sum.push(char::from(digits.saturating_add(b'0')));
        }
        let sum: String = sum.into_iter().rev().collect();
        (carry == 1, Self { digits: sum.trim_end_matches('0').into() })
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_zero() {
            true => f.write_str("0"),
            false => write!(f, "0.{}", self.digits),
        }
    }
}

impl FromStr for Leftover {
    type Err = NotAFraction;

    fn from_str(text: &str) -> Result<Self, NotAFraction> {
        let digits = match text {
            "0" => "",
            text => {
                text.strip_prefix("0.").filter(|digits| !digits.is_empty()).ok_or(NotAFraction)?
            }
        };
        let is_fraction = digits.len() <= usize::from(u8::MAX)
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        match is_fraction {
            true => Ok(Self { digits: digits.trim_end_matches('0').into() }),
            false => Err(NotAFraction),
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(amount: &str, scale: u8, account_scale: u8, before: &str, expected: (u128, &str)) {
        let quantity = Quantity::new(amount, scale).unwrap();
        let (units, leftover) = quantity.to_units(account_scale, &before.parse().unwrap()).unwrap();
        assert_eq!((units, &*leftover.to_string()), expected, "{quantity} into {account_scale}");
        assert_eq!((quantity.amount(), quantity.scale), (amount, scale), "as the engine sent it");
    }

    #[test]
    fn quantities_are_converted_exactly_row_135() {
        // The first three are examples of RFC 38.
        check("905", 11, 9, "0", (9, "0.05"));
        check("8053", 12, 9, "0", (8, "0.053"));
        check("1", 6, 9, "0", (1_000, "0"));
        check("5", 11, 9, "0.95", (1, "0"));
        check("1", 18, 9, "0.999999999", (1, "0"));
        check("1", 255, 0, "0", (0, &format!("0.{}1", "0".repeat(254))));
        check("0", 0, 38, "0.5", (0, "0.5"));
        check("00007", 0, 0, "0", (7, "0"));
        check("123", 9, 9, "0.25", (123, "0.25"));
        check("1000000000000000000", 18, 0, "0", (1, "0"));
        check(&i128::MAX.to_string(), 9, 9, "0", (i128::MAX.unsigned_abs(), "0"));
        check(&format!("{}{}", "0".repeat(5_000), "9"), 2, 2, "0", (9, "0"));
        check(&format!("12{}", "0".repeat(255)), 255, 0, "0", (12, "0"));
    }

    #[test]
    fn what_no_account_can_hold_is_refused_and_never_cut_off() {
        for (amount, scale, account_scale, before) in [
            ((1_u128 << 127).to_string(), 9, 9, "0"),
            ("9".repeat(10_000), 0, 0, "0"),
            ("10".to_owned(), 0, 38, "0"),
            (format!("{}5", i128::MAX), 10, 9, "0.5"),
        ] {
            let quantity = Quantity::new(&amount, scale).unwrap();
            let refused = quantity.to_units(account_scale, &before.parse().unwrap());
            assert_eq!(refused, Err(QuantityError::TooLarge), "{quantity}");
        }
        for amount in ["", "-1", "+1", "1.0", "1e3", " 1", "0x1", "٣"] {
            assert_eq!(Quantity::new(amount, 0), Err(QuantityError::NotANumber), "{amount}");
        }
        for text in ["", "1", "0.", ".5", "0.5x", "-0.5", &format!("0.{}", "1".repeat(256))] {
            assert_eq!(text.parse::<Leftover>(), Err(NotAFraction), "{text}");
        }
    }

    proptest! {
        /// What was credited, and what is left over, add up to what was received, at any scales in any order.
        #[test]
        fn nothing_is_lost_between_scales_row_135(
            account_scale in 0..=12_u8,
            received in prop::collection::vec((0..10_000_000_u64, 0..=18_u8), 1..40),
        ) {
            const SCALE: u8 = 18;
            let (mut credited, mut leftover, mut sum) = (0_u128, Leftover::default(), 0_u128);
            for (amount, scale) in received {
                let quantity = Quantity::new(&amount.to_string(), scale).unwrap();
                let (units, left) = quantity.to_units(account_scale, &leftover).unwrap();
                prop_assert_eq!(left.to_string().parse::<Leftover>().unwrap(), left.clone());
                credited += units;
                leftover = left;
                sum += u128::from(amount) * 10_u128.pow(u32::from(SCALE - scale));
            }
            let unit = 10_u128.pow(u32::from(SCALE - account_scale));
            let places = usize::from(SCALE - account_scale);
            let digits = format!("{:0<places$}", leftover.digits);
            let left: u128 = if digits.is_empty() { 0 } else { digits.parse().unwrap() };
            prop_assert!(left < unit);
            prop_assert_eq!(credited * unit + left, sum);
        }
    }
}
