//! `pay`: sends money over STREAM (RFC 29) to a payment pointer, an SPSP endpoint, or an address with its secret.

mod driver;
mod payee;
mod progress_bar;
mod receiver_lookup;
mod report;
mod spsp;
mod spsp_clients;
mod stall;

use std::io::Write;

use self::driver::{PaymentDriver, PaymentResult};
pub(in crate::tools) use self::payee::Payee;
use self::payee::parse_secret;
use self::report::PayReport;
use self::spsp::SpspReceiver;
use self::spsp_clients::SpspClients;
use self::stall::StallWatch;
use super::args::PayArguments;
use super::interrupt::Interrupt;
use super::login::EntryLogin;
use super::money::Money;
use super::secret_argument::read_secret_argument;
use super::session::{fetch_address, run_session, send_options};
use crate::client::ParentInfo;
use crate::config::Environment;
use crate::console::{Failure, NodeAndNetwork, exit_result};
use crate::net::HttpUrl;
use crate::stream::{Sender, SenderSettings};
use crate::wire::Amount;

/// Pays until the amount is sent, the payment fails, or an interrupt.
pub async fn run(
    arguments: &PayArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let written = arguments.amount().map_err(Failure::Usage)?;
    let (login, network) = EntryLogin::find_with_network(&arguments.login, environment)?;
    let receiver = find_receiver(arguments, environment, &login, network.as_ref()).await?;
    let window = usize::try_from(arguments.window).unwrap_or(usize::MAX);
    let complete = run_session(&login, send_options(window), async |client| {
        let mut interrupt = Interrupt::listen(client)?;
        // Only children get an address, but every account can pay.
        let own = fetch_address(client).await;
        let amounts = PaymentAmounts::read(arguments, &written, &own).map_err(Failure::Usage)?;
        let own = own.ok();
        let settings = SenderSettings {
            source: own.as_ref().map(|info| info.address.clone()),
            max_packet_amount: amounts.largest_packet,
            minimum_rate: arguments.min_rate,
            slippage: arguments.slippage,
            window_max: window,
            packet_lifetime: arguments.expiry,
            time: arguments.timeout,
            ..SenderSettings::new(amounts.total)
        };
        let mut report = PayReport {
            arguments,
            amount: amounts.total,
            receiver: &receiver,
            login: &login,
            asset: own.map(|info| info.asset),
            out,
        };
        report.write_header()?;
        let began = client.now().mono;
        let sender = Sender::new(settings, &receiver.secret, rand::random(), began);
        let driver = PaymentDriver::new(client, sender, &receiver.address, window);
        let stall = StallWatch::new(report.trace_command());
        let bar = progress_bar::ProgressBar::new(arguments.json, environment, stall);
        let result: PaymentResult = driver.run(&mut interrupt, bar, report.out).await?;
        report.write_result(&result)
    })
    .await?;
    exit_result(complete)
}

/// The amount to pay, in units of the paying account.
struct PaymentAmounts {
    total: Amount,
    largest_packet: Option<Amount>,
}

impl PaymentAmounts {
    fn read(
        arguments: &PayArguments,
        written: &Money,
        own: &Result<ParentInfo, Failure>,
    ) -> Result<Self, String> {
        let why = own.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let asset = own.as_ref().map(|info| &info.asset).map_err(|_| why.as_str());
        let total = written.to_units(asset)?;
        let max = arguments.max_packet_amount.as_ref().map(|max| max.to_units(asset));
        let max = max.transpose().map_err(|error| format!("--max-packet-amount: {error}"))?;
        let by_count = arguments.packets.map(|packets| Amount(total.0.div_ceil(packets)));
        Ok(Self { total, largest_packet: max.or(by_count) })
    }
}

/// The receiver's address and secret. For an address without a secret, or a URL, it asks the SPSP server.
async fn find_receiver(
    arguments: &PayArguments,
    environment: &Environment,
    login: &EntryLogin,
    network: Option<&NodeAndNetwork>,
) -> Result<SpspReceiver, Failure> {
    let on_this_machine = arguments.login.source.node.is_some();
    let ask = async |url: &HttpUrl, allow_http: bool| {
        let ca_file = login.trust().ca_file.clone();
        // The certificates of the user's own nodes count at those nodes only.
        let own = receiver_lookup::own_servers(network, on_this_machine)?;
        spsp::query_receiver(&SpspClients { ca_file, own }, url, allow_http).await
    };
    let none = Environment::new();
    // The variable is for addresses only, so it is ignored for other receivers.
    let is_address = matches!(arguments.payee, Payee::Address(_));
    let variables = if is_address { environment } else { &none };
    let secret =
        read_secret_argument(("--secret", arguments.secret.as_ref()), "ILP_SECRET", variables)?;
    match (&arguments.payee, secret) {
        (Payee::Address(address), Some(secret)) => Ok(SpspReceiver {
            address: address.clone(),
            secret: secret.parse(parse_secret)?,
            answered_by: None,
        }),
        (_, Some(_)) => Err(Failure::Usage(format!(
            "--secret is for an address; {} gives the address and the secret",
            arguments.payee
        ))),
        (Payee::Pointer(pointer), None) => {
            let url = pointer.url().parse();
            let url = url.map_err(|error| Failure::Usage(format!("{pointer}: {error}")))?;
            ask(&url, false).await
        }
        (Payee::Endpoint(url), None) => ask(url, arguments.allow_http).await,
        // The user's own configuration names the server, so HTTP without TLS is allowed.
        (Payee::Address(address), None) => {
            let endpoint = receiver_lookup::find_endpoint(address, network, on_this_machine)?;
            ask(&endpoint.url, true).await.map_err(|failure| match failure {
                Failure::Failed(why) => Failure::Failed(why + &endpoint.hint),
                other => other,
            })
        }
    }
}
