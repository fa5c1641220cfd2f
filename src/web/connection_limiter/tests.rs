//! Which connections are closed for others.

use futures_util::FutureExt;

use super::*;

/// Few connections, and the default times.
fn limits() -> ConnectionLimits {
    let configured = HttpLimits {
        unauthenticated: crate::net::AddressLimits {
            total: 4,
            per_address: 3,
            reserved_for_known: 0,
        },
        of_peers_max: 4,
        of_one_peer_max: 3,
        unauthenticated_requests_per_second: 10,
    };
    ConnectionLimits { configured, ..ConnectionLimits::default() }
}

fn seconds(seconds: u64) -> MonoTime {
    MonoTime(seconds * 1_000_000_000)
}

fn peer(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn connect(limiter: &Arc<ConnectionLimiter>, address: &str) -> ConnectionGuard {
    connect_from(limiter, address, false)
}

fn connect_from(
    limiter: &Arc<ConnectionLimiter>,
    address: &str,
    is_known: bool,
) -> ConnectionGuard {
    let remote = RemoteAddress::new(address.parse().unwrap(), Some(1));
    limiter.admit_connection(remote, is_known, seconds(0)).0
}

/// A connection of a peer that was used at `at`.
fn connect_peer(
    limiter: &Arc<ConnectionLimiter>,
    id: &str,
    at: u64,
) -> Result<ConnectionGuard, TooManyConnections> {
    let mut guard = connect(limiter, "10.0.0.1");
    limiter.set_owner(&guard, &peer(id))?;
    guard.begin_request(seconds(at));
    guard.end_request(seconds(at));
    assert_eq!(guard.take_event(), Some(ConnectionEvent::Owned));
    Ok(guard)
}

fn is_evicted(guard: &mut ConnectionGuard) -> bool {
    guard.take_event() == Some(ConnectionEvent::Evicted)
}

#[test]
fn a_peer_at_its_limit_replaces_its_own_connections() {
    let limiter = ConnectionLimiter::new(limits());
    let mut guards: Vec<ConnectionGuard> =
        [3, 1, 2].map(|at| connect_peer(&limiter, "alice", at).unwrap()).into_iter().collect();
    guards[1].begin_request(seconds(4));
    guards.push(connect_peer(&limiter, "alice", 5).unwrap());
    assert!(!is_evicted(&mut guards[1]), "it is in use");
    assert!(is_evicted(&mut guards[2]), "the least recently used idle one");
    assert!(!is_evicted(&mut guards[0]) && !is_evicted(&mut guards[3]));
    guards[0].begin_request(seconds(6));
    guards[3].begin_request(seconds(6));
    assert_eq!(
        connect_peer(&limiter, "alice", 7).unwrap_err(),
        TooManyConnections,
        "all are in use"
    );
    assert!(connect_peer(&limiter, "bob", 7).is_ok());
}

#[test]
fn the_peer_with_most_connections_gives_one_to_another_peer() {
    let limiter = ConnectionLimiter::new(limits());
    let mut alices = [1, 2, 3].map(|at| connect_peer(&limiter, "alice", at).unwrap());
    let mut bob = connect_peer(&limiter, "bob", 1).unwrap();
    for alice in &alices {
        alice.begin_request(seconds(5));
    }
    alices[1].end_request(seconds(6));
    let mut carol = connect_peer(&limiter, "carol", 7).unwrap();
    assert!(is_evicted(&mut alices[1]), "the only idle one of the peer with most");
    let dave = connect_peer(&limiter, "dave", 8).unwrap();
    assert!(is_evicted(&mut alices[0]), "none is idle: the oldest");
    assert_eq!(
        connect_peer(&limiter, "erin", 9).unwrap_err(),
        TooManyConnections,
        "all have their fair share"
    );
    assert!(!is_evicted(&mut bob) && !is_evicted(&mut carol) && !is_evicted(&mut alices[2]));
    // Each of them can only replace a connection of its own.
    let _again = connect_peer(&limiter, "dave", 9).unwrap();
    drop(dave);
    drop((alices, bob, carol, _again));
    let open = limiter.open.lock();
    assert!(open.by_owner.is_empty() && open.all.is_empty() && open.owned_total == 0);
}

#[test]
fn peers_and_unauthenticated_clients_have_separate_limits() {
    let limiter = ConnectionLimiter::new(limits());
    let alices = [1, 2, 3].map(|at| connect_peer(&limiter, "alice", at).unwrap());
    let mut others: Vec<ConnectionGuard> = (0..3).map(|_| connect(&limiter, "10.0.0.9")).collect();
    others.push(connect(&limiter, "10.0.0.9"));
    assert!(others[0].permit.is_some());
    let mut bob = connect(&limiter, "10.0.0.9");
    assert_eq!(limiter.set_owner(&bob, &peer("bob")), Ok(()));
    assert_eq!(limiter.set_owner(&bob, &peer("alice")), Ok(()), "it stays the first peer's");
    assert_eq!(bob.take_event(), Some(ConnectionEvent::Owned));
    assert_eq!(bob.take_event(), None);
    assert_eq!(limiter.open.lock().by_owner.len(), 2);
    drop(alices);
}

#[test]
fn deadlines_before_and_after_a_login() {
    let limiter = ConnectionLimiter::new(limits());
    let connection = connect(&limiter, "10.0.0.1");
    let check = |expected: MonoTime| assert_eq!(connection.deadline(&limits()), expected);
    check(seconds(10));
    connection.begin_request(seconds(5));
    check(seconds(60));
    limiter.set_owner(&connection, &peer("alice")).unwrap();
    check(MonoTime::MAX);
    connection.end_request(seconds(7));
    check(seconds(127));
    connection.begin_request(seconds(100));
    connection.begin_request(seconds(101));
    connection.end_request(seconds(102));
    check(MonoTime::MAX);
    connection.end_request(seconds(103));
    check(seconds(223));
}

#[test]
fn some_connections_from_known_addresses_are_wide() {
    let configured = HttpLimits::default();
    let limiter = ConnectionLimiter::new(ConnectionLimits { configured, ..limits() });
    let connect = |address, is_known| connect_from(&limiter, address, is_known);
    assert!(!connect("10.0.0.1", false).is_wide);
    let known: Vec<ConnectionGuard> = (0..20).map(|_| connect("10.0.0.2", true)).collect();
    assert_eq!(known.iter().filter(|guard| guard.is_wide).count(), WIDE_PER_ADDRESS_MAX);
    assert!(connect("10.0.0.3", true).is_wide);
    drop(known);
    assert!(connect("10.0.0.2", true).is_wide);
    assert!(limiter.open.lock().wide_by_address.is_empty());
    // A peer that needs more streams than a narrow one has gets one event.
    let mut narrow = connect("10.0.0.4", false);
    limiter.set_owner(&narrow, &peer("alice")).unwrap();
    assert_eq!(narrow.take_event(), Some(ConnectionEvent::Owned));
    for _ in 1..NARROW_STREAMS {
        narrow.begin_request(seconds(1));
    }
    assert_eq!(narrow.take_event(), None);
    narrow.begin_request(seconds(1));
    assert_eq!((narrow.take_event(), narrow.take_event()), (Some(ConnectionEvent::Outgrown), None));
}

#[test]
fn unauthenticated_clients_share_a_budget_and_each_peer_has_its_own() {
    let limiter = ConnectionLimiter::new(limits());
    let (one, other) = (connect(&limiter, "10.0.0.1"), connect(&limiter, "10.0.0.1"));
    let now = seconds(1);
    let admitted = (0..100)
        .filter(|_| limiter.admit_request(&one, one.remote.into(), false, now).is_ok())
        .count();
    assert_eq!(admitted, 10, "two seconds of half of ten");
    assert_eq!(
        limiter.admit_request(&other, other.remote.into(), false, now),
        Err(AboveRate),
        "the address has a common budget"
    );
    assert_eq!(
        limiter.admit_request(&other, other.remote.into(), true, now),
        Ok(()),
        "only wrong tokens count"
    );
    limiter.record_frames(&one, 1_000_000, now);
    assert_eq!(limiter.readable_at(&other, now), now, "its first frames are free");
    limiter.record_frames(&other, FIRST_FRAMES, now);
    assert!(limiter.readable_at(&other, now) > now);
    limiter.set_owner(&other, &peer("alice")).unwrap();
    assert_eq!(limiter.readable_at(&other, now), now);
    assert_eq!(limiter.admit_request(&other, other.remote.into(), false, now), Ok(()));
    limiter.record_frames(&other, 5000, now);
    assert!(limiter.readable_at(&other, now) > now, "frames without requests");
    for _ in 0..1000 {
        assert_eq!(limiter.admit_request(&other, other.remote.into(), true, now), Ok(()));
    }
    assert_eq!(limiter.readable_at(&other, now), now, "each request brings frames of its own");
}

#[test]
fn wrong_tokens_close_the_connection_and_then_block_the_address() {
    let limiter = ConnectionLimiter::new(limits());
    let (mut tries, now) = (0, seconds(1));
    let mut connection = connect(&limiter, "10.0.0.1");
    while limiter.admit_request(&connection, connection.remote.into(), true, now).is_ok() {
        tries += 1;
        if limiter.record_wrong_token(&connection, connection.remote.into(), now) {
            connection = connect(&limiter, "10.0.0.1");
            assert_eq!(tries % WRONG_TOKENS_OF_CONNECTION_MAX, 0);
        }
    }
    assert_eq!(tries, 200, "two seconds of half of 200");
    let other = connect(&limiter, "10.0.0.2");
    let other_admitted = limiter.admit_request(&other, other.remote.into(), true, now);
    assert_eq!(other_admitted, Ok(()));
    assert_eq!(
        limiter.admit_request(&connection, connection.remote.into(), true, seconds(2)),
        Ok(())
    );
}

/// No client owns the connections of a proxy; each request counts at the address of its client.
#[test]
fn clients_of_a_proxy_are_limited_one_by_one_and_its_connections_stay() {
    let limiter = ConnectionLimiter::new(limits());
    let connection = connect(&limiter, "10.0.0.1");
    limiter.give_to_proxies(&connection).unwrap();
    let now = seconds(1);
    let client = |last: u8| ClientAddress::from(std::net::IpAddr::from([192, 0, 2, last]));
    let admit = |last: u8| limiter.admit_request(&connection, client(last), false, now);
    assert_eq!((0..100).filter(|_| admit(1).is_ok()).count(), 10, "two seconds of half of ten");
    assert_eq!(admit(1), Err(AboveRate));
    assert_eq!(admit(2), Ok(()), "another client");
    let wrong = |last: u8| limiter.record_wrong_token(&connection, client(last), now);
    assert!((0..200).all(|_| !wrong(3)), "others use the connection");
    assert_eq!(limiter.admit_request(&connection, client(3), true, now), Err(AboveRate));
    assert_eq!(limiter.admit_request(&connection, client(4), true, now), Ok(()));
    // A peer behind the proxy does not take the connection from the others.
    limiter.set_owner(&connection, &peer("alice")).unwrap();
    assert!(connection.is_of_proxy() && connection.is_owned());
    assert_eq!(admit(1), Err(AboveRate));
    assert_eq!(connection.streams_max(), WIDE_STREAMS);
    let idle = limiter.limits().idle_time;
    assert!(connection.deadline(limiter.limits()) <= connection.used_at().after(idle));
    limiter.record_frames(&connection, 1_000_000, now);
    assert!(limiter.readable_at(&connection, now) > now, "what proxies pass on is bounded");
}

#[test]
fn connections_of_proxies_are_bounded_and_the_idle_ones_go_first() {
    let configured = HttpLimits { of_peers_max: 2, ..limits().configured };
    let limiter = ConnectionLimiter::new(ConnectionLimits { configured, ..limits() });
    let mut connections: Vec<_> = (0..3).map(|_| connect(&limiter, "10.0.0.1")).collect();
    connections[0].begin_request(seconds(0));
    for connection in &connections {
        limiter.give_to_proxies(connection).unwrap();
    }
    let evicted: Vec<_> = connections
        .iter_mut()
        .map(|connection| connection.take_event() == Some(ConnectionEvent::Evicted))
        .collect();
    assert_eq!(evicted, [false, true, false]);
    connections[2].begin_request(seconds(0));
    let one_more = connect(&limiter, "10.0.0.1");
    assert_eq!(limiter.give_to_proxies(&one_more), Err(TooManyConnections));
}

#[tokio::test]
async fn a_connection_without_requests_may_still_log_in_when_evicted() {
    let limiter = ConnectionLimiter::new(limits());
    let mut guards: Vec<ConnectionGuard> = (0..5).map(|_| connect(&limiter, "10.0.0.1")).collect();
    // Three are admitted: the permits of the first two are evicted.
    assert_eq!(guards[0].next_event().now_or_never(), None);
    limiter.set_owner(&guards[0], &peer("alice")).unwrap();
    assert_eq!(guards[0].next_event().await, ConnectionEvent::Owned);
    assert_eq!(guards[0].next_event().now_or_never(), None, "it stays");
    // The grace period does not start again.
    assert_eq!(guards[1].next_event().now_or_never(), None);
    assert_eq!(guards[1].next_event().now_or_never(), None);
    guards[1].record_anonymous_request();
    assert_eq!(guards[1].next_event().now_or_never(), Some(ConnectionEvent::Evicted));
    guards[0].record_anonymous_request();
    assert_eq!(guards[0].next_event().now_or_never(), None, "a peer may send any request");
    // After a request there is no grace period.
    guards[2].begin_request(seconds(1));
    let _other = connect(&limiter, "10.0.0.1");
    assert_eq!(guards[2].next_event().now_or_never(), Some(ConnectionEvent::Evicted));
    // Without a login it ends.
    let _another = connect(&limiter, "10.0.0.1");
    assert_eq!(guards[3].next_event().await, ConnectionEvent::Evicted);
}

#[tokio::test]
async fn streams_have_no_age_and_are_not_closed_for_others_but_when_they_are_blocked() {
    let limiter = ConnectionLimiter::new(limits());
    let mut stream = connect(&limiter, "10.0.0.1");
    stream.begin_request(seconds(1));
    stream.become_stream();
    assert_eq!(stream.next_event().now_or_never(), Some(ConnectionEvent::Streams));
    stream.end_request(seconds(1));
    // More than there may be: the oldest of them is evicted, and not the stream.
    let mut others: Vec<ConnectionGuard> = (0..5).map(|_| connect(&limiter, "10.0.0.1")).collect();
    others.iter().for_each(|other| other.begin_request(seconds(1)));
    assert_eq!(stream.next_event().now_or_never(), None);
    assert_eq!(others[0].next_event().now_or_never(), Some(ConnectionEvent::Evicted));
    limiter.close_oldest(Duration::ZERO, seconds(2));
    assert_eq!(stream.next_event().now_or_never(), None);
    let deadline = || stream.deadline(limiter.limits());
    assert_eq!(deadline(), MonoTime::MAX);
    stream.record_write(true, || seconds(100));
    stream.record_write(true, || seconds(105));
    assert_eq!(deadline(), seconds(100).after(STREAM_WRITE_TIME));
    stream.record_write(false, || seconds(108));
    assert_eq!(deadline(), MonoTime::MAX);
}

fn move_to(guard: &mut ConnectionGuard, address: &str, is_known: bool) -> bool {
    guard.move_to(RemoteAddress::new(address.parse().unwrap(), Some(1)), is_known)
}

/// A connection whose proxy names its client counts there in one step.
#[test]
fn a_connection_that_moves_to_its_client_leaves_one_limit_and_meets_another() {
    let limiter = ConnectionLimiter::new(limits());
    let mut moved = connect(&limiter, "10.0.0.1");
    let accepted = moved.deadline(limiter.limits());
    let at_client: Vec<_> = (0..2).map(|_| connect(&limiter, "10.0.0.2")).collect();
    assert!(!move_to(&mut moved, "10.0.0.2", false), "the third of this address");
    assert_eq!(limiter.connections(), 3);
    assert_eq!(moved.remote.to_string(), "10.0.0.2:1");
    assert_eq!(moved.deadline(limiter.limits()), accepted, "its time goes on");
    // Of its new address: one more closes the oldest there, not the newest that has moved.
    let mut another = connect(&limiter, "10.0.0.3");
    let mut guards: Vec<_> = at_client.into_iter().chain([moved]).collect();
    assert!(move_to(&mut another, "10.0.0.2", false), "one is closed for it");
    let lost = |guard: &mut ConnectionGuard| {
        guard.permit.as_ref().unwrap().evicted().now_or_never().is_some()
    };
    assert_eq!(guards.iter_mut().map(lost).collect::<Vec<_>>(), [true, false, false]);
    assert!(!lost(&mut another));
    // The connection that others look for is the moved one.
    limiter.close_all_when_idle();
    assert_eq!(guards[2].take_event(), Some(ConnectionEvent::Close));
    drop((guards, another));
    assert_eq!(limiter.connections(), 0);
}

/// What was decided while the proxy was silent stays so: the move is no way around a limit.
#[tokio::test]
async fn a_connection_that_must_close_does_so_at_its_client_too() {
    let limiter = ConnectionLimiter::new(limits());
    let mut guards: Vec<_> = (0..5).map(|_| connect(&limiter, "10.0.0.1")).collect();
    // Three are admitted: the permits of the first two are evicted. One moves before that is noticed, one after it.
    assert!(!move_to(&mut guards[0], "10.0.0.9", false), "it gets no permit again");
    assert_eq!(guards[1].next_event().now_or_never(), None);
    assert!(!move_to(&mut guards[1], "10.0.0.8", false));
    for guard in &mut guards[..2] {
        assert_eq!(guard.next_event().now_or_never(), None, "it may only log in");
        guard.record_anonymous_request();
        assert_eq!(guard.next_event().now_or_never(), Some(ConnectionEvent::Evicted));
    }
    // Open files are short, or the listener closes.
    limiter.open.lock().evict(&guards[2]);
    limiter.close_all_when_idle();
    for guard in &mut guards[2..] {
        assert!(!move_to(guard, "10.0.0.7", false));
    }
    let events: Vec<_> = guards[2..].iter_mut().map(ConnectionGuard::take_event).collect();
    let expected = [ConnectionEvent::Evicted, ConnectionEvent::Close, ConnectionEvent::Close];
    assert_eq!(events, expected.map(Some));
}

#[test]
fn a_moved_connection_takes_its_width_along() {
    let limiter = ConnectionLimiter::new(limits());
    let mut moved = connect_from(&limiter, "10.0.0.1", true);
    assert_eq!(moved.streams_max(), WIDE_STREAMS);
    move_to(&mut moved, "10.0.0.2", false);
    assert_eq!(moved.streams_max(), NARROW_STREAMS);
    move_to(&mut moved, "10.0.0.3", true);
    assert_eq!(moved.streams_max(), WIDE_STREAMS);
    let count = |address: &str| {
        let address = ClientAddress::from(address.parse::<std::net::IpAddr>().unwrap());
        limiter.open.lock().wide_by_address.get(&address).copied()
    };
    assert_eq!(["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(count), [None, None, Some(1)]);
    drop(moved);
    assert!(limiter.open.lock().wide_by_address.is_empty());
}
