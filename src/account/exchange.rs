//! Exact arithmetic of exchange rates, beside the packet path: cross rates, spreads, and sums at a rate.
//!
//! Whatever has to be cut is cut down, never up, so that no rounding makes a way there and back a gain.

use std::fmt;
use std::str::FromStr;

use num_bigint::BigUint;

use super::conversion::RateError;
use super::{Asset, Conversion, Rate};
use crate::wire::amount::lowest_terms;

/// Decimal places of a spread.
const SPREAD_PLACES: usize = 18;
/// 10^18: what the parts of a spread are parts of.
const SPREAD_WHOLE: u64 = 1_000_000_000_000_000_000;
/// Decimal places of a fraction: 10^38 is the largest power of ten in 128 bits.
const PLACES_MAX: u32 = 38;
/// The longest text of a quote, in bytes, and its largest exponent.
const QUOTE_LEN_MAX: usize = 64;
const EXPONENT_MAX: u32 = 38;

/// The share of each amount that the node keeps: from 0 to less than 1, a decimal of up to 18 places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spread(u64);

/// Why a text is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not from 0 to less than 1, or has more than {SPREAD_PLACES} places")]
pub struct SpreadError;

impl Spread {
    /// Nothing is kept.
    pub const NONE: Self = Self(0);

    /// What is left of [`SPREAD_WHOLE`].
    fn left(self) -> u64 {
        SPREAD_WHOLE.saturating_sub(self.0)
    }
}

impl FromStr for Spread {
    type Err = SpreadError;

    fn from_str(text: &str) -> Result<Self, SpreadError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_zero = !whole.is_empty() && whole.bytes().all(|byte| byte == b'0');
        let has_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let fraction = fraction.trim_end_matches('0');
        if !is_zero || !has_digits || fraction.len() > SPREAD_PLACES {
            return Err(SpreadError);
        }
        format!("{fraction:0<SPREAD_PLACES$}").parse().map(Self).map_err(|_| SpreadError)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, &BigUint::from(self.0), SPREAD_PLACES)
    }
}

impl Rate {
    /// A quote of a source: a decimal number, perhaps with an exponent. More digits than a rate holds are cut.
    ///
    /// # Errors
    /// [`RateError`]: it is no number, or too large or too small, or not above zero.
    pub fn from_quote(text: &str) -> Result<Self, RateError> {
        if text.len() > QUOTE_LEN_MAX {
            return Err(RateError::TooManyDigits);
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent),
            None => (text, "0"),
        };
        let (is_negative, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => (true, exponent),
            None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || !is_number(exponent) {
            return Err(RateError::NotADecimal);
        }
        let exponent = exponent.parse::<u32>().map_err(|_| RateError::TooManyDigits)?;
        if exponent > EXPONENT_MAX {
            return Err(RateError::TooManyDigits);
        }
        let digits = format!("{whole}{fraction}");
        let mut numerator =
            BigUint::parse_bytes(digits.as_bytes(), 10).ok_or(RateError::NotADecimal)?;
        if numerator == BigUint::ZERO {
            return Err(RateError::Zero);
        }
        let places = u32::try_from(fraction.len()).map_err(|_| RateError::TooManyDigits)?;
        let mut denominator = ten_to(places);
        match is_negative {
            true => denominator *= ten_to(exponent),
            false => numerator *= ten_to(exponent),
        }
        Self::cut(&numerator, &denominator).ok_or(RateError::TooManyDigits)
    }

    /// Units of one asset for one unit of another, of which the same source quotes `from` and `to` for one unit of its
    /// base. `None`: too large or too small for any amount.
    pub fn cross(from: Self, to: Self) -> Option<Self> {
        let numerator = BigUint::from(to.numerator) * from.denominator;
        Self::cut(&numerator, &(BigUint::from(to.denominator) * from.numerator))
    }

    /// One amount for each unit of another. `None`: too large or too small, or of nothing.
    pub fn ratio(amount: u128, of: u128) -> Option<Self> {
        if of == 0 {
            return None;
        }
        Self::cut(&BigUint::from(amount), &BigUint::from(of))
    }

    /// The rate after a spread. `None`: too small for any amount.
    #[must_use]
    pub fn less(self, spread: Spread) -> Option<Self> {
        if spread == Spread::NONE {
            return Some(self);
        }
        let numerator = BigUint::from(self.numerator) * spread.left();
        Self::cut(&numerator, &(BigUint::from(self.denominator) * SPREAD_WHOLE))
    }

