//! The certificates that `pay` trusts at an SPSP endpoint: everywhere those of the system, and at a node of the
//! configuration the certificate of that node.

use std::path::PathBuf;

use crate::console::{Failure, error_chain};
use crate::http::HttpClient;
use crate::net::{HttpUrl, TlsTrust, is_loopback};

/// An HTTP server with TLS of the user's own configuration.
#[derive(Debug)]
pub(super) struct OwnServer {
    /// The host at which this machine dials it.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) trust: TlsTrust,
}

impl OwnServer {
    /// Whether a URL leads to this server. All names of this machine are the same: to answer at the port of the node,
    /// another program would need the key of its certificate.
    fn is_at(&self, url: &HttpUrl) -> bool {
        let host = url.host().to_string();
        let is_same = host.eq_ignore_ascii_case(&self.host)
            || host.trim_matches(['[', ']']) == self.host
            || (is_loopback(&host) && is_loopback(&self.host));
        url.is_tls() && url.port() == self.port && is_same
    }
}

/// The trust of one payment in the servers that it asks. A file of certificates is read for the server that it is for,
/// and only if that one is asked.
#[derive(Debug)]
pub(super) struct SpspClients {
    /// Of the command line, or of the configuration that the tool logs in with.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) own: Vec<OwnServer>,
}

impl SpspClients {
    /// A client for a URL; a redirect may lead from one to another.
    ///
    /// # Errors
    /// A file of certificates for this URL cannot be used.
    pub(super) fn of(&self, url: &HttpUrl) -> Result<HttpClient, Failure> {
        let own = self.own.iter().find(|server| server.is_at(url));
        let trust = own.map(|server| server.trust.clone()).unwrap_or_default();
        let ca_file = self.ca_file.clone().or(trust.ca_file);
        let client = HttpClient::new(TlsTrust { ca_file, ..trust });
        client.map_err(|error| Failure::Usage(error_chain(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_is_read_for_its_own_server_only() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("ca.pem");
        let server = |port: u16, ca_file: Option<&PathBuf>| {
            let trust = TlsTrust { ca_file: ca_file.cloned(), ..TlsTrust::default() };
            OwnServer { host: "127.0.0.1".to_owned(), port, trust }
        };
        let own = || vec![server(7770, Some(&missing)), server(7771, None)];
        let clients = SpspClients { ca_file: None, own: own() };
        let client_of = |clients: &SpspClients, url: &str| clients.of(&url.parse().unwrap());
        for url in ["https://shop.example/", "https://localhost:7771/", "http://127.0.0.1:7770/"] {
            assert!(client_of(&clients, url).is_ok(), "{url}");
        }
        let error = client_of(&clients, "https://localhost:7770/shop").unwrap_err();
        assert!(matches!(&error, Failure::Usage(why) if why.contains("ca.pem")), "{error:?}");
        // The one of the command line is for all servers.
        let clients = SpspClients { ca_file: Some(missing.clone()), own: vec![] };
        assert!(client_of(&clients, "https://shop.example/").is_err());
    }

    #[test]
    fn the_certificate_of_a_node_counts_at_that_node_only() {
        let check = |host: &str, url: &str, expected: bool| {
            let trust = TlsTrust::default();
            let server = OwnServer { host: host.to_owned(), port: 7770, trust };
            assert_eq!(server.is_at(&url.parse().unwrap()), expected, "{host} {url}");
        };
        check("127.0.0.1", "https://localhost:7770/shop", true);
        check("127.0.0.1", "https://127.0.0.1:7770/shop", true);
        check("::1", "https://[::1]:7770/", true);
        check("127.0.0.1", "https://localhost:7771/shop", false);
        check("127.0.0.1", "https://localhost/shop", false);
        check("127.0.0.1", "http://localhost:7770/shop", false);
        check("127.0.0.1", "https://shop.example:7770/shop", false);
        check("127.0.0.1", "https://localhost.example:7770/shop", false);
        check("10.0.0.5", "https://10.0.0.5:7770/shop", true);
        check("10.0.0.5", "https://localhost:7770/shop", false);
        check("shop", "https://Shop:7770/shop", true);
    }
}
