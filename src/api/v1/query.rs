//! Queries of `/api/v1`. Unknown parameters are errors, so that a misspelled one is not ignored.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::http::StatusCode;

use crate::web::ProblemDetails;

/// The parameters of one request, each at most once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads a query that may have the `known` parameters.
    pub(super) fn parse(
        query: Option<&str>,
        known: &[&'static str],
    ) -> Result<Self, ProblemDetails> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some(name) = known.iter().find(|known| **known == name) else {
                let known = match known {
                    [] => "there are none".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                return Err(mistake(format!("unknown parameter {name:?}; {known}")));
            };
            if found.iter().any(|(before, _)| before == name) {
                return Err(mistake(format!("parameter {name} is given twice")));
            }
            found.push((name, value.into_owned()));
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A number within `range`, or `default`.
    pub(super) fn number<T: FromStr + PartialOrd + Display>(
        &self,
        name: &str,
        range: RangeInclusive<T>,
        default: T,
    ) -> Result<T, ProblemDetails> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let (first, last) = (range.start(), range.end());
        let wrong = || mistake(format!("{name} {text:?} is not a number from {first} to {last}"));
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
    }
}

/// A request that cannot be answered as it is.
pub(super) fn mistake(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}

pub(super) fn not_found(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::NOT_FOUND, detail)
}
