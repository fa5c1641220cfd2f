//! The filter language of the page, of commands and of the API: `from=a code=F02,T01 dest^=test.c amount>=1000`.
//!
//! Terms are separated by spaces, and a packet must match all of them. Values are separated by commas, and one of them
//! must match. The page has a second implementation; both are tested with `tests/data/filters.json`.

use super::model::PacketBody;

/// Characters of a filter, at most.
pub const FILTER_CHARS_MAX: usize = 1_024;
/// Terms of a filter, at most.
pub const FILTER_TERMS_MAX: usize = 32;

/// Which packets a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketFilter(Vec<FilterTerm>);

/// Why a text is no filter. The message says where, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It has more than [`FILTER_CHARS_MAX`] characters or [`FILTER_TERMS_MAX`] terms.
    #[error(
        "the filter is too long: at most {FILTER_CHARS_MAX} characters and {FILTER_TERMS_MAX} terms"
    )]
    TooLong,
    /// A word without a field and an operator.
    #[error("term {number}: \"{word}\" is not a term; write for example code=F02 or amount>=1000")]
    NoTerm {
        /// From 1.
        number: usize,
        /// The word.
        word: String,
    },
    /// An unknown field.
    #[error(
        "term {number}: there is no field \"{field}\"; there are node, from, to, code, phase, lane, dest, kind, amount and latency"
    )]
    NoField {
        /// From 1.
        number: usize,
        /// The unknown name.
        field: String,
    },
    /// An operator that the field does not take.
    #[error("term {number}: {field} takes {allowed}, not {operator}")]
    Operator {
        /// From 1.
        number: usize,
        /// The field.
        field: &'static str,
        /// The operators that it takes.
        allowed: &'static str,
        /// The operator of the term.
        operator: &'static str,
    },
    /// A value is missing.
    #[error("term {number}: {field}{operator} needs a value")]
    NoValue {
        /// From 1.
        number: usize,
        /// The field.
        field: &'static str,
        /// The operator.
        operator: &'static str,
    },
    /// Several values for an order.
    #[error("term {number}: {field}{operator} takes one value")]
    SeveralValues {
        /// From 1.
        number: usize,
        /// The field.
        field: &'static str,
        /// The operator.
        operator: &'static str,
    },
    /// A value that is not a number.
    #[error("term {number}: \"{value}\" is no value of {field}; write {example}")]
    Value {
        /// From 1.
        number: usize,
        /// The value.
        value: String,
        /// The field.
        field: &'static str,
        /// What a value looks like.
        example: &'static str,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FilterTerm {
    field: Field,
    operator: Operator,
    values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    Texts(Vec<String>),
    Numbers(Vec<u128>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Node,
    From,
    To,
    Code,
    Phase,
    Lane,
    Destination,
    Kind,
    Amount,
    Latency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    StartsWith,
    Above,
    Below,
    AtLeast,
    AtMost,
}

const FIELDS: [(&str, Field); 10] = [
    ("node", Field::Node),
    ("from", Field::From),
    ("to", Field::To),
    ("code", Field::Code),
    ("phase", Field::Phase),
    ("lane", Field::Lane),
    ("dest", Field::Destination),
    ("kind", Field::Kind),
    ("amount", Field::Amount),
    ("latency", Field::Latency),
];

/// Those of two characters first, because some begin like others.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::IsNot),
    ("^=", Operator::StartsWith),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=", Operator::Is),
    (">", Operator::Above),
    ("<", Operator::Below),
];

/// Digits of an amount and of a latency, at most.
const AMOUNT_DIGITS_MAX: usize = 20;
const LATENCY_DIGITS_MAX: usize = 15;

impl Field {
    fn is_number(self) -> bool {
        matches!(self, Self::Amount | Self::Latency)
    }

    fn text_of(self, packet: &PacketBody) -> Option<&str> {
        match self {
            Self::Node => Some(&packet.node),
            Self::From => packet.from.as_deref(),
            Self::To => packet.to.as_deref(),
            Self::Code => packet.code.as_deref(),
            Self::Phase => Some(packet.phase.as_str()),
            Self::Lane => Some(packet.lane.as_str()),
            Self::Destination => packet.destination.as_deref(),
            Self::Kind => packet.reason.as_ref().map(|reason| reason.kind.as_str()),
            Self::Amount | Self::Latency => None,
        }
    }

    fn number_of(self, packet: &PacketBody) -> Option<u128> {
        match self {
            Self::Amount => packet.amount.as_ref()?.parse().ok(),
            Self::Latency => packet.latency_us.map(u128::from),
            _ => None,
        }
    }

    /// A latency in microseconds, or an amount.
    fn parse_number(self, value: &str) -> Option<u128> {
        let (digits, factor, digits_max) = if self == Self::Amount {
            (value, 1, AMOUNT_DIGITS_MAX)
        } else {
            let units = [("us", 1), ("ms", 1_000), ("s", 1_000_000)];
            let found = units
                .iter()
                .find_map(|(unit, factor)| Some((value.strip_suffix(unit)?, *factor)))?;
            (found.0, found.1, LATENCY_DIGITS_MAX)
        };
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_whole || digits.len() > digits_max {
            return None;
        }
        digits.parse::<u128>().ok()?.checked_mul(factor)
    }
}

