//! A payment pointer has no port, so its receiver listens on 443, in a network namespace where every user may.

use std::process::Command;

use crate::process::{path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, run, skip};

/// Two nodes, and a payment from one to the other.
const SCRIPT: &str = r#"
ip link set lo up || exit 99
"$PROGRAM" run --config a.yaml > a.log 2>&1 &
a=$!
"$PROGRAM" run --config c.yaml > c.log 2>&1 &
c=$!
timeout 20 sh -c 'until "$PROGRAM" healthcheck --config a.yaml > health.log 2>&1; do :; done' || cat health.log a.log c.log
for pointer in '$localhost/wallet' '$localhost' '$localhost/nobody'; do
  "$PROGRAM" pay "$pointer" 1000 --config a.yaml --ca-file certificate.pem 2>&1
  echo "ended with $?"
done
echo own
"$PROGRAM" pay '$localhost/wallet' 1000 --config c.yaml 2>&1
echo "ended with $?"
echo other
"$PROGRAM" pay '$localhost/wallet' 1000 --config a.yaml 2>&1
echo "ended with $?"
kill "$a" "$c"
"#;

#[test]
fn a_payment_pointer_row_127() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = temp_folder();
    write_file(&folder, "certificate.pem", &made.cert.pem());
    write_file(&folder, "key.pem", &made.signing_key.serialize_pem());
    write_file(
        &folder,
        "a.yaml",
        "nodeId: a\nilpAddress: test.a\npeers:\n  - { id: c, authToken: ac, required: true }\n  \
           - { id: cli, relation: child, authToken: cli-token }\nroutes:\n  - { prefix: test.c, nextHop: c }\n",
    );
    write_file(
        &folder,
        "c.yaml",
        "nodeId: c\nilpAddress: test.c\nbtpServerPort: 3001\nhealthCheckPort: 8081\nhttpServerPort: 443\n\
         tls: { certificate: certificate.pem, key: key.pem }\npeers:\n  - { id: a, url: 'ws://localhost:3000', authToken: ac }\n  \
         - { id: cli, relation: child, authToken: cli-token }\n\
         receivers: [{ id: wallet }]\n",
    );
    let alone = ["--user", "--map-root-user", "--net", "sh", "-c", SCRIPT];
    let mut command = Command::new("unshare");
    let command = command.args(alone).current_dir(path_text(folder.path())).env("PROGRAM", PROGRAM);
    if let Err(error) = Command::new("unshare").arg("--version").output() {
        return skip("payment pointers", &format!("`unshare` does not run: {error}"));
    }
    let output = run(command);
    let said = combined_output(&output);
    if output.status.code() == Some(99) || said.contains("unshare failed") {
        return skip("payment pointers", "no network namespace can be made here (unshare, ip)");
    }
    for expected in [
        "PAY 1,000 units (0.000001 USD) to $localhost/wallet through",
        "https://localhost/wallet says: test.c.wallet.",
        "https://localhost/.well-known/pay says: test.c.wallet.",
        "error: cannot ask https://localhost/nobody where to pay: no such receiver",
        "ended with 1",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    let (said, of_own) = said.split_once("\nown\n").unwrap_or((&said, ""));
    assert_eq!(said.matches("\npaid\nended with 0\n").count(), 2, "{said}");
    // The certificate that is in the configuration counts at its node, and no other does.
    let (of_own, of_other) = of_own.split_once("\nother\n").unwrap_or((of_own, ""));
    assert!(of_own.contains("\npaid\nended with 0"), "{of_own}");
    let refused = "error: cannot ask https://localhost/wallet where to pay: ";
    assert!(of_other.contains(refused) && of_other.contains("ended with 1"), "{of_other}");
}
