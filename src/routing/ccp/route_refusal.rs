//! Why advertised routes are refused, and how many were.

/// Why an advertised route is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteRefusal {
    /// Its prefix, or a node of its path, is not an ILP address.
    BadAddress,
    /// It belongs to another network, or is a whole network (a default route of the peer).
    Network,
    /// It is this node's own address or lies below it.
    OwnAddress,
    /// It leads through this node.
    Loop,
    /// Its path has too many nodes, or too many characters.
    LongPath,
    /// Its prefix has too many segments.
    DeepPrefix,
    /// The configuration refuses it.
    NotAccepted,
    /// The peer has reached its limit of routes.
    TooMany,
}

impl RouteRefusal {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::BadAddress,
        Self::Network,
        Self::OwnAddress,
        Self::Loop,
        Self::LongPath,
        Self::DeepPrefix,
        Self::NotAccepted,
        Self::TooMany,
    ];

    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadAddress => "bad_address",
            Self::Network => "network",
            Self::OwnAddress => "own_address",
            Self::Loop => "loop",
            Self::LongPath => "long_path",
            Self::DeepPrefix => "deep_prefix",
            Self::NotAccepted => "not_accepted",
            Self::TooMany => "too_many",
        }
    }
}

/// Numbers of refused routes, in the order of [`RouteRefusal::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteRefusalCounts([u64; RouteRefusal::ALL.len()]);

impl RouteRefusalCounts {
    pub(super) fn count(&mut self, refusal: RouteRefusal) {
        for (known, counter) in RouteRefusal::ALL.iter().zip(&mut self.0) {
            *counter += u64::from(*known == refusal);
        }
    }

    /// Each reason with its number.
    pub fn iter(&self) -> impl Iterator<Item = (RouteRefusal, u64)> {
        RouteRefusal::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter() {
        let mut counts = RouteRefusalCounts::default();
        RouteRefusal::ALL.into_iter().for_each(|refusal| counts.count(refusal));
        assert!(counts.iter().all(|(_, number)| number == 1));
    }
}
