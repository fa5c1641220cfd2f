//! Converts amounts from one asset and scale to another: exactly, then rounded down.

#![deny(clippy::arithmetic_side_effects)]

use std::str::FromStr;

use super::Asset;
use crate::wire::Amount;
use crate::wire::amount::lowest_terms;

/// Digits that a rate may have before the point, and as many after it.
const RATE_DIGITS: usize = 18;

/// An exchange rate: units of one asset for one unit of another, an exact decimal above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub(super) numerator: u128,
    pub(super) denominator: u128,
}

/// Why a text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// The form is not `12.34`.
    #[error("a rate is a decimal number such as 0.9215, without sign or exponent")]
    NotADecimal,
    /// More than 18 digits on one side of the point.
    #[error("a rate has at most 18 digits before and 18 after the point")]
    TooManyDigits,
    /// The rate is zero.
    #[error("a rate must be above zero")]
    Zero,
}

impl Rate {
    /// One for one.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(RateError::NotADecimal);
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.len() > RATE_DIGITS || fraction.len() > RATE_DIGITS {
            return Err(RateError::TooManyDigits);
        }
        let numerator =
            format!("0{whole}{fraction}").parse().map_err(|_| RateError::TooManyDigits)?;
        if numerator == 0 {
            return Err(RateError::Zero);
        }
        let places = u32::try_from(fraction.len()).map_err(|_| RateError::TooManyDigits)?;
        let denominator = 10u128.checked_pow(places).ok_or(RateError::TooManyDigits)?;
        Ok(Self { numerator, denominator })
    }
}

/// The exact factor between two accounts, computed once for each configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Amounts stay as they are: same asset and scale, or a factor of 1.
    Identity,
    /// `floor(amount * numerator / denominator)`, in lowest terms.
    Factor {
        /// Numerator.
        numerator: u128,
        /// Denominator, above zero.
        denominator: u128,
    },
}

/// Why two assets cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The factor needs more digits than 128 bits hold.
    #[error(
        "the rate times the difference of scales needs too many digits; use fewer digits or closer scales"
    )]
    TooPrecise,
}

/// The result of converting an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Converted {
    /// The outgoing amount.
    Amount(Amount),
    /// The result would be above 2^64 - 1: F08.
    TooLarge {
        /// The largest incoming amount whose conversion fits.
        maximum: Amount,
    },
    /// An amount above zero would become zero: R01.
    RoundedToZero,
}

impl Conversion {
    /// The factor from amounts in `from` to amounts in `to`, at `rate` units of `to` for one unit of `from`.
    pub fn new(from: &Asset, to: &Asset, rate: Rate) -> Result<Self, ConversionError> {
        let ten_to =
            |exponent: u8| 10u128.checked_pow(exponent.into()).ok_or(ConversionError::TooPrecise);
        let up = ten_to(to.scale.saturating_sub(from.scale))?;
        let down = ten_to(from.scale.saturating_sub(to.scale))?;
        // Reduced crosswise before the multiplication, so that only a factor that is really too precise is refused.
        let (numerator, down) = lowest_terms(rate.numerator, down);
        let (up, denominator) = lowest_terms(up, rate.denominator);
        let numerator = numerator.checked_mul(up).ok_or(ConversionError::TooPrecise)?;
        let denominator = denominator.checked_mul(down).ok_or(ConversionError::TooPrecise)?;
        let (numerator, denominator) = lowest_terms(numerator, denominator);
        // `convert_floor` splits the factor into whole and fraction; the fraction's product must fit 128 bits.
        let fraction = numerator.checked_rem(denominator).ok_or(ConversionError::TooPrecise)?;
        if fraction.checked_mul(u64::MAX.into()).is_none() {
            return Err(ConversionError::TooPrecise);
        }
        if numerator == denominator {
            return Ok(Self::Identity);
        }
        Ok(Self::Factor { numerator, denominator })
    }

    /// Converts one amount and rounds down.
    pub fn convert(&self, amount: Amount) -> Converted {
        let Self::Factor { numerator, denominator } = *self else {
            return Converted::Amount(amount);
        };
        match Self::convert_floor(amount.0, numerator, denominator) {
            Some(0) if amount.0 > 0 => Converted::RoundedToZero,
            Some(converted) if planted!(RoundedUp) => {
                Converted::Amount(Amount(converted.saturating_add(1)))
            }
            Some(converted) => Converted::Amount(Amount(converted)),
            None => Converted::TooLarge { maximum: Self::largest_amount(numerator, denominator) },
        }
    }