    /// Whether it differs from another by more than this share of the other.
    pub fn differs_by_more(self, than: Self, share: Spread) -> bool {
        let here = BigUint::from(self.numerator) * than.denominator;
        let there = BigUint::from(than.numerator) * self.denominator;
        let difference = if here > there { here - &there } else { &there - here };
        difference * SPREAD_WHOLE > there * share.0
    }

    /// An amount at this rate, rounded down, or the nearest number that fits.
    pub fn of_sum(self, sum: i128) -> i128 {
        let exact = BigUint::from(sum.unsigned_abs()) * self.numerator / self.denominator;
        let size = i128::try_from(exact).unwrap_or(i128::MAX);
        if sum < 0 { size.saturating_neg() } else { size }
    }

    /// The same rate between the units of two accounts, which count in these scales.
    pub fn between_scales(self, from: u8, to: u8) -> Option<Self> {
        let numerator = BigUint::from(self.numerator) * ten_to(to.saturating_sub(from).into());
        let denominator = BigUint::from(self.denominator) * ten_to(from.saturating_sub(to).into());
        Self::cut(&numerator, &denominator)
    }

    /// The largest rate that is not above this fraction and that [`Conversion`] can hold: 18 digits or more.
    fn cut(numerator: &BigUint, denominator: &BigUint) -> Option<Self> {
        let shortfall = denominator.bits().saturating_sub(numerator.bits());
        // A bit is less than a third of a digit, so that this many places give 19 digits or a few more.
        let most = shortfall.saturating_mul(100) / 332 + 21;
        let most = u32::try_from(most).unwrap_or(PLACES_MAX).min(PLACES_MAX);
        (0..=most).rev().find_map(|places| {
            let one = 10_u128.checked_pow(places)?;
            let numerator = u128::try_from(numerator * one / denominator).ok()?;
            // The product of the fraction and an amount must fit 128 bits.
            let fits = numerator.checked_rem(one)? <= u64::MAX.into();
            let (numerator, denominator) = lowest_terms(numerator, one);
            (fits && numerator > 0).then_some(Self { numerator, denominator })
        })
    }
}

impl fmt::Display for Rate {
    /// All digits of it, as a decimal number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = BigUint::from(self.numerator) * ten_to(PLACES_MAX) / self.denominator;
        write_decimal(f, &digits, PLACES_MAX as usize)
    }
}

impl Conversion {
    /// The factor from amounts in `from` to amounts in `to` at a rate, less a spread. What does not fit is cut down.
    /// `None`: no amount can be converted.
    pub fn less(from: &Asset, to: &Asset, rate: Rate, spread: Spread) -> Option<Self> {
        let numerator = BigUint::from(rate.numerator) * spread.left();
        let denominator = BigUint::from(rate.denominator) * SPREAD_WHOLE;
        let numerator = numerator * ten_to(to.scale.saturating_sub(from.scale).into());
        let denominator = denominator * ten_to(from.scale.saturating_sub(to.scale).into());
        let Rate { numerator, denominator } = Rate::cut(&numerator, &denominator)?;
        Some(match numerator == denominator {
            true => Self::Identity,
            false => Self::Factor { numerator, denominator },
        })
    }
}

/// Whether an amount grows by a way there and back at these rates, each less its spread.
pub fn has_round_trip_gain(there: (Rate, Spread), back: (Rate, Spread)) -> bool {
    let (mut numerator, mut denominator) = (BigUint::from(1_u8), BigUint::from(1_u8));
    for (rate, spread) in [there, back] {
        numerator = numerator * rate.numerator * spread.left();
        denominator = denominator * rate.denominator * SPREAD_WHOLE;
    }
    numerator > denominator
}

fn ten_to(exponent: u32) -> BigUint {
    BigUint::from(10_u8).pow(exponent)
}

