//! A busy link: the shares of requesters, packets that expire in the queue, and a silent server.

use super::*;
use crate::http::testing::next_packet;

/// Bob accepts every request, and does not answer those of alice.
#[tokio::test]
async fn a_requester_without_answers_leaves_permits_and_turns_to_others() {
    let (dialler, first) = TestDialler::connected_with(|dial| dial.with_requests_max(8)).await;
    let alice = dialler.forward("alice", 50, 1, Duration::from_secs(25));
    let mut unanswered = vec![first];
    for at in 0..6 {
        if at > 0 {
            unanswered.push(dialler.accept().await);
        }
        let (_, packet) = unanswered[at].read_message().await;
        assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 1);
    }
    // Alice has three quarters of the permits, and 44 of its packets wait.
    let mut bob = None;
    for _ in 0..10 {
        let carol = dialler.forward("carol", 1, 2, Duration::from_secs(20));
        let bob = match &mut bob {
            Some(bob) => bob,
            none => none.insert(dialler.accept().await),
        };
        let (_, packet) = bob.read_message().await;
        assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 2, "no packet of alice is before it");
        fulfill(bob).await;
        assert_eq!(describe(&next_packet(&carol).await.packet), "Fulfill");
    }
    assert_eq!(alice.waiting_bytes(), 0, "no answer to alice");
    // After an answer to alice, its next packet is sent.
    fulfill(&mut unanswered[0]).await;
    unanswered[0].read_message().await;
}

#[tokio::test]
async fn packets_that_expire_while_they_wait_are_answered_and_not_sent() {
    let one_request = |dial: HttpDial| dial.with_requests_max(1);
    let (dialler, mut bob) = TestDialler::connected_with(one_request).await;
    let alice = dialler.forward("alice", 1, 1, Duration::from_secs(20));
    bob.read_message().await;
    let carol = dialler.forward("carol", 3, 2, Duration::from_millis(2500));
    until("three Rejects", || carol.waiting_bytes() > 0 && dialler.pending() == 1).await;
    for _ in 0..3 {
        assert_eq!(describe(&carol.take_packet().unwrap().packet), "Reject R00");
    }
    fulfill(&mut bob).await;
    until("alice's answer", || alice.waiting_bytes() > 0).await;
    let last = dialler.forward("carol", 1, 3, Duration::from_secs(20));
    let (_, packet) = bob.read_message().await;
    assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 3, "those that expired were not sent");
    fulfill(&mut bob).await;
    until("carol's answer", || last.waiting_bytes() > 0).await;
}

#[tokio::test]
async fn more_than_256_concurrent_requests() {
    let (dialler, bob) = TestDialler::connected().await;
    let mut bobs = vec![bob];
    let alice = dialler.forward("alice", 300, 1, Duration::from_secs(25));
    for at in 0..300 {
        if at > 0 {
            bobs.push(dialler.accept().await);
        }
        bobs[at].read_message().await;
    }
    for bob in &mut bobs {
        fulfill(bob).await;
    }
    let mut answers = 0;
    until("all answers", || {
        answers += std::iter::from_fn(|| alice.take_packet()).count();
        answers == 300
    })
    .await;
}

#[tokio::test]
async fn a_silent_server_loses_the_link() {
    let (dialler, bob) = TestDialler::connected().await;
    let mut silent = vec![bob];
    let alice = dialler.forward("alice", 16, 1, Duration::from_millis(2500));
    let accepting = async {
        loop {
            silent.push(dialler.accept().await);
        }
    };
    tokio::select! {
        () = accepting => {}
        () = until("the loss", || !dialler.is_connected()) => {}
    }
    assert_eq!(std::iter::from_fn(|| alice.take_packet()).count(), 16, "all were rejected");
    let error = dialler.status().snapshot().last_error.unwrap();
    assert!(error.contains("answers nothing"), "{error}");
    // It must answer a request before it gets packets again.
    let answering = async {
        loop {
            let mut bob = dialler.accept().await;
            let request = bob.read_message().await.0;
            assert!(request.starts_with("HEAD /accounts/node/ilp?x HTTP/1.1"), "{request}");
            bob.answer("405 No", b"").await;
            silent.push(bob);
        }
    };
    drop(alice);
    tokio::select! {
        () = answering => {}
        () = dialler.until_connected() => {}
    }
}
