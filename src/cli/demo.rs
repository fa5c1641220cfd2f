//! `demo`: a network of five nodes that needs no file, with payments of its own, for a first look.

use std::fs::DirBuilder;
use std::future::pending;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser as _;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use tokio::time::sleep;

use super::args::{Command, CommandLine, DemoArguments, UpArguments};
use super::init::{draw_secret, draw_secrets, write_new};
use super::up::{RunningNetwork, run_beside};
use crate::account::TOOL_ACCOUNT;
use crate::config::Environment;
use crate::console::{Failure, shell_quote};
use crate::node::NodeHandle;
use crate::tools::{format_scaled, pay};

const NETWORK: &str = include_str!("demo/network.yaml");
/// In the network: replaced by another port each time.
const PORT: &str = "{PORT}";
/// The first ports of `up`, for BTP, health and HTTP.
const FIRST_PORTS: [u16; 3] = [3000, 8080, 7770];
const NODES: u16 = 5;
/// Payments at the same time, and the longest pause after each.
const PAYERS: usize = 3;
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The largest payment in hundredths of the payer's currency, and the packets of each.
const CENTS_MAX: u64 = 2_000;
const PACKETS: &str = "20";
/// Every so many payments go to a receiver that does not exist, so that there are reasons to look at.
const MISTAKES: u32 = 8;

/// Runs the network until a signal or the end of `--for`. Nothing is kept.
pub(super) fn run(
    arguments: &DemoArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let folder = Folder::create().map_err(|error| {
        Failure::Failed(format!("no temporary directory for the network: {error}"))
    })?;
    let file = folder.0.join("network.yaml");
    let token = draw_secret();
    let network = draw_secrets(&choose_ports(NETWORK)?.replace("{CLI_SECRET}", &token));
    write_new(&file, &network)
        .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    let up = UpArguments {
        log_file: Some(folder.0.join("log")),
        run_time: arguments.run_time,
        plain: arguments.plain,
        ui_port: arguments.ui_port,
        lab: true,
        file: file.clone(),
        ..UpArguments::default()
    };
    // Its nodes must not take ports, names or levels from variables that are meant for others.
    let environment = environment
        .iter()
        .filter(|(name, _)| ["TERM", "NO_COLOR", "TMPDIR"].contains(&name.as_str()));
    let environment: Environment =
        environment.map(|(name, value)| (name.clone(), value.clone())).collect();
    run_beside(&up, &environment, out, |network| async move {
        if !network.is_live {
            // Fails only if standard output is closed; then it has no reader.
            let _ = print_introduction(&file, &network, &mut io::stdout());
        }
        let shows_payments = !network.is_live;
        let payers = (0..PAYERS).map(|_| pay_around(&network, &token, shows_payments));
        futures_util::future::join_all(payers).await;
        pending().await
    })
}

/// The directory of the file and the log; deleted at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let name = format!("ilp-connector-demo-{}", hex::encode(rand::random::<[u8; 4]>()));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be deleted is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The network with ports: those that `up` would give, if all are free, else any free ones. A port that is taken in the
/// meantime is replaced by `up`.
fn choose_ports(network: &str) -> Result<String, Failure> {
    let usual = (0..NODES).flat_map(|node| FIRST_PORTS.map(|first| first + node));
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    // All are held until the last is chosen, so that none is chosen twice.
    let listeners: Vec<TcpListener> = match usual.map(bind).collect::<io::Result<_>>() {
        Ok(listeners) => listeners,
        Err(_) => (0..NODES * 3)
            .map(|_| bind(0))
            .collect::<io::Result<_>>()
            .map_err(|error| Failure::Failed(format!("no free ports: {error}")))?,
    };
    let mut parts = network.split(PORT);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (part, listener) in parts.zip(&listeners) {
        let port =
            listener.local_addr().map_err(|error| Failure::Failed(error.to_string()))?.port();
        text.push_str(&port.to_string());
        text.push_str(part);
    }
    Ok(text)
}

fn print_introduction(
    file: &Path,
    network: &RunningNetwork,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = shell_quote(&file.display().to_string());
    let page = network.page.as_deref().unwrap_or("none");
    writeln!(
        out,
        "phone - us - exchange - eu - shop: five nodes of a demonstration pay each other until Ctrl-C.\n\
         One payment in {MISTAKES} goes to a receiver that does not exist, so that there are Rejects to look at.\n\
         page  {page}\n\
         file  {file} (edit it: the network follows)\n\n\
         In another terminal:\n  \
           ilp-connector status {file}\n  \
           ilp-connector pay test.shop.wallet 5 USD --config {file} --node phone\n  \
           ilp-connector tap --path --config {file}\n\n\
         For a network of your own: ilp-connector init network\n"
    )?;
    out.flush()
}

