//! The wait before the next attempt.

use super::*;

#[tokio::test]
async fn retry_now_ends_the_wait() {
    let listener = Listener::new().await;
    let retry_unit = Duration::from_secs(3600);
    let settings = TransportSettings { retry_unit, ..TransportSettings::default() };
    let context = testing::context("node", &["bob"], settings);
    let (_tasks, handle) = start(listener.dial(""), &context);
    for failed in 1..=3 {
        drop(listener.0.accept().await.unwrap());
        until("the failure", || status(&context, "bob").counts.failed_attempts == failed).await;
        // The dialler begins to wait when it is polled next.
        tokio::task::yield_now().await;
        handle.retry_now();
    }
    let _server = listener.accept_login().await;
    until("the link", || context.connector.account("bob").unwrap().is_connected()).await;
}
