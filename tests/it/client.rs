//! examples/client.rs between two accounts of a real node.

use std::cell::RefCell;
use std::time::Duration;

use ilp_connector::client::{Client, ClientError, Login, Options, Outcome, Receive};
use ilp_connector::wire::ilp::{ErrorCode, Fulfill, Prepare, Reject, Reply};
use ilp_connector::wire::{AddressRef, Amount, Condition, Fulfillment};
use tokio::time::timeout;

use crate::peer::TestNode;

#[path = "../../examples/client.rs"]
#[expect(dead_code, reason = "the example's `main` reads a command line")]
mod example;

const NODE: &str = "\
nodeId: n
ilpAddress: test.n
peers:
  - { id: alice, relation: child, authToken: alice-token }
  - { id: bob, relation: child, authToken: bob-token }
";

fn url(node: &TestNode, id: &str) -> String {
    format!("btp+ws://{id}:{id}-token@127.0.0.1:{}", node.port)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(30), work).await.expect("in time") })
}

#[test]
fn the_example_pays_and_is_paid() {
    let node = TestNode::start(NODE);
    let lines = RefCell::new(Vec::new());
    let (alice, bob) = (url(&node, "alice"), url(&node, "bob"));
    let receiving = tokio::sync::Notify::new();
    let receive = example::receive(&bob, |line| {
        lines.borrow_mut().push(line);
        receiving.notify_one();
        Ok(())
    });
    let answers = run(async {
        tokio::select! {
            ended = receive => panic!("{ended:?}"),
            answers = async {
                receiving.notified().await;
                let mut answers = Vec::new();
                for to in ["test.n.bob", "test.n.bob.invoice-7", "test.n.carol"] {
                    answers.push(example::send(&alice, to, 100).await.unwrap());
                }
                answers
            } => answers,
        }
    });
    assert_eq!(answers[..2], ["fulfilled: thank you", "fulfilled: thank you"]);
    assert!(answers[2].starts_with("F02 from \"test.n\""), "{answers:?}");
    let expected =
        ["receiving at test.n.bob", "100 for test.n.bob", "100 for test.n.bob.invoice-7"];
    assert_eq!(*lines.borrow(), expected);
    assert_eq!(node.balance("alice"), ["200", "0", "0"].map(str::to_owned));
    assert_eq!(node.balance("bob"), ["-200", "0", "0"].map(str::to_owned));
}

#[test]
fn an_unanswered_prepare_moves_no_money() {
    let node = TestNode::start(NODE);
    let login: Login = url(&node, "bob").parse().unwrap();
    let options = Options { receive: Receive::Prepares, ..Options::default() };
    let alice = url(&node, "alice");
    let answer = run(Client::session(&login, options, async |client| {
        let sent = example::send(&alice, "test.n.bob", 100);
        let (incoming, answer) = tokio::join!(client.next_prepare(), async {
            tokio::select! {
                answer = sent => Some(answer.unwrap()),
                () = tokio::time::sleep(Duration::from_secs(3)) => None,
            }
        });
        assert_eq!(incoming.prepare().amount.0, 100);
        Ok::<_, ClientError>(answer)
    }));
    assert_eq!(answer.unwrap(), None);
    assert_eq!(node.balance("bob")[0], "0");
}

/// A Reject always says who rejects, because interledger-rs cannot read one that does not.
#[test]
fn a_reject_without_an_address_gets_that_of_the_account() {
    let node = TestNode::start(NODE);
    let login = |id| url(&node, id).parse::<Login>().unwrap();
    let (alice, bob) = (login("alice"), login("bob"));
    let options = Options { receive: Receive::Prepares, ..Options::default() };
    let by = run(Client::session(&bob, options, async |bob| {
        let mut by = Vec::new();
        for (knows_address, named) in [(false, None), (true, None), (true, Some("test.n.bob.x"))] {
            if knows_address {
                bob.fetch_address().await?;
            }
            let sent = Client::session(&alice, Options::default(), async |alice| {
                let prepare = Prepare {
                    amount: Amount(1),
                    expires_at: alice.expiry(Duration::from_secs(20)),
                    condition: Condition::PING,
                    destination: AddressRef::new("test.n.bob").unwrap(),
                    data: b"",
                };
                Ok::<_, ClientError>(alice.send(&prepare).await)
            });
            let (outcome, is_in_time) = tokio::join!(sent, async {
                let triggered_by = named.map(|named| AddressRef::new(named).unwrap());
                let (code, message, data) = (ErrorCode::F05, b"no", b"");
                let reject = Reject { code, triggered_by, message, data };
                bob.next_prepare().await.answer(&Reply::Reject(reject))
            });
            assert!(is_in_time);
            let Outcome::Rejected(rejection) = outcome? else { panic!("no Reject") };
            by.push(rejection.by);
        }
        Ok::<_, ClientError>(by)
    }));
    assert_eq!(by.unwrap(), ["private.ilp-connector-client", "test.n.bob", "test.n.bob.x"]);
}

#[test]
fn an_answer_after_the_expiry_is_reported_as_late() {
    let node = TestNode::start(NODE);
    let login = |id| url(&node, id).parse::<Login>().unwrap();
    let (alice, bob) = (login("alice"), login("bob"));
    let options = Options { receive: Receive::Prepares, ..Options::default() };
    let work = Client::session(&bob, options, async |bob| {
        let sent = Client::session(&alice, Options::default(), async |alice| {
            let prepare = Prepare {
                amount: Amount(100),
                // The node keeps a part of it for the way back (`minMessageWindowMs`).
                expires_at: alice.expiry(Duration::from_secs(6)),
                condition: Condition::PING,
                destination: AddressRef::new("test.n.bob").unwrap(),
                data: b"",
            };
            Ok::<_, ClientError>(alice.send(&prepare).await)
        });
        let (outcome, is_in_time) = tokio::join!(sent, async {
            let incoming = bob.next_prepare().await;
            let expires_at = incoming.prepare().expires_at;
            // A busy loop: at an `.await` the client would reject the packet before the program answers it.
            while bob.expiry(Duration::ZERO) <= expires_at {
                std::hint::spin_loop();
            }
            incoming.answer(&Reply::Fulfill(Fulfill { fulfillment: Fulfillment::PING, data: b"" }))
        });
        Ok::<_, ClientError>((outcome?, is_in_time))
    });
    let (outcome, is_in_time) = run(work).unwrap();
    assert!(!is_in_time);
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(node.balance("bob")[0], "0");
}

#[test]
fn a_refused_login_says_where_and_why() {
    let node = TestNode::start(NODE);
    let login: Login = url(&node, "bob").replace("bob-token", "wrong").parse().unwrap();
    let work = async |_: &Client| Ok::<_, ClientError>(());
    let error = run(Client::session(&login, Options::default(), work)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot log in at ") && !text.contains("wrong"), "{text}");
    assert!("btp+ws://127.0.0.1:1".parse::<Login>().is_err());
}
