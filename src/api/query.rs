//! The query of `/routes`. Strict: a misspelled parameter must not pass for none.

use crate::wire::Address;

/// Prefixes on a page, unless told otherwise.
const LIMIT_DEFAULT: usize = 1000;
/// Prefixes on a page, at most.
const LIMIT_MAX: usize = 10_000;

/// What is asked of `/routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RoutesQuery {
    /// A page of the table: up to `limit` prefixes behind `after`, from the first without it.
    Page { after: Option<String>, limit: usize },
    /// What happens to packets to one address.
    Destination(Address),
}

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("unknown parameter {0:?}; known are after, limit and destination")]
    Unknown(String),
    #[error("parameter {0} is given twice")]
    Twice(&'static str),
    #[error("limit {0:?} is not a number from 1 to {LIMIT_MAX}")]
    Limit(String),
    #[error("destination {text:?} is no ILP address: {why}")]
    Destination { text: String, why: crate::wire::AddressError },
    #[error("destination stands alone: without after and limit")]
    NotAlone,
}

impl RoutesQuery {
    /// Reads what stands behind the `?`.
    pub(super) fn parse(query: &str) -> Result<Self, QueryError> {
        let (mut after, mut limit, mut destination) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let (known, place) = match &*name {
                "after" => ("after", &mut after),
                "limit" => ("limit", &mut limit),
                "destination" => ("destination", &mut destination),
                _ => return Err(QueryError::Unknown(name.into_owned())),
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(QueryError::Twice(known));
            }
        }
        if let Some(text) = destination {
            if after.is_some() || limit.is_some() {
                return Err(QueryError::NotAlone);
            }
            return match text.parse() {
                Ok(address) => Ok(RoutesQuery::Destination(address)),
                Err(why) => Err(QueryError::Destination { text, why }),
            };
        }
        let limit = match limit {
            None => LIMIT_DEFAULT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=LIMIT_MAX) => limit,
                _ => return Err(QueryError::Limit(text)),
            },
        };
        Ok(RoutesQuery::Page { after, limit })
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
    fn what_is_wrong_is_said() {
        check("limit=0", Err("limit \"0\" is not a number from 1 to 10000"));
        check("limit=10001", Err("limit \"10001\" is not a number from 1 to 10000"));
        check("limit=-1", Err("limit \"-1\" is not a number from 1 to 10000"));
        check("limit", Err("limit \"\" is not a number from 1 to 10000"));
        check("dest=a", Err("unknown parameter \"dest\"; known are after, limit and destination"));
        check("limit=1&limit=2", Err("parameter limit is given twice"));
        check(
            "destination=test.a&limit=2",
            Err("destination stands alone: without after and limit"),
        );
        for address in ["", "nowhere.a", "test", "test..a", "test.%0a", "test.%ff"] {
            let error = RoutesQuery::parse(&format!("destination={address}")).unwrap_err();
            assert!(matches!(error, QueryError::Destination { .. }), "{error}");
            assert!(error.to_string().contains("is no ILP address: "), "{error}");
        }
    }
}
