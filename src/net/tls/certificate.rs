//! The validity and the host names of a certificate.
//!
//! `webpki` has no accessor for the validity. But it checks it first and names it in its errors, so the certificate is
//! verified at the beginning and at the end of time.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::explain::format_date;

/// The first second of the year 10000: no certificate can be valid then.
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_800);
/// A certificate that expires within this time causes a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// The validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
}

/// The validity of a certificate; `None`: it cannot be parsed.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let error_at = |time: Duration| {
        let (time, usage) = (UnixTime::since_unix_epoch(time), KeyUsage::server_auth());
        certificate.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
    };
    let not_before = match error_at(Duration::ZERO)? {
        Error::CertNotValidYet { not_before, .. } => not_before,
        _ => UnixTime::since_unix_epoch(Duration::ZERO),
    };
    match error_at(END_OF_TIME)? {
        Error::CertExpired { not_after, .. } => Some(Validity { not_before, not_after }),
        _ => None,
    }
}

/// The first host name of a certificate. `None`: it has none, or only patterns and addresses.
pub(super) fn first_host(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    certificate.valid_dns_names().find(|name| !name.contains('*')).map(str::to_owned)
}

/// A warning if a certificate is outside of its validity or close to its end.
pub(super) fn validity_warning(validity: Validity, now: UnixTime) -> Option<String> {
    let Validity { not_before, not_after } = validity;
    if now.as_secs() < not_before.as_secs() {
        return Some(format!("the certificate is not valid before {}", format_date(not_before)));
    }
    if now.as_secs() > not_after.as_secs() {
        return Some(format!("the certificate expired on {}", format_date(not_after)));
    }
    let left = not_after.as_secs() - now.as_secs();
    let soon = left < EXPIRES_SOON.as_secs();
    soon.then(|| format!("the certificate expires on {}", format_date(not_after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(authority: bool) -> CertificateDer<'static> {
        let names = vec!["*.example".to_owned(), "a.example".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 2);
        params.not_after = rcgen::date_time_ymd(2030, 3, 4);
        if authority {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn validity_and_host_names_are_read() {
        for authority in [false, true] {
            let certificate = certificate(authority);
            let validity = validity(&certificate).unwrap();
            let dates = [validity.not_before, validity.not_after].map(format_date);
            assert_eq!(dates, ["2020-01-02T00:00:00.000Z", "2030-03-04T00:00:00.000Z"]);
            assert_eq!(first_host(&certificate).as_deref(), Some("a.example"));
        }
        assert_eq!(validity(&CertificateDer::from(vec![0x30, 0])), None);
    }

    #[test]
    fn warnings_before_within_and_after_the_validity() {
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let day = 24 * 3600;
        let validity = Validity { not_before: at(10 * day), not_after: at(100 * day) };
        let check = |now, expected: Option<&str>| {
            let warning = validity_warning(validity, at(now));
            let fits = match (&warning, expected) {
                (Some(warning), Some(expected)) => warning.contains(expected),
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "{now}: {warning:?}");
        };
        check(10 * day - 1, Some("not valid before 1970-01-11"));
        check(10 * day, None);
        check(86 * day, None);
        check(86 * day + 1, Some("expires on 1970-04-11"));
        check(100 * day, Some("expires on"));
        check(100 * day + 1, Some("expired on 1970-04-11"));
    }
}