/// Writes a number of so many decimal places, without zeros at its end.
fn write_decimal(f: &mut fmt::Formatter<'_>, digits: &BigUint, places: usize) -> fmt::Result {
    let least = places.saturating_add(1);
    let text = format!("{:0>least$}", digits.to_string());
    let (whole, fraction) = text.split_at(text.len().saturating_sub(places));
    match fraction.trim_end_matches('0') {
        "" => f.pad(whole),
        fraction => f.pad(&format!("{whole}.{fraction}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::account::Converted;
    use crate::wire::Amount;

    fn rate(text: &str) -> Rate {
        Rate::from_quote(text).unwrap()
    }

    #[test]
    fn quotes_are_decimals_perhaps_with_an_exponent() {
        let check = |text: &str, shown: &str| assert_eq!(rate(text).to_string(), shown, "{text}");
        check("1.0842", "1.0842");
        check("007", "7");
        check("1.5E3", "1500");
        check("2.5e-7", "0.00000025");
        check("1e+2", "100");
        check("0.98765432109876543210987", "0.9876543210987654321");
        check("99999999999999999999.9", "99999999999999999999.9");
        for bad in ["", ".5", "5.", "-1", "+1", "1e", "e5", "1e-", "NaN", "0x10", "1,5", "1 "] {
            assert_eq!(Rate::from_quote(bad), Err(RateError::NotADecimal), "{bad}");
        }
        for zero in ["0", "0.000", "0e5"] {
            assert_eq!(Rate::from_quote(zero), Err(RateError::Zero), "{zero}");
        }
        check("1e38", &format!("1{}", "0".repeat(38)));
        check("1e-38", &format!("0.{}1", "0".repeat(37)));
        check("1e-25", "0.0000000000000000000000001");
        for far in ["1e39", "1e-39", "1e99999999999", &"1".repeat(65), "0.1e-38", "0.1e39"] {
            assert_eq!(Rate::from_quote(far), Err(RateError::TooManyDigits), "{far}");
        }
    }

    #[test]
    fn quotes_are_cut_if_they_are_long_and_refused_if_they_are_very_long() {
        let ones = |places| format!("1.{}", "1".repeat(places));
        assert_eq!(rate(&ones(QUOTE_LEN_MAX - 2)).to_string(), ones(20));
        for places in [QUOTE_LEN_MAX - 1, QUOTE_LEN_MAX, 10_000] {
            assert_eq!(Rate::from_quote(&ones(places)), Err(RateError::TooManyDigits), "{places}");
        }
        assert_eq!(rate("1.0000000000000000000000000001"), Rate::ONE);
    }

    #[test]
    fn a_ratio_needs_an_amount_of_something() {
        assert_eq!(Rate::ratio(3, 4), Some(rate("0.75")));
        assert_eq!(Rate::ratio(8, 2), Some(rate("4")));
        assert_eq!((Rate::ratio(3, 0), Rate::ratio(0, 3)), (None, None));
    }

    #[test]
    fn spreads_are_shares_below_one() {
        let check = |text: &str, shown: Option<&str>| {
            let read = text.parse::<Spread>().ok().map(|spread| spread.to_string());
            assert_eq!(read.as_deref(), shown, "{text}");
        };
        check("0", Some("0"));
        check("0.002", Some("0.002"));
        check("0.5000", Some("0.5"));
        check("0.000000000000000001", Some("0.000000000000000001"));
        for bad in
            ["1", "1.5", "-0.1", "", "0.", ".5", "0.0000000000000000001", "0,1", "5%", "1e-2"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn a_cross_rate_is_cut_down() {
        assert_eq!(Rate::cross(rate("3"), rate("1")).unwrap().to_string(), "0.3333333333333333333");
        assert_eq!(Rate::cross(rate("1.0842"), rate("1.0842")), Some(Rate::ONE));
        assert_eq!(Rate::cross(rate("1"), rate("160.25")), Some(rate("160.25")));
        let tiny = Rate::cross(rate("3e9"), rate("1e-9")).unwrap();
        assert_eq!(tiny.to_string(), "0.0000000000000000003333333333333333333");
    }

    #[test]
    fn a_spread_comes_off_the_exact_rate() {
        let (usd, eur) = (Asset::new("USD", 9), Asset::new("EUR", 6));
        let half_percent = "0.005".parse().unwrap();
        let conversion = Conversion::less(&usd, &eur, rate("0.92"), half_percent).unwrap();
        let converted = conversion.convert(Amount(1_000_000_000_000));
        assert_eq!(converted, Converted::Amount(Amount(915_400_000)));
        let back = Conversion::less(&eur, &usd, rate("1.25"), half_percent).unwrap();
        assert_eq!(back.convert(Amount(1_000_000)), Converted::Amount(Amount(1_243_750_000)));
        let same = Conversion::less(&usd, &usd, Rate::ONE, half_percent).unwrap();
        assert_eq!(same.convert(Amount(1_000)), Converted::Amount(Amount(995)));
        assert_eq!(
            Conversion::less(&usd, &usd, Rate::ONE, Spread::NONE),
            Some(Conversion::Identity)
        );
        assert_eq!(rate("0.92").less(half_percent), Some(rate("0.9154")));
    }

    #[test]
    fn jumps_are_shares_of_the_rate_before() {
        let step = "0.2".parse().unwrap();
        let check = |now: &str, before: &str, expected| {
            let differs = rate(now).differs_by_more(rate(before), step);
            assert_eq!(differs, expected, "{now} after {before}");
        };
        check("120", "100", false);
        check("120.000001", "100", true);
        check("80", "100", false);
        check("79.999999", "100", true);
        check("0.25", "0.25", false);
        check("0.3", "0.25", false);
        check("0.31", "0.25", true);
        check("0.2", "0.25", false);
        check("0.125", "0.25", true);
    }

    #[test]
    fn sums_beyond_amounts_have_a_value() {
        assert_eq!(rate("0.5").of_sum(7), 3);
        assert_eq!(rate("0.5").of_sum(-7), -3);
        assert_eq!(rate("2").of_sum(i128::MAX), i128::MAX);
        assert_eq!(rate("1.5").between_scales(9, 6).unwrap().of_sum(2_000_000), 3_000);
        assert_eq!(rate("1.5").between_scales(9, 6), Some(rate("0.0015")));
        assert_eq!(rate("1.5").between_scales(6, 9), Some(rate("1500")));
    }

    #[test]
    fn a_round_trip_gains_above_one_for_one() {
        let check = |there: (&str, &str), back: (&str, &str), expected| {
            let of = |(quote, spread): (&str, &str)| (rate(quote), spread.parse().unwrap());
            assert_eq!(has_round_trip_gain(of(there), of(back)), expected, "{there:?} {back:?}");
        };
        check(("2", "0"), ("0.5", "0"), false);
        check(("2", "0"), ("0.51", "0"), true);
        check(("3", "0"), ("0.5", "0"), true);
        check(("3", "0.3"), ("0.5", "0"), true);
        check(("3", "0.5"), ("0.5", "0"), false);
        check(("3", "0.2"), ("0.5", "0.2"), false);
    }

    fn quote() -> impl Strategy<Value = Rate> {
        (1_u64.., -18_i32..=18).prop_map(|(digits, exponent)| rate(&format!("{digits}e{exponent}")))
    }

    proptest! {
        #[test]
        fn no_pair_gains_by_a_round_trip(
            a in quote(), b in quote(), spread in 0_u64..SPREAD_WHOLE,
            amount in 1_u64.., scales in (0_u8..=38, 0_u8..=38),
        ) {
            let spread = Spread(spread);
            let (one, other) = (Asset::new("ONE", scales.0), Asset::new("TWO", scales.1));
            let (Some(there), Some(back)) = (Rate::cross(a, b), Rate::cross(b, a)) else {
                return Ok(());
            };
            prop_assert!(!has_round_trip_gain((there, spread), (back, Spread::NONE)));
            let there = Conversion::less(&one, &other, there, spread);
            let back = Conversion::less(&other, &one, back, Spread::NONE);
            let (Some(there), Some(back)) = (there, back) else { return Ok(()) };
            if let Converted::Amount(middle) = there.convert(Amount(amount))
                && let Converted::Amount(returned) = back.convert(middle)
            {
                prop_assert!(returned.0 <= amount, "{amount} became {}", returned.0);
            }
        }

        #[test]
        fn a_cut_loses_less_than_a_part_in_ten_to_the_eighteenth(a in quote(), b in quote()) {
            let Some(cross) = Rate::cross(a, b) else { return Ok(()) };
            let exact = BigUint::from(b.numerator) * a.denominator * cross.denominator;
            let cut = BigUint::from(cross.numerator) * b.denominator * a.numerator;
            prop_assert!(cut <= exact);
            // Below 10^-19, 38 places are fewer than 19 digits.
            if &exact * ten_to(19) >= BigUint::from(a.numerator) * b.denominator * cross.denominator {
                prop_assert!((&exact - cut) * SPREAD_WHOLE <= exact);
            }
        }
    }
}
