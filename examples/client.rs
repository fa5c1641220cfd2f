//! A program with an account at a connector: one run of it receives, another one sends.
//!
//! ```sh
//! ilp-connector run --config node.yaml       # with the children alice and bob
//! cargo run --example client -- receive btp+ws://bob:bobs-token@127.0.0.1:3000
//! cargo run --example client -- send btp+ws://alice:alices-token@127.0.0.1:3000 test.node.bob 100
//! ```
//!
//! Both ends know one fulfillment. Real receivers derive one for each packet, see STREAM (RFC 29).

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use ilp_connector::client::{Client, ClientError, Login, Options, Outcome, Receive};
use ilp_connector::wire::ilp::{ErrorCode, Fulfill, Prepare, Reject, Reply};
use ilp_connector::wire::{Address, Amount, Fulfillment};

/// What the receiver proves the payment with.
const FULFILLMENT: Fulfillment = Fulfillment(*b"a secret of sender and receiver!");
/// How long the sender waits for an answer.
const LIFETIME: Duration = Duration::from_secs(20);
const USAGE: &str = "client receive URL | client send URL DESTINATION AMOUNT";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["receive", url] => receive(url, |line| writeln!(io::stdout(), "{line}")).await,
        ["send", url, destination, amount] => {
            let answer = send(url, destination, amount.parse()?).await?;
            Ok(writeln!(io::stdout(), "{answer}")?)
        }
        _ => Err(USAGE.into()),
    }
}

/// Sends one Prepare, and describes its answer.
pub(crate) async fn send(
    url: &str,
    destination: &str,
    amount: u64,
) -> Result<String, Box<dyn Error>> {
    let login: Login = url.parse()?;
    let destination: Address = destination.parse()?;
    let outcome = Client::session(&login, Options::default(), async |client| {
        let prepare = Prepare {
            amount: Amount(amount),
            expires_at: client.expiry(LIFETIME),
            condition: FULFILLMENT.condition(),
            destination: destination.view(),
            data: b"hello",
        };
        Ok::<_, ClientError>(client.send(&prepare).await)
    })
    .await?;
    Ok(match outcome {
        Outcome::Fulfilled { data, .. } => {
            format!("fulfilled: {}", String::from_utf8_lossy(&data).escape_debug())
        }
        Outcome::Rejected(reject) => {
            format!("{} from {:?}: {:?}", reject.code, reject.by, reject.message)
        }
        Outcome::NotSent(cause) => format!("not sent: {}", cause.message),
        Outcome::NoAnswer(cause) => format!("no answer: {}", cause.message),
    })
}

/// Fulfills every Prepare with the known condition, and prints a line about each. Ends when the session does.
pub(crate) async fn receive(
    url: &str,
    mut print: impl FnMut(String) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let login: Login = url.parse()?;
    let options = Options { receive: Receive::Prepares, ..Options::default() };
    Client::session(&login, options, async |client| {
        print(format!("receiving at {}", client.fetch_address().await?.address))?;
        loop {
            let incoming = client.next_prepare().await;
            let prepare = incoming.prepare();
            print(format!("{} for {}", prepare.amount, prepare.destination))?;
            let reply = match prepare.condition == FULFILLMENT.condition() {
                true => Reply::Fulfill(Fulfill { fulfillment: FULFILLMENT, data: b"thank you" }),
                false => Reply::Reject(Reject {
                    code: ErrorCode::F05,
                    triggered_by: None,
                    message: b"another condition is expected",
                    data: &[],
                }),
            };
            if !incoming.answer(&reply) {
                print("the answer came too late".to_owned())?;
            }
        }
    })
    .await
}
