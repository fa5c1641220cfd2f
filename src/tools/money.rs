//! Amounts as people write them: `1000` (units of an account), or `5 USD`, `0.001USD`. [`Money::to_units`] converts the
//! latter with the asset of the account, exactly or not at all.

use std::str::FromStr;

use crate::account::Asset;
use crate::console::{group_digits, sanitize};
use crate::wire::Amount;

/// The most digits of a number: more than any amount at a sensible scale has.
const DIGITS_MAX: usize = 38;

/// An amount of money on the command line, above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Money {
    /// Whole units of the account.
    Units(Amount),
    /// A number of an asset: its digits without the point, and how many of them stand after it.
    Asset { digits: u128, decimals: u32, code: String },
}

impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number_ends = text.find(|c: char| !c.is_ascii_digit() && !['.', '_'].contains(&c));
        let (number, code) = text.split_at(number_ends.unwrap_or(text.len()));
        let has_space = code.starts_with(char::is_whitespace);
        let code = code.trim();
        let invalid = || {
            format!(
                "an amount is a whole number of units from 1 to {}, or a number with its asset, such as \"5 USD\" or 0.001USD",
                u64::MAX
            )
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let (whole, part) = (whole.replace('_', ""), part.replace('_', ""));
        let part = part.trim_end_matches('0');
        if whole.is_empty() || part.contains('.') || number.ends_with('.') {
            return Err(invalid());
        }
        if code.is_empty() {
            if number.contains('.') {
                return Err(format!(
                    "{number} of what? Write it with its asset, such as \"{number} USD\", or as a whole number of units"
                ));
            }
            return match whole.parse() {
                Ok(units @ 1..) => Ok(Self::Units(Amount(units))),
                _ => Err(invalid()),
            };
        }
        if !has_space && is_number_notation(number, code)
            || code.starts_with([',', '+', '-', '\''])
            || whole.len() + part.len() > DIGITS_MAX
        {
            return Err(invalid());
        }
        let digits = format!("{whole}{part}").parse().map_err(|_| invalid())?;
        if digits == 0 {
            return Err("an amount must be above zero".to_owned());
        }
        let decimals = u32::try_from(part.len()).map_err(|_| invalid())?;
        Ok(Self::Asset { digits, decimals, code: code.to_owned() })
    }
}

/// Whether the text after a number is another notation, as in `1e3` and `0x10`, and not an asset. As an asset, an error
/// message would suggest another amount than the user meant.
fn is_number_notation(number: &str, code: &str) -> bool {
    let rest = code.get(1..).unwrap_or_default().trim_start_matches(['+', '-']);
    let digits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits
        && (code.starts_with(['e', 'E']) && rest.bytes().all(|byte| byte.is_ascii_digit())
            || number == "0" && code.starts_with(['x', 'X', 'o', 'O', 'b', 'B']))
}

impl Money {
    /// The amount in units of an account with this asset; `Err`: why the asset is unknown.
    ///
    /// # Errors
    /// Why it cannot be an amount of the account, and what to write.
    pub fn to_units(&self, asset: Result<&Asset, &str>) -> Result<Amount, String> {
        let (digits, decimals, code) = match self {
            Self::Units(units) => return Ok(*units),
            Self::Asset { digits, decimals, code } => (digits, decimals, code),
        };
        let asset = asset.map_err(|why| {
            format!(
                "the asset of the account is not known ({}), so write the amount as a whole number of units",
                sanitize(why)
            )
        })?;
        let (own, scale) = (sanitize(&asset.code), asset.scale);
        let written = format_scaled(*digits, *decimals);
        if *code != *asset.code {
            return Err(format!(
                "the account pays in {own} (scale {scale}), not in {}: write \"{written} {own}\" if you mean that",
                sanitize(code)
            ));
        }
        let Some(shift) = u32::from(scale).checked_sub(*decimals) else {
            return Err(format!(
                "{written} {own} is not a whole number of units: the account has {scale} decimals (its asset scale), so the \
                 least is {} {own}",
                format_scaled(1, scale.into())
            ));
        };
        let units = 10_u128.checked_pow(shift).and_then(|factor| digits.checked_mul(factor));
        let units = units.and_then(|units| u64::try_from(units).ok());
        units.map(Amount).ok_or_else(|| {
            format!(
                "{written} {own} is too much: at scale {scale} the most is {} {own}",
                format_scaled(u64::MAX.into(), scale.into())
            )
        })
    }
}

