//! `pay`: sends money to a receiver (STREAM, RFC 29), whom a payment pointer, an SPSP endpoint or an address names.

mod driver;
mod payee;
mod progress_bar;
mod receiver_lookup;
mod report;
mod spsp;
mod stall;

use std::io::Write;

use self::driver::{PaymentDriver, PaymentResult};
pub(in crate::tools) use self::payee::Payee;
use self::payee::parse_secret;
use self::report::PayReport;
use self::spsp::SpspReceiver;
use self::stall::StallWatch;
use super::args::PayArguments;
use super::interrupt::Interrupt;
use super::login::EntryLogin;
use super::money::Money;
use super::secret_argument::read_secret_argument;
use super::session::{fetch_address, run_session, send_options};
use crate::config::Environment;
use crate::console::Failure;
use crate::console::error_chain;
use crate::http::HttpClient;
use crate::net::{HttpUrl, TlsTrust};
use crate::node::ildcp::ParentInfo;
use crate::stream::{Sender, SenderSettings};
use crate::wire::Amount;

/// Runs the command until all is paid, or cannot be, or somebody interrupts it.
pub async fn run(
    arguments: &PayArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let written = arguments.amount().map_err(Failure::Usage)?;
    let login = EntryLogin::find(&arguments.login, environment)?;
    let receiver = find_receiver(arguments, environment, &login).await?;
    let window = usize::try_from(arguments.window).unwrap_or(usize::MAX);
    let complete = run_session(&login, send_options(window), async |client| {
        // Not before: a login that hangs is to be interrupted as usual.
        let mut interrupt = Interrupt::listen(client)?;
        // Who is no child gets no address, and can pay all the same.
        let own = fetch_address(client).await;
        let amounts = PaymentAmounts::read(arguments, &written, &own).map_err(Failure::Usage)?;
        let own = own.ok();
        let settings = SenderSettings {
            source: own.as_ref().map(|told| told.address.clone()),
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
            asset: own.map(|told| told.asset),
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
    if complete { Ok(()) } else { Err(Failure::Reported) }
}

/// What is to be paid, in units of the account that pays.
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
        let asset = own.as_ref().map(|told| &told.asset).map_err(|_| why.as_str());
        let total = written.to_units(asset)?;
        let most = arguments.max_packet_amount.as_ref().map(|most| most.to_units(asset));
        let most = most.transpose().map_err(|error| format!("--max-packet-amount: {error}"))?;
        let by_count = arguments.packets.map(|packets| Amount(total.0.div_ceil(packets)));
        Ok(PaymentAmounts { total, largest_packet: most.or(by_count) })
    }
}

/// Where the money goes, and under which secret.
async fn find_receiver(
    arguments: &PayArguments,
    environment: &Environment,
    login: &EntryLogin,
) -> Result<SpspReceiver, Failure> {
    let ca_file = login.trust().ca_file.clone();
    let anyone = TlsTrust { ca_file, ..TlsTrust::default() };
    let ask = async |url: &HttpUrl, allow_http, trust| {
        let client = HttpClient::new(trust);
        let client = client.map_err(|error| Failure::Usage(error_chain(&error)))?;
        spsp::query_receiver(&client, url, allow_http).await
    };
    let none = Environment::new();
    // A variable that is there for addresses does not speak of anything else.
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
            "--secret belongs to an address; {} is asked for both",
            arguments.payee
        ))),
        (Payee::Pointer(pointer), None) => {
            let url = pointer.url().parse();
            let url = url.map_err(|error| Failure::Usage(format!("{pointer}: {error}")))?;
            ask(&url, false, anyone).await
        }
        (Payee::Endpoint(url), None) => ask(url, arguments.allow_http, anyone).await,
        (Payee::Address(address), None) if EntryLogin::has_via(&arguments.login, environment) => {
            Err(Failure::Usage(format!(
                "an address alone is not enough: its secret is needed too. Give --secret, or a payment pointer or SPSP \
                 URL instead of {address}, or --config and --node instead of --via"
            )))
        }
        // The configuration is the user's own word for where to ask.
        (Payee::Address(address), None) => {
            let endpoint =
                receiver_lookup::find_endpoint(address, &arguments.login.source, environment)?;
            let ca_file = anyone.ca_file.or(endpoint.trust.ca_file);
            let trust = TlsTrust { ca_file, ..endpoint.trust };
            ask(&endpoint.url, true, trust).await.map_err(|failure| match failure {
                Failure::Failed(why) => Failure::Failed(why + &endpoint.hint),
                other => other,
            })
        }
    }
}