/// Pays from one node to another, again and again.
async fn pay_around(network: &RunningNetwork, token: &str, shows_payments: bool) {
    loop {
        sleep(PAUSE_MAX.mul_f64(rand::rng().random_range(0.1..1.0))).await;
        let nodes = network.nodes.borrow().clone();
        let chosen: Vec<&NodeHandle> = nodes.sample(&mut rand::rng(), 2).collect();
        let [payer, payee] = chosen[..] else { continue };
        let is_mistake = rand::rng().random_ratio(1, MISTAKES);
        let Some(paid) = pay(payer, payee, is_mistake, token).await else { continue };
        if shows_payments {
            // Fails only if standard output is closed; then it has no reader.
            let _ = writeln!(io::stdout(), "{paid}");
        }
    }
}

/// Pays once, as the command `pay` does. Returns a line about it; `None`: the node is gone.
async fn pay(
    payer: &NodeHandle,
    payee: &NodeHandle,
    is_mistake: bool,
    token: &str,
) -> Option<String> {
    let http: SocketAddr = payee.http_address?;
    let to = if is_mistake {
        format!("{}.nobody", payee.context.connector.address()?)
    } else {
        format!("http://{http}/wallet")
    };
    // Of nine decimal places, which all accounts here have.
    let units = rand::rng().random_range(1..=CENTS_MAX) * 10_000_000;
    let units = units.to_string();
    let via = format!("btp+ws://{TOOL_ACCOUNT}:{token}@{}", payer.btp_address);
    let mut line =
        vec!["ilp-connector", "pay", &to, &units, "--via", &via, "--packets", PACKETS, "--json"];
    let secret = "00".repeat(32);
    if is_mistake {
        line.extend(["--secret", &secret]);
    }
    let Ok(CommandLine { command: Some(Command::Pay(arguments)), .. }) =
        CommandLine::try_parse_from(line)
    else {
        return None;
    };
    let mut answer = Vec::new();
    // What went wrong is in the answer, or the node was stopped.
    let _ = pay::run(&arguments, &Environment::new(), &mut answer).await;
    let answer: Value = serde_json::from_slice(&answer).ok()?;
    let payee = if is_mistake { &*to } else { payee.id.as_str() };
    Some(describe(payer.id.as_str(), payee, &answer))
}

/// One line about a payment.
fn describe(payer: &str, payee: &str, answer: &Value) -> String {
    let money = |amount: &str, asset: &str| {
        let units: u128 = answer.get(amount)?.as_str()?.parse().ok()?;
        let asset = answer.get(asset)?;
        let (scale, code) = (asset.get("scale")?.as_u64()?, asset.get("code")?.as_str()?);
        Some(format!("{} {code}", format_scaled(units, scale.try_into().ok()?)))
    };
    let sent = money("sent", "sourceAsset").unwrap_or_default();
    if answer.get("complete") == Some(&true.into()) {
        let delivered = money("delivered", "destinationAsset").unwrap_or_default();
        return format!("{payer} paid {sent} to {payee}, and {delivered} arrived");
    }
    // The rest is advice for those who have typed the address.
    let why = answer
        .get("end")
        .and_then(Value::as_str)
        .and_then(|end| end.split(';').next())
        .unwrap_or_default();
    format!("{payer} could not pay {payee}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_has_a_port_of_its_own() {
        let text = choose_ports(NETWORK).unwrap();
        assert!(!text.contains(PORT), "{text}");
        assert_eq!(NETWORK.matches(PORT).count(), usize::from(NODES) * FIRST_PORTS.len());
        let ports = text.split("Port: ").skip(1).map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u16>().unwrap()
        });
        let mut ports: Vec<u16> = ports.collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), usize::from(NODES) * FIRST_PORTS.len());
    }

    #[test]
    fn a_line_for_each_payment() {
        let paid = serde_json::json!({
            "complete": true, "sent": "3200000000", "delivered": "2941000000",
            "sourceAsset": { "code": "USD", "scale": 9 }, "destinationAsset": { "code": "EUR", "scale": 9 },
        });
        assert_eq!(
            describe("phone", "shop", &paid),
            "phone paid 3.2 USD to shop, and 2.941 EUR arrived"
        );
        let refused =
            serde_json::json!({ "complete": false, "end": "not complete: F02; is it right?" });
        assert_eq!(describe("us", "shop", &refused), "us could not pay shop: not complete: F02");
    }
}
