//! A link with much to do: whose packets go, what waits too long, and a server that answers nothing.

use super::*;

/// Bob takes every request, and answers none of alice's.
#[tokio::test]
async fn an_asker_that_is_never_answered_leaves_places_and_turns_to_others() {
    let here = Here::with_requests_max(8).await;
    let first = here.accept().await;
    until("the link", || here.is_connected()).await;
    let alice = here.forward("alice", 50, 1, Duration::from_secs(25));
    let mut kept = vec![first];
    for at in 0..6 {
        if at > 0 {
            kept.push(here.accept().await);
        }
        let (_, packet) = kept[at].octets().await;
        assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 1);
    }
    // Three quarters of the places are alice's, and 44 of its packets wait.
    let mut bob = None;
    for _ in 0..10 {
        let carol = here.forward("carol", 1, 2, Duration::from_secs(20));
        let bob = match &mut bob {
            Some(bob) => bob,
            none => none.insert(here.accept().await),
        };
        let (_, packet) = bob.octets().await;
        assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 2, "nothing of alice's is before it");
        fulfilled(bob).await;
        let mut answer = None;
        until("carol's answer", || {
            answer = carol.take_packet();
            answer.is_some()
        })
        .await;
        assert_eq!(describe(&answer.unwrap().packet), "Fulfill");
    }
    assert_eq!(alice.waiting_bytes(), 0, "no answer to alice");
    // One of alice's is answered, and another one takes its place.
    fulfilled(&mut kept[0]).await;
    kept[0].octets().await;
}

#[tokio::test]
async fn packets_that_expire_while_they_wait_are_answered_and_not_sent() {
    let here = Here::with_requests_max(1).await;
    let mut bob = here.accept().await;
    until("the link", || here.is_connected()).await;
    let alice = here.forward("alice", 1, 1, Duration::from_secs(20));
    bob.octets().await;
    let carol = here.forward("carol", 3, 2, Duration::from_millis(2500));
    until("three Rejects", || carol.waiting_bytes() > 0 && here.sent() == 1).await;
    for _ in 0..3 {
        assert_eq!(describe(&carol.take_packet().unwrap().packet), "Reject R00");
    }
    fulfilled(&mut bob).await;
    until("alice's answer", || alice.waiting_bytes() > 0).await;
    let last = here.forward("carol", 1, 3, Duration::from_secs(20));
    let (_, packet) = bob.octets().await;
    assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 3, "those that expired were not sent");
    fulfilled(&mut bob).await;
    until("carol's answer", || last.waiting_bytes() > 0).await;
}

#[tokio::test]
async fn more_than_256_requests_are_under_way_side_by_side() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut bobs = vec![here.accept().await];
    until("the link", || here.is_connected()).await;
    let alice = here.forward("alice", 300, 1, Duration::from_secs(25));
    for at in 0..300 {
        if at > 0 {
            bobs.push(here.accept().await);
        }
        bobs[at].octets().await;
    }
    for bob in &mut bobs {
        fulfilled(bob).await;
    }
    let mut answers = 0;
    until("all answers", || {
        answers += std::iter::from_fn(|| alice.take_packet()).count();
        answers == 300
    })
    .await;
}

#[tokio::test]
async fn a_server_that_takes_connections_and_answers_nothing_is_no_next_hop() {
    let here = Here::start(HttpMode::Sync, HttpAuth::Simple).await;
    let mut silent = vec![here.accept().await];
    until("the link", || here.is_connected()).await;
    let alice = here.forward("alice", 16, 1, Duration::from_millis(2500));
    let accepting = async {
        loop {
            silent.push(here.accept().await);
        }
    };
    tokio::select! {
        () = accepting => {}
        () = until("the loss", || !here.is_connected()) => {}
    }
    assert_eq!(std::iter::from_fn(|| alice.take_packet()).count(), 16, "all were rejected");
    let told = here.status().snapshot().last_error.unwrap();
    assert!(told.contains("answers nothing"), "{told}");
    // It has to answer something before it gets packets again, whatever it is.
    let answering = async {
        loop {
            let mut bob = here.accept().await;
            let request = bob.octets().await.0;
            assert!(request.starts_with("HEAD /accounts/node/ilp?x HTTP/1.1"), "{request}");
            bob.say("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n").await;
            silent.push(bob);
        }
    };
    drop(alice);
    tokio::select! {
        () = answering => {}
        () = until("the link", || here.is_connected()) => {}
    }
}