impl PacketFilter {
    /// Reads a filter. An empty one matches every packet.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.chars().count() > FILTER_CHARS_MAX
            || text.split_whitespace().count() > FILTER_TERMS_MAX
        {
            return Err(FilterError::TooLong);
        }
        let words = text.split_whitespace().enumerate();
        words.map(|(index, word)| parse_term(index + 1, word)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a packet matches all terms.
    pub fn matches(&self, packet: &PacketBody) -> bool {
        self.0.iter().all(|term| term.matches(packet))
    }
}

fn parse_term(number: usize, word: &str) -> Result<FilterTerm, FilterError> {
    let no_term = || FilterError::NoTerm { number, word: word.to_owned() };
    let at = word.find(|c: char| !c.is_ascii_alphabetic()).filter(|at| *at > 0);
    let (name, rest) = word.split_at_checked(at.ok_or_else(no_term)?).ok_or_else(no_term)?;
    let operator = OPERATORS.iter().find_map(|(sign, operator)| {
        rest.strip_prefix(sign).map(|values| (*sign, *operator, values))
    });
    let (sign, operator, list) = operator.ok_or_else(no_term)?;
    let field = FIELDS.iter().find(|(known, _)| *known == name);
    let (name, field) =
        *field.ok_or_else(|| FilterError::NoField { number, field: name.to_owned() })?;
    let is_order = !matches!(operator, Operator::Is | Operator::IsNot | Operator::StartsWith);
    if is_order && !field.is_number() {
        let allowed = "=, != and ^=";
        return Err(FilterError::Operator { number, field: name, allowed, operator: sign });
    }
    if operator == Operator::StartsWith && field.is_number() {
        let allowed = "=, !=, <, <=, > and >=";
        return Err(FilterError::Operator { number, field: name, allowed, operator: sign });
    }
    let values: Vec<&str> = list.split(',').collect();
    if values.iter().any(|value| value.is_empty()) {
        return Err(FilterError::NoValue { number, field: name, operator: sign });
    }
    if is_order && values.len() > 1 {
        return Err(FilterError::SeveralValues { number, field: name, operator: sign });
    }
    if !field.is_number() {
        let values = Values::Texts(values.into_iter().map(str::to_owned).collect());
        return Ok(FilterTerm { field, operator, values });
    }
    let example = match field {
        Field::Latency => "a whole number with us, ms or s, such as 5ms",
        _ => "a whole number, such as 1000",
    };
    let numbers = values.into_iter().map(|value| {
        let wrong = || FilterError::Value { number, value: value.to_owned(), field: name, example };
        field.parse_number(value).ok_or_else(wrong)
    });
    let values = Values::Numbers(numbers.collect::<Result<_, _>>()?);
    Ok(FilterTerm { field, operator, values })
}

impl FilterTerm {
    /// A packet without the field matches only `!=`.
    fn matches(&self, packet: &PacketBody) -> bool {
        match &self.values {
            Values::Texts(wanted) => match (self.operator, self.field.text_of(packet)) {
                (Operator::IsNot, None) => true,
                (_, None) => false,
                (Operator::IsNot, Some(text)) => wanted.iter().all(|one| one != text),
                (Operator::StartsWith, Some(text)) => {
                    wanted.iter().any(|one| text.starts_with(one.as_str()))
                }
                (_, Some(text)) => wanted.iter().any(|one| one == text),
            },
            Values::Numbers(wanted) => {
                let Some(number) = self.field.number_of(packet) else {
                    return self.operator == Operator::IsNot;
                };
                match self.operator {
                    Operator::IsNot => !wanted.contains(&number),
                    Operator::Above => wanted.iter().all(|one| number > *one),
                    Operator::Below => wanted.iter().all(|one| number < *one),
                    Operator::AtLeast => wanted.iter().all(|one| number >= *one),
                    Operator::AtMost => wanted.iter().all(|one| number <= *one),
                    Operator::Is | Operator::StartsWith => wanted.contains(&number),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    /// What both implementations must agree on.
    #[derive(Deserialize)]
    struct Vectors {
        packets: BTreeMap<String, PacketBody>,
        matches: Vec<Matches>,
        mistakes: Vec<Mistake>,
    }

    #[derive(Deserialize)]
    struct Matches {
        filter: String,
        packets: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Mistake {
        filter: String,
        says: String,
    }

    #[test]
    fn filters_match_as_the_vectors_say() {
        let vectors: Vectors =
            serde_json::from_str(include_str!("../../tests/data/filters.json")).unwrap();
        for vector in &vectors.matches {
            let filter = PacketFilter::parse(&vector.filter).unwrap();
            let matching = vectors.packets.iter().filter(|(_, packet)| filter.matches(packet));
            let names: Vec<&String> = matching.map(|(name, _)| name).collect();
            let mut expected: Vec<&String> = vector.packets.iter().collect();
            expected.sort();
            assert_eq!(names, expected, "{}", vector.filter);
        }
        for vector in &vectors.mistakes {
            let error = PacketFilter::parse(&vector.filter).unwrap_err().to_string();
            assert!(error.contains(&vector.says), "{}: {error}", vector.filter);
        }
    }

    #[test]
    fn a_filter_has_a_bounded_length() {
        let long = "x".repeat(FILTER_CHARS_MAX + 1);
        assert_eq!(PacketFilter::parse(&long), Err(FilterError::TooLong));
        let many = "to=a ".repeat(FILTER_TERMS_MAX + 1);
        assert_eq!(PacketFilter::parse(&many), Err(FilterError::TooLong));
        assert!(PacketFilter::parse(&"to=a ".repeat(FILTER_TERMS_MAX)).is_ok());
    }
}
