//! Engines that forget their accounts, over real sockets.

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::account::AccountId;
use crate::net::{Clock, TransportSettings};
use crate::peers::EngineState;
use crate::testing::{connector_settings, node_context};
use crate::web::testing::RawConnection;

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const FAILED: &str = "HTTP/1.1 503 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// An engine that says what it is asked, and answers each request as `answer` says, by its number.
async fn serve(
    listener: TcpListener,
    asked: mpsc::Sender<String>,
    answer: fn(usize) -> &'static str,
) {
    for number in 0.. {
        let mut server = RawConnection(listener.accept().await.unwrap().0);
        let (head, body) = server.read_text().await;
        asked.send(format!("{} {body}", head.lines().next().unwrap())).await.unwrap();
        server.write(answer(number)).await;
    }
}

#[tokio::test]
async fn an_engine_that_was_restarted_gets_its_account_again() {
    let settings = connector_settings("n", &["alice"]);
    let context = node_context(settings, Clock::start(), TransportSettings::default());
    let engines = Arc::new(Engines::new(&context));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut asked) = mpsc::channel(8);
    // Nothing says when it starts again, and the account comes nevertheless.
    let answer = |number| if number == 1 { FAILED } else { CREATED };
    let _engine = AbortOnDrop::spawn(serve(listener, sender, answer));
    let alice: AccountId = "alice".parse().unwrap();
    let url = format!("http://{address}").parse().unwrap();
    let new = engines.replace_all([EngineSettings { account: alice.clone(), url, token: None }]);
    let engine = Arc::clone(&new[0]);
    let keep = keep_account(Arc::clone(&engines), engine, Duration::from_millis(10));
    let kept = AbortOnDrop::spawn(keep);
    for _ in 0..5 {
        let request = asked.recv().await.unwrap();
        assert_eq!(request, r#"POST /accounts HTTP/1.1 {"id":"alice"}"#);
    }
    let account = context.engine_accounts.of_peer(&alice).unwrap();
    assert_eq!((account.state, account.failures), (EngineState::Ready, 1));
    drop(kept);
}
