//! Tokens change while sessions are up.

use super::*;

/// Fails if a session is closed or closing: each empty message must get its answer.
async fn assert_up(far: &mut WebSocketStream<TcpStream>) {
    for id in [77, 78] {
        let mut frame = Vec::new();
        put_empty_response(RequestId(id), &mut frame);
        frame[0] = 6; // MESSAGE
        far.send(Message::binary(frame)).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(10), far.next()).await;
        let next = next.expect("an answer").unwrap().unwrap();
        assert!(next.is_binary(), "{next:?}");
    }
}

/// Reloads, and waits until the configuration is applied: it is when the node takes the second command.
async fn reload_and_wait(node: &Node, rest: &str) {
    reload(node, rest).await;
    reload(node, rest).await;
    until_idle(node).await;
}

#[tokio::test]
async fn a_removed_token_closes_only_the_sessions_that_logged_in_with_it() {
    let with = |tokens: &str| format!("peers: [{{id: c, authTokens: {tokens}, maxSessions: 4}}]\n");
    let node = start("a", &with("[old]")).await;
    let mut old = log_in(&node, "c", "old").await;
    // Logins from before the reload count as well: fingerprints outlive directories.
    reload_and_wait(&node, &with("[new, old]")).await;
    let mut new = log_in(&node, "c", "new").await;
    assert_up(&mut old).await;
    reload_and_wait(&node, &with("[new]")).await;
    assert_eq!(receive_close(&mut old).await, reconfigured());
    assert_up(&mut new).await;
    // The other way round, and with a new token in the place of the removed one.
    reload_and_wait(&node, &with("[third, new]")).await;
    let mut third = log_in(&node, "c", "third").await;
    reload_and_wait(&node, &with("[third, fourth]")).await;
    assert_eq!(receive_close(&mut new).await, reconfigured());
    assert_up(&mut third).await;
    stop(node).await;
}

#[tokio::test]
async fn a_dialled_session_goes_on_while_the_token_that_it_sent_is_valid() {
    let (listener, url) = listen().await;
    let with =
        |tokens: &str| format!("peers: [{{id: b, url: \"ws://{url}\", authTokens: {tokens}}}]\n");
    let node = start("a", &with("[old]")).await;
    let mut b = accept_login(&listener).await;
    until("the link", || connected(&node, "b")).await;
    reload_and_wait(&node, &with("[new, old]")).await;
    assert_up(&mut b).await;
    // It was dialled with the removed one.
    reload(&node, &with("[new]")).await;
    assert_eq!(receive_close(&mut b).await, reconfigured());
    drop(b);
    let (stream, _) = listener.accept().await.unwrap();
    let mut far = tokio_tungstenite::accept_async(stream).await.unwrap();
    let login = far.next().await.unwrap().unwrap().into_data();
    let token = BtpFrame::parse(&login).unwrap().protocol_data.get("auth_token").unwrap().data;
    assert_eq!(token, b"new", "the next dial sends the first");
    stop(node).await;
}

#[tokio::test]
async fn requests_of_a_dialled_http_link_show_the_new_token_without_a_new_session() {
    let server = |tokens: &str| {
        format!(
            "httpServerHost: 127.0.0.1\nhttpServerPort: 0\npeers: [{{id: a, authTokens: {tokens}}}]\n"
        )
    };
    let b = start("b", &server("[new, old]")).await;
    let url = b.handle().http_address.unwrap();
    let with = |tokens: &str| {
        format!("peers: [{{id: b, url: \"http://{url}/ilp\", authTokens: {tokens}}}]\n")
    };
    let a = start("a", &with("[old]")).await;
    until("the link", || connected(&a, "b")).await;
    assert_eq!(ping(&a, "b", "test.b", 0).await, Ok(()));
    reload_and_wait(&a, &with("[new, old]")).await;
    reload_and_wait(&b, &server("[new]")).await;
    assert_eq!(ping(&a, "b", "test.b", 0).await, Ok(()));
    reload_and_wait(&a, &with("[new]")).await;
    assert_eq!(ping(&a, "b", "test.b", 0).await, Ok(()));
    let status = a.handle().context.peers.status(&"b".parse().unwrap());
    assert_eq!(status.snapshot().counts.sessions, 1);
    for node in [a, b] {
        stop(node).await;
    }
}
