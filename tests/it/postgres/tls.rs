//! TLS to a database, by the words of `sslmode`.

use std::os::unix::fs::PermissionsExt as _;

use ilp_connector::internals::books::Cut;
use ilp_connector::wire::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{PostgresServer, TestDatabase, chain, try_open};
use crate::process::{path_text, temp_folder, write_file};

/// Opens and closes the books. The error is without its beginning.
fn open(url: &str) -> Result<(), String> {
    let place = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let (mut store, books) = try_open(&place, "b").map_err(|error| chain(&error))?;
    let (number, at) = (books.cut.next(), Timestamp::EPOCH);
    let last = Cut { number, at, ..Cut::default() };
    store.write_last(&last).map_err(|error| chain(&error))
}

/// Has the server use this certificate. It writes the files itself, so that they belong to its user.
fn use_certificate(database: &TestDatabase, certificate: &str, key: &str) {
    let directory = database.query("SHOW data_directory");
    for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
        database.query(&format!(
            "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO '{directory}/{name}'",
            pem.trim_end()
        ));
        let file = format!("{directory}/{name}");
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    database.query("ALTER SYSTEM SET ssl = on");
}

#[test]
fn each_sslmode_verifies_what_its_name_says() {
    let Some(server) = PostgresServer::start_own("TLS to a database") else { return };
    let database = TestDatabase::on(&server);
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let of_localhost = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = of_localhost.signed_by(&key, &issuer).unwrap().pem();
    let folder = temp_folder();
    let roots = write_file(&folder, "roots.pem", &authority_pem);
    let other_key = KeyPair::generate().unwrap();
    let other = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let other_roots = other.self_signed(&other_key).unwrap().pem();
    let other_roots = write_file(&folder, "other.pem", &other_roots);
    use_certificate(&database, &certificate, &key.serialize_pem());
    server.stop();
    server.start();
    let (roots, other_roots) = (path_text(&roots), path_text(&other_roots));
    let by_address = database.url();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    // Without `sslrootcert`, the system's authorities count: none has signed this certificate.
    for (url, parameters, mistake) in [
        (&by_address, "sslmode=disable".to_owned(), None),
        (&by_address, "sslmode=prefer".to_owned(), None),
        (&by_address, "sslmode=require".to_owned(), None),
        (&by_address, format!("sslmode=require&sslrootcert={roots}"), None),
        (&by_address, format!("sslmode=require&sslrootcert={other_roots}"), Some("certificate")),
        (&by_address, format!("sslmode=verify-ca&sslrootcert={roots}"), None),
        (&by_address, format!("sslmode=verify-ca&sslrootcert={other_roots}"), Some("certificate")),
        (&by_name, format!("sslmode=verify-full&sslrootcert={roots}"), None),
        (
            &by_address,
            format!("sslmode=verify-full&sslrootcert={roots}"),
            Some("not valid for name"),
        ),
        (&by_name, "sslmode=verify-full".to_owned(), Some("certificate")),
        (&by_name, "sslmode=verify-full&sslrootcert=/nowhere.pem".to_owned(), Some("/nowhere.pem")),
    ] {
        let result = open(&format!("{url}?{parameters}"));
        match mistake {
            None => assert_eq!(result, Ok(()), "{parameters}"),
            Some(part) => {
                let error = result.expect_err(&parameters);
                assert!(error.contains(part), "{parameters}: {error}");
                assert!(!error.contains("p@ss") && !error.contains("p%40ss"), "{error}");
            }
        }
    }
    // With `hostssl` alone, the server refuses a login without TLS.
    let file = database.query("SHOW hba_file");
    let rule = "hostssl all all 127.0.0.1/32 scram-sha-256\\nlocal all all trust";
    database.query(&format!(
        "COPY (SELECT unnest(string_to_array('{rule}', '\\n'))) TO '{file}'; SELECT pg_reload_conf()"
    ));
    server.stop();
    server.start();
    let error = open(&format!("{by_address}?sslmode=disable")).unwrap_err();
    assert!(error.contains("no encryption"), "{error}");
    assert_eq!(open(&by_address), Ok(()), "prefer is the default, and uses TLS");
}
