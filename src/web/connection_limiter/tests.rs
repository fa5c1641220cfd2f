//! Whose connections make room for whose.

use futures_util::FutureExt;

use super::*;

/// Few places; the usual times.
fn bounds() -> ConnectionLimits {
    let limits = HttpLimits {
        unauthenticated: net::PlaceLimits { total: 4, per_origin: 3, kept_for_known: 0 },
        of_peers_max: 4,
        of_one_peer_max: 3,
        stranger_requests_per_second: 10,
    };
    ConnectionLimits { limits, ..ConnectionLimits::default() }
}

fn seconds(seconds: u64) -> MonoTime {
    MonoTime(seconds * 1_000_000_000)
}

fn peer(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn enter(guests: &Arc<Connections>, address: &str) -> ConnectionPlace {
    let remote = SocketAddr::new(address.parse().unwrap(), 1);
    guests.enter(remote, false, seconds(0)).0
}

/// A connection of a peer's, used at `at`.
fn of(guests: &Arc<Connections>, id: &str, at: u64) -> Result<ConnectionPlace, TooManyConnections> {
    let mut place = enter(guests, "10.0.0.1");
    guests.set_owner(&place, &peer(id))?;
    place.begins(seconds(at));
    place.ends(seconds(at));
    assert_eq!(place.news(), Some(Told::Owned));
    Ok(place)
}

fn is_evicted(place: &mut ConnectionPlace) -> bool {
    place.news() == Some(Told::Evicted)
}

#[test]
fn a_peer_at_its_limit_makes_room_for_itself() {
    let guests = Connections::new(bounds());
    let mut places: Vec<ConnectionPlace> =
        [3, 1, 2].map(|at| of(&guests, "alice", at).unwrap()).into_iter().collect();
    places[1].begins(seconds(4));
    places.push(of(&guests, "alice", 5).unwrap());
    assert!(!is_evicted(&mut places[1]), "it is in use");
    assert!(is_evicted(&mut places[2]), "of the idle ones it was used longest ago");
    assert!(!is_evicted(&mut places[0]) && !is_evicted(&mut places[3]));
    places[0].begins(seconds(6));
    places[3].begins(seconds(6));
    assert_eq!(of(&guests, "alice", 7).unwrap_err(), TooManyConnections, "all are in use");
    assert!(of(&guests, "bob", 7).is_ok());
}

#[test]
fn the_peer_that_has_most_makes_room_for_another_peer() {
    let guests = Connections::new(bounds());
    let mut alices = [1, 2, 3].map(|at| of(&guests, "alice", at).unwrap());
    let mut bob = of(&guests, "bob", 1).unwrap();
    for alice in &alices {
        alice.begins(seconds(5));
    }
    alices[1].ends(seconds(6));
    let mut carol = of(&guests, "carol", 7).unwrap();
    assert!(is_evicted(&mut alices[1]), "the only idle one of who has most");
    let dave = of(&guests, "dave", 8).unwrap();
    assert!(is_evicted(&mut alices[0]), "none is idle: the oldest");
    assert_eq!(
        of(&guests, "erin", 9).unwrap_err(),
        TooManyConnections,
        "all have their fair share"
    );
    assert!(!is_evicted(&mut bob) && !is_evicted(&mut carol) && !is_evicted(&mut alices[2]));
    // One of those that share has to be content with what it has.
    let _again = of(&guests, "dave", 9).unwrap();
    drop(dave);
    drop((alices, bob, carol, _again));
    let open = guests.open.lock();
    assert!(open.of_peer.is_empty() && open.guests.is_empty() && open.peers_total == 0);
}

#[test]
fn strangers_and_peers_do_not_take_places_of_each_other() {
    let guests = Connections::new(bounds());
    let alices = [1, 2, 3].map(|at| of(&guests, "alice", at).unwrap());
    let mut strangers: Vec<ConnectionPlace> = (0..3).map(|_| enter(&guests, "10.0.0.9")).collect();
    strangers.push(enter(&guests, "10.0.0.9"));
    assert!(strangers[0].stranger.is_some(), "and it hears of it, see transport");
    let mut bob = enter(&guests, "10.0.0.9");
    assert_eq!(guests.set_owner(&bob, &peer("bob")), Ok(()));
    assert_eq!(guests.set_owner(&bob, &peer("alice")), Ok(()), "it stays the first one's");
    assert_eq!(bob.news(), Some(Told::Owned));
    assert_eq!(bob.news(), None);
    assert_eq!(guests.open.lock().of_peer.len(), 2);
    drop(alices);
}

#[test]
fn who_may_stay_how_long() {
    let guests = Connections::new(bounds());
    let guest = enter(&guests, "10.0.0.1");
    let check = |expected: MonoTime| assert_eq!(guest.leaves_at(&bounds()), expected);
    check(seconds(10));
    guest.begins(seconds(5));
    check(seconds(60));
    guests.set_owner(&guest, &peer("alice")).unwrap();
    check(MonoTime::MAX);
    guest.ends(seconds(7));
    check(seconds(127));
    guest.begins(seconds(100));
    guest.begins(seconds(101));
    guest.ends(seconds(102));
    check(MonoTime::MAX);
    guest.ends(seconds(103));
    check(seconds(223));
}

#[test]
fn connections_from_where_peers_have_logged_in_take_more_side_by_side_up_to_a_number() {
    let limits = HttpLimits::default();
    let guests = Connections::new(ConnectionLimits { limits, ..bounds() });
    let enter = |address: &str, is_known| {
        let remote = SocketAddr::new(address.parse().unwrap(), 1);
        guests.enter(remote, is_known, seconds(0)).0
    };
    assert!(!enter("10.0.0.1", false).is_wide);
    let known: Vec<ConnectionPlace> = (0..20).map(|_| enter("10.0.0.2", true)).collect();
    assert_eq!(known.iter().filter(|place| place.is_wide).count(), WIDE_PER_ORIGIN_MAX);
    assert!(enter("10.0.0.3", true).is_wide);
    drop(known);
    assert!(enter("10.0.0.2", true).is_wide);
    assert!(guests.open.lock().wide_of.is_empty());
    // A peer that wants more than a narrow one takes is sent to another one, once.
    let mut narrow = enter("10.0.0.4", false);
    guests.set_owner(&narrow, &peer("alice")).unwrap();
    assert_eq!(narrow.news(), Some(Told::Owned));
    for _ in 1..NARROW_STREAMS {
        narrow.begins(seconds(1));
    }
    assert_eq!(narrow.news(), None);
    narrow.begins(seconds(1));
    assert_eq!((narrow.news(), narrow.news()), (Some(Told::Outgrown), None));
}

#[test]
fn strangers_have_a_budget_and_who_has_authenticated_has_one_of_its_own() {
    let guests = Connections::new(bounds());
    let (stranger, other) = (enter(&guests, "10.0.0.1"), enter(&guests, "10.0.0.1"));
    let now = seconds(1);
    let admitted = (0..100).filter(|_| guests.admits(&stranger, false, now).is_ok()).count();
    assert_eq!(admitted, 10, "two seconds of half of ten");
    assert_eq!(guests.admits(&other, false, now), Err(RetryAfter), "the address counts");
    assert_eq!(guests.admits(&other, true, now), Ok(()), "who brings a token is let try it");
    guests.has_read(&stranger, 1_000_000, now);
    assert_eq!(guests.reads_at(&other, now), now, "it has not said anything yet");
    guests.has_read(&other, FIRST_FRAMES, now);
    assert!(guests.reads_at(&other, now) > now);
    guests.set_owner(&other, &peer("alice")).unwrap();
    assert_eq!(guests.reads_at(&other, now), now);
    assert_eq!(guests.admits(&other, false, now), Ok(()));
    guests.has_read(&other, 5000, now);
    assert!(guests.reads_at(&other, now) > now, "frames without requests");
    for _ in 0..1000 {
        assert_eq!(guests.admits(&other, true, now), Ok(()));
    }
    assert_eq!(guests.reads_at(&other, now), now, "requests bring their own");
}

#[test]
fn wrong_tokens_end_the_connection_and_then_the_address_has_to_wait() {
    let guests = Connections::new(bounds());
    let (mut tries, now) = (0, seconds(1));
    let mut guest = enter(&guests, "10.0.0.1");
    while guests.admits(&guest, true, now).is_ok() {
        tries += 1;
        if guests.wrong_token(&guest, now) {
            guest = enter(&guests, "10.0.0.1");
            assert_eq!(tries % WRONG_TOKENS_OF_CONNECTION_MAX, 0);
        }
    }
    assert_eq!(tries, 200, "two seconds of half of 200");
    assert_eq!(guests.admits(&enter(&guests, "10.0.0.2"), true, now), Ok(()));
    assert_eq!(guests.admits(&guest, true, seconds(2)), Ok(()));
}

#[tokio::test]
async fn who_loses_a_place_before_it_could_say_anything_has_a_moment_to_log_in() {
    let guests = Connections::new(bounds());
    let mut places: Vec<ConnectionPlace> = (0..5).map(|_| enter(&guests, "10.0.0.1")).collect();
    // Three may stay: the first two have lost their places.
    assert_eq!(places[0].told().now_or_never(), None);
    guests.set_owner(&places[0], &peer("alice")).unwrap();
    assert_eq!(places[0].told().await, Told::Owned);
    assert_eq!(places[0].told().now_or_never(), None, "it stays");
    // The wait is one, however often it is looked at.
    assert_eq!(places[1].told().now_or_never(), None);
    assert_eq!(places[1].told().now_or_never(), None);
    places[1].asks_as_stranger();
    assert_eq!(places[1].told().now_or_never(), Some(Told::Evicted));
    places[0].asks_as_stranger();
    assert_eq!(places[0].told().now_or_never(), None, "a peer asks what it likes");
    // What has asked already had its moment.
    places[2].begins(seconds(1));
    let _other = enter(&guests, "10.0.0.1");
    assert_eq!(places[2].told().now_or_never(), Some(Told::Evicted));
    // What says nothing goes in the end.
    let _another = enter(&guests, "10.0.0.1");
    assert_eq!(places[3].told().await, Told::Evicted);
}