/// An amount as a decimal number: 1500 at scale 3 is `1.5`.
pub fn format_scaled(amount: u128, scale: u32) -> String {
    let scale = usize::try_from(scale).unwrap_or(usize::MAX);
    let digits = format!("{amount:0>width$}", width = scale.saturating_add(1));
    let (whole, part) = digits.split_at(digits.len() - scale);
    match part.trim_end_matches('0') {
        "" => group_digits(whole),
        part => format!("{}.{part}", group_digits(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, code: &str, scale: u8) -> Result<u64, String> {
        let money: Money = text.parse()?;
        money.to_units(Ok(&Asset::new(code, scale))).map(|amount| amount.0)
    }

    #[test]
    fn conversions_are_exact() {
        for (text, scale, expected) in [
            ("1000", 9, 1000),
            ("1_000", 9, 1000),
            ("5 USD", 9, 5_000_000_000),
            ("5USD", 9, 5_000_000_000),
            ("  5   USD ", 0, 5),
            ("0.001 USD", 9, 1_000_000),
            ("0.001USD", 3, 1),
            ("5.00 USD", 0, 5),
            ("1_000.5 USD", 2, 100_050),
            ("18446744073.709551615 USD", 9, u64::MAX),
            ("18446744073709551615 USD", 0, u64::MAX),
            ("0.1 USD", 1, 1),
        ] {
            assert_eq!(units(text, "USD", scale), Ok(expected), "{text} at scale {scale}");
        }
        // Codes are texts of the account; some begin with a digit.
        assert_eq!(units("5 1INCH", "1INCH", 1), Ok(50));
    }

    #[test]
    fn errors_say_what_to_write() {
        let most = "18446744073.709551616 USD";
        for (text, scale, expected) in [
            ("", 9, "whole number of units from 1 to"),
            ("0", 9, "whole number of units from 1 to"),
            ("18446744073709551616", 9, "whole number of units from 1 to"),
            ("-5 USD", 9, "such as \"5 USD\""),
            ("USD 5", 9, "such as \"5 USD\""),
            ("1,5 USD", 9, "such as \"5 USD\""),
            ("1.2.3 USD", 9, "such as \"5 USD\""),
            (".5 USD", 9, "such as \"5 USD\""),
            ("5. USD", 9, "such as \"5 USD\""),
            ("1e3", 9, "such as \"5 USD\""),
            ("1E+3", 9, "such as \"5 USD\""),
            ("0x10", 9, "such as \"5 USD\""),
            ("0b1", 9, "such as \"5 USD\""),
            ("5 e3", 9, "not in e3"),
            ("0 USD", 9, "above zero"),
            ("0.000 USD", 9, "above zero"),
            ("1.5", 9, "1.5 of what? Write it with its asset, such as \"1.5 USD\""),
            ("5 EUR", 9, "pays in USD (scale 9), not in EUR: write \"5 USD\""),
            ("5 usd", 9, "not in usd: write \"5 USD\""),
            ("0.001 USD", 2, "has 2 decimals (its asset scale), so the least is 0.01 USD"),
            ("0.5 USD", 0, "so the least is 1 USD"),
            (most, 9, "is too much: at scale 9 the most is 18,446,744,073.709551615 USD"),
            ("1 USD", 255, "is too much"),
        ] {
            let error = units(text, "USD", scale).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error:?}, not {expected:?}");
        }
        assert!(units(&format!("{} USD", "9".repeat(60)), "USD", 9).is_err());
    }

    #[test]
    fn units_need_no_asset_and_money_does() {
        let unknown = Err("F02 from \u{1b}[2J");
        assert_eq!("7".parse::<Money>().unwrap().to_units(unknown), Ok(Amount(7)));
        let error = "7 USD".parse::<Money>().unwrap().to_units(unknown).unwrap_err();
        assert!(error.contains("whole number of units") && error.contains("\\u{1b}"), "{error}");
    }

    #[test]
    fn amounts_as_people_read_them() {
        for (amount, scale, text) in [
            (0, 0, "0"),
            (1500, 3, "1.5"),
            (5, 9, "0.000000005"),
            (1_234_567_890, 2, "12,345,678.9"),
            (7, 0, "7"),
            (u64::MAX.into(), 255, &format!("0.{}{}", "0".repeat(235), u64::MAX)),
        ] {
            assert_eq!(format_scaled(amount, scale), text);
        }
    }
}
