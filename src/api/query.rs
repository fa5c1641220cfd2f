//! The query of `/routes`. Unknown parameters are errors, so that a misspelled one is not ignored.

use crate::wire::Address;

/// Prefixes on a page without `limit`.
const LIMIT_DEFAULT: usize = 1000;
const LIMIT_MAX: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RoutesQuery {
    /// A page of the table: up to `limit` prefixes that follow `after`, or the first ones.
    Page { after: Option<String>, limit: usize },
    /// What happens to packets to one address.
    Destination(Address),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("unknown parameter {0:?}; known are after, limit and destination")]
    Unknown(String),
    #[error("parameter {0} is given twice")]
    Twice(&'static str),
    #[error("limit {0:?} is not a number from 1 to {LIMIT_MAX}")]
    Limit(String),
    #[error("destination {text:?} is not an ILP address: {error}")]
    Destination { text: String, error: crate::wire::AddressError },
    #[error("destination cannot be combined with after or limit")]
    NotAlone,
}

impl RoutesQuery {
    pub(super) fn parse(query: &str) -> Result<Self, QueryError> {
        let (mut after, mut limit, mut destination) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let (name, slot) = match &*name {
                "after" => ("after", &mut after),
                "limit" => ("limit", &mut limit),
                "destination" => ("destination", &mut destination),
                _ => return Err(QueryError::Unknown(name.into_owned())),
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(QueryError::Twice(name));
            }
        }
        if let Some(text) = destination {
            if after.is_some() || limit.is_some() {
                return Err(QueryError::NotAlone);
            }
            return match text.parse() {
                Ok(address) => Ok(Self::Destination(address)),
                Err(error) => Err(QueryError::Destination { text, error }),
            };
        }
        let limit = match limit {
            None => LIMIT_DEFAULT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=LIMIT_MAX) => limit,
                _ => return Err(QueryError::Limit(text)),
            },
        };
        Ok(Self::Page { after, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, limit: usize) -> RoutesQuery {
        RoutesQuery::Page { after: after.map(str::to_owned), limit }
    }

    fn check(query: &str, expected: Result<RoutesQuery, &str>) {
        let found = RoutesQuery::parse(query).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{query}");
    }

    #[test]
    fn queries() {
        check("", Ok(page(None, 1000)));
        check("limit=1", Ok(page(None, 1)));
        check("after=test.a&limit=10000", Ok(page(Some("test.a"), 10_000)));
        check("after=", Ok(page(Some(""), 1000)));
        let destination = RoutesQuery::Destination("test.a.b~c".parse().unwrap());
        check("destination=test.a.b~c", Ok(destination.clone()));
        check("destination=test%2Ea.b%7Ec", Ok(destination));
    }

    #[test]
    fn errors_name_the_parameter() {
        check("limit=0", Err("limit \"0\" is not a number from 1 to 10000"));
        check("limit=10001", Err("limit \"10001\" is not a number from 1 to 10000"));
        check("limit=-1", Err("limit \"-1\" is not a number from 1 to 10000"));
        check("limit", Err("limit \"\" is not a number from 1 to 10000"));
        check("dest=a", Err("unknown parameter \"dest\"; known are after, limit and destination"));
        check("limit=1&limit=2", Err("parameter limit is given twice"));
        check(
            "destination=test.a&limit=2",
            Err("destination cannot be combined with after or limit"),
        );
        for address in ["", "nowhere.a", "test", "test..a", "test.%0a", "test.%ff"] {
            let error = RoutesQuery::parse(&format!("destination={address}")).unwrap_err();
            assert!(matches!(error, QueryError::Destination { .. }), "{error}");
            assert!(error.to_string().contains("is not an ILP address: "), "{error}");
        }
    }
}