    fn convert_floor(amount: u64, numerator: u128, denominator: u128) -> Option<u64> {
        let whole = numerator.checked_div(denominator)?.checked_mul(amount.into())?;
        let fraction = numerator.checked_rem(denominator)?.checked_mul(amount.into())?;
        u64::try_from(whole.checked_add(fraction.checked_div(denominator)?)?).ok()
    }

    /// The largest amount that still fits, found by bisection, because this case is rare.
    fn largest_amount(numerator: u128, denominator: u128) -> Amount {
        let (mut fits, mut too_large) = (0u64, u64::MAX);
        while too_large.saturating_sub(fits) > 1 {
            let middle = fits.midpoint(too_large);
            match Self::convert_floor(middle, numerator, denominator) {
                Some(_) => fits = middle,
                None => too_large = middle,
            }
        }
        Amount(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(amount: u64, from: u8, to: u8, rate: &str) -> Converted {
        let rate = rate.parse().unwrap();
        Conversion::new(&Asset::new("A", from), &Asset::new("B", to), rate)
            .unwrap()
            .convert(Amount(amount))
    }

    #[test]
    fn the_vectors_of_forwarding_json() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/forwarding.json")).unwrap();
        for case in vectors["amount"].as_array().unwrap() {
            let number = |key: &str| case[key].as_str().unwrap().parse::<u64>().unwrap();
            let scale = |key: &str| u8::try_from(case[key].as_u64().unwrap()).unwrap();
            let rate = case["rate"].as_str().unwrap();
            let got = convert(number("amount"), scale("from_scale"), scale("to_scale"), rate);
            let expected = match (case["out"].as_str(), number("amount")) {
                (None, _) => Converted::TooLarge { maximum: Amount(u64::MAX / 10) },
                (Some("0"), 1..) => Converted::RoundedToZero,
                (Some(out), _) => Converted::Amount(Amount(out.parse().unwrap())),
            };
            assert_eq!(got, expected, "{case}");
        }
    }

    #[test]
    fn conversions_are_exact_at_the_limits() {
        let check = |amount, from, to, rate, expected| {
            assert_eq!(
                convert(amount, from, to, rate),
                Converted::Amount(Amount(expected)),
                "{amount} {from}->{to} {rate}"
            );
        };
        check(u64::MAX, 9, 9, "1", u64::MAX);
        check(u64::MAX, 9, 9, "1.0", u64::MAX);
        check(u64::MAX, 18, 9, "1", 18_446_744_073);
        check(1_000_000, 6, 18, "0.000213", 213_000_000_000_000);
        check(3_000_000_000, 9, 9, "0.333333333333333333", 999_999_999);
    }

    #[test]
    fn rates_are_plain_decimals() {
        let check = |text: &str, expected| {
            assert_eq!(text.parse::<Rate>().map(|_| ()), expected, "{text:?}")
        };
        check("1", Ok(()));
        check("0.5", Ok(()));
        check("007.50", Ok(()));
        check("123456789012345678.123456789012345678", Ok(()));
        check("000123456789012345678.123456789012345678000", Ok(()));
        check("", Err(RateError::NotADecimal));
        check(".5", Err(RateError::NotADecimal));
        check("-1", Err(RateError::NotADecimal));
        check("1e3", Err(RateError::NotADecimal));
        check("0.000", Err(RateError::Zero));
        check("1234567890123456789", Err(RateError::TooManyDigits));
        check("0.1234567890123456789", Err(RateError::TooManyDigits));
    }

    #[test]
    fn a_factor_that_cannot_be_exact_is_refused() {
        let (a, b) = (Asset::new("A", 38), Asset::new("B", 0));
        let rate = "0.123456789012345678".parse().unwrap();
        assert_eq!(Conversion::new(&a, &b, rate), Err(ConversionError::TooPrecise));
        assert_eq!(
            Conversion::new(&b, &Asset::new("A", 39), Rate::ONE),
            Err(ConversionError::TooPrecise)
        );
    }
}
