//! Events, states and log lines that the sessions of a peer cause.

use super::*;

enum Step {
    Attempt,
    Failed,
    Refused,
    MarkDown,
    Up,
    Down,
    Suspend(bool),
    Stop,
    LoginRefused,
}
use Step::{Attempt, Down, Failed, LoginRefused, MarkDown, Refused, Stop, Suspend, Up};

/// Each step with the state after it and its event.
fn check(story: &[(Step, PeerState, &str)]) {
    let peers = Peers::default();
    let mut events = peers.subscribe();
    let status = peers.status(&"bob".parse().unwrap());
    for (index, (step, state, event)) in story.iter().enumerate() {
        match step {
            Attempt => status.record_attempt("ws://b/"),
            Failed => status.record_failed_attempt(
                "connection refused",
                AttemptFailure::Unreachable,
                Duration::ZERO,
            ),
            Refused => status.record_failed_attempt("F00", AttemptFailure::Refused, Duration::ZERO),
            MarkDown => status.mark_down(),
            Up => status.add_session("dialled", "b"),
            Down => status.remove_session("dialled", &CloseReason::Broken("reset".to_owned())),
            Suspend(suspended) => status.set_suspended(*suspended),
            Stop => status.record_stop_of_dialling(),
            LoginRefused => peers.record_refused_login(Some(&status.id), "1.2.3.4:5", "wrong"),
        }
        assert_eq!(status.snapshot().state, *state, "step {index}");
        let logged = match events.try_recv() {
            Ok(PeerEvent { change, .. }) => match change {
                PeerChange::Connecting => "connecting",
                PeerChange::Connected => "connected",
                PeerChange::Disconnected(_) => "disconnected",
                PeerChange::AuthenticationFailed(_) => "refused",
                PeerChange::LoginRefused(_) => "login refused",
                PeerChange::BecameDown => "became down",
            },
            Err(_) => "",
        };
        assert_eq!(logged, *event, "step {index}");
        assert!(events.try_recv().is_err(), "one event at most, step {index}");
    }
}

/// A peer that reconnects as fast as it can, or a server that accepts and closes, does not fill the log.
#[test]
fn lines_about_one_peer_are_ten_a_minute_and_then_a_count() {
    let peers = Peers::default();
    let log = crate::testing::Log::of_this_thread();
    let [bob, carol] = ["bob", "carol"].map(|id| peers.status(&id.parse().unwrap()));
    let ended = CloseReason::Broken("reset".to_owned());
    for _ in 0..500 {
        bob.record_attempt("ws://b/");
        bob.add_session("dialled", "b");
        bob.remove_session("dialled", &ended);
    }
    for _ in 0..500 {
        bob.record_failed_attempt("no", AttemptFailure::Refused, Duration::ZERO);
        bob.record_failed_attempt("no", AttemptFailure::Unusable, Duration::ZERO);
    }
    carol.add_session("accepted", "c");
    let logged = |text: &str| {
        let is_told = |line: &&str| !line.starts_with("DEBUG") && line.contains(text);
        log.text().lines().filter(is_told).count()
    };
    assert_eq!(logged("peer=bob"), 20, "{}", log.text());
    assert_eq!(
        logged("message=connected peer=carol"),
        1,
        "lines about other peers are not affected"
    );
    // Without another event the count is logged when the minute is over.
    bob.log_suppressed(bob.lines.now());
    assert_eq!(logged("suppressed=1"), 0);
    let later = bob.lines.now().after(Duration::from_secs(60));
    bob.log_suppressed(later);
    bob.log_suppressed(later);
    assert_eq!(logged("message=more happened with the peer than was logged peer=bob"), 1);
    let counts = bob.snapshot().counts;
    assert_eq!((counts.sessions, counts.failed_attempts), (500, 1000), "all are counted");
}

/// Many guests together cause as many lines of each kind as one peer, and no kind of line hides another.
#[test]
fn lines_of_each_kind_about_all_guests_are_bounded_together() {
    let peers = Peers::default();
    let log = crate::testing::Log::of_this_thread();
    let at = MonoTime(1_000_000_000);
    for number in 0..100 {
        let guest = peers.status(&crate::peers::guest_id(&[number]));
        for _ in 0..3 {
            guest.add_session("accepted", "g");
        }
        guest.remove_session("accepted", &crate::connector::REPLACED.into());
        guest.report_swapped_type(SwappedType::AnswerInMessage);
        guest.count_wrong_answer("it answers 404", at);
        if let Some(suppressed) = guest.admit_line() {
            tracing::warn!(suppressed, "another line");
        }
    }
    let bob = peers.status(&"bob".parse().unwrap());
    bob.add_session("accepted", "b");
    bob.add_session("accepted", "b");
    bob.remove_session("accepted", &crate::connector::REPLACED.into());
    let text = log.text();
    let logged = |message: &str| {
        let is_told = |line: &&str| !line.starts_with("DEBUG") && line.contains(message);
        text.lines().filter(is_told).map(|line| line.contains("guest~")).collect::<Vec<_>>()
    };
    assert_eq!(logged("a later login replaced a session"), [true, false], "{text}");
    assert_eq!(logged("a packet of the peer was not accepted"), [true; 10], "{text}");
    assert_eq!(logged("the peer's answers are not those"), [true], "{text}");
    assert_eq!(logged("another line").len(), 10, "{text}");
    let later = peers.guest_lines.now().after(Duration::from_secs(60));
    peers.log_suppressed_of_guests(later);
    peers.log_suppressed_of_guests(later);
    let counted = "message=more happened with guests than was logged suppressed=279";
    assert_eq!(log.text().matches(counted).count(), 1, "{}", log.text());
}

/// The first line of the next minute has the number of lines that are missing before it.
#[test]
fn a_line_says_how_many_were_suppressed() {
    let log = crate::testing::Log::of_this_thread();
    let (events, lines) = (broadcast::Sender::new(EVENTS_MAX), Arc::default());
    let mut bob = PeerStatus::new("bob".parse().unwrap(), events, lines);
    let reconnect = |bob: &PeerStatus| {
        bob.add_session("dialled", "b");
        bob.remove_session("dialled", &CloseReason::Broken("reset".to_owned()));
    };
    for _ in 0..8 {
        reconnect(&bob);
    }
    Arc::get_mut(&mut bob.lines).unwrap().created_at -= Duration::from_secs(60);
    reconnect(&bob);
    let text = log.text();
    let lines = text.lines().filter(|line| line.starts_with("INFO"));
    let suppressed =
        |line: &str| line.split(" suppressed=").nth(1)?.split(' ').next()?.parse().ok();
    let counts: Vec<u64> = lines.map(|line| suppressed(line).expect(line)).collect();
    assert_eq!(counts, [vec![0; 10], vec![6, 0]].concat(), "{text}");
}

#[test]
fn a_peer_that_connects_and_disconnects() {
    check(&[
        (Attempt, PeerState::Connecting, "connecting"),
        (Failed, PeerState::Connecting, ""),
        (Attempt, PeerState::Connecting, ""),
        (Up, PeerState::Connected, "connected"),
        (Down, PeerState::Disconnected, "disconnected"),
        (Attempt, PeerState::Connecting, "connecting"),
        (Failed, PeerState::Connecting, ""),
        (MarkDown, PeerState::Down, "became down"),
        (Attempt, PeerState::Down, ""),
        (Failed, PeerState::Down, ""),
        (Attempt, PeerState::Down, ""),
        (Up, PeerState::Connected, "connected"),
    ]);
}

#[test]
fn a_refused_login_is_one_event_until_the_state_changes() {
    check(&[
        (Attempt, PeerState::Connecting, "connecting"),
        (Refused, PeerState::AuthenticationFailed, "refused"),
        (Attempt, PeerState::AuthenticationFailed, ""),
        (Refused, PeerState::AuthenticationFailed, ""),
        (Failed, PeerState::Connecting, ""),
        (Refused, PeerState::AuthenticationFailed, "refused"),
        (MarkDown, PeerState::Down, "became down"),
        (Refused, PeerState::Down, ""),
        (Up, PeerState::Connected, "connected"),
    ]);
}

#[test]
fn two_sessions_are_one_peer() {
    check(&[
        (Up, PeerState::Connected, "connected"),
        (Attempt, PeerState::Connected, ""),
        (Failed, PeerState::Connected, ""),
        (Refused, PeerState::Connected, ""),
        (MarkDown, PeerState::Connected, ""),
        (Up, PeerState::Connected, ""),
        (Down, PeerState::Connected, ""),
        (Down, PeerState::Disconnected, "disconnected"),
    ]);
}

#[test]
fn a_peer_that_is_no_longer_dialled_is_waiting() {
    check(&[
        (Attempt, PeerState::Connecting, "connecting"),
        (Failed, PeerState::Connecting, ""),
        (Stop, PeerState::Waiting, ""),
        (Up, PeerState::Connected, "connected"),
        (Stop, PeerState::Connected, ""),
        (Suspend(true), PeerState::Suspended, ""),
        (Down, PeerState::Suspended, "disconnected"),
        (Stop, PeerState::Suspended, ""),
    ]);
}

#[test]
fn a_suspended_peer_stays_so_until_it_is_resumed() {
    check(&[
        (Up, PeerState::Connected, "connected"),
        (Suspend(true), PeerState::Suspended, ""),
        (Down, PeerState::Suspended, "disconnected"),
        (MarkDown, PeerState::Suspended, ""),
        (Suspend(false), PeerState::Waiting, ""),
        (Attempt, PeerState::Connecting, "connecting"),
        (Suspend(false), PeerState::Connecting, ""),
    ]);
}

#[test]
fn counters_and_errors() {
    let peers = Peers::default();
    let status = peers.status(&"bob".parse().unwrap());
    status.record_attempt("ws://b/");
    status.record_failed_attempt("connection refused", AttemptFailure::Unreachable, Duration::ZERO);
    assert_eq!(status.snapshot().last_error.as_deref(), Some("connection refused"));
    status.record_failed_attempt("F00", AttemptFailure::Refused, Duration::ZERO);
    status.add_session("dialled", "b");
    assert_eq!(status.snapshot().last_error, None);
    status.remove_session("dialled", &CloseReason::ByUs { code: 1001, reason: "going away" });
    status.add_session("dialled", "b");
    status.count_mistake(PeerMistake::Unreadable, "x", MonoTime(0));
    status.count_mistake(PeerMistake::Refused, "x", MonoTime(1));
    status.count_mistake(PeerMistake::Refused, "x", MonoTime(2));
    let expected = PeerCounts {
        sessions: 2,
        reconnects: 1,
        failed_attempts: 2,
        authentication_failures: 1,
        refused_logins: 0,
        unreadable_frames: 1,
        refused_frames: 2,
        wrong_answers: 0,
    };
    assert_eq!(peers.snapshot().remove(0).counts, expected);
    assert!(Arc::ptr_eq(&status, &peers.status(&status.id)));
    peers.forget(&status.id);
    assert!(peers.snapshot().is_empty());
}

#[test]
fn a_slow_subscriber_delays_nothing_and_loses_events() {
    let peers = Peers::default();
    let mut slow = peers.subscribe();
    let status = peers.status(&"bob".parse().unwrap());
    for _ in 0..2 * EVENTS_MAX {
        status.add_session("dialled", "b");
        status.remove_session("dialled", &CloseReason::Broken(String::new()));
    }
    assert!(
        matches!(slow.try_recv(), Err(broadcast::error::TryRecvError::Lagged(lost)) if lost > 0)
    );
}

/// The quick attempts ran out while the peer was connected from its own side. When that session is lost, it is down
/// with the next attempt that fails.
#[test]
fn a_peer_that_we_could_not_reach_is_down_after_its_own_session() {
    check(&[
        (Attempt, PeerState::Connecting, "connecting"),
        (Up, PeerState::Connected, "connected"),
        (Failed, PeerState::Connected, ""),
        (MarkDown, PeerState::Connected, ""),
        (Attempt, PeerState::Connected, ""),
        (Failed, PeerState::Connected, ""),
        (MarkDown, PeerState::Connected, ""),
        (Down, PeerState::Disconnected, "disconnected"),
        (Attempt, PeerState::Connecting, "connecting"),
        (Failed, PeerState::Connecting, ""),
        (MarkDown, PeerState::Down, "became down"),
        (Attempt, PeerState::Down, ""),
        (Failed, PeerState::Down, ""),
        (MarkDown, PeerState::Down, ""),
    ]);
}

#[test]
fn a_wrong_answer_is_the_last_error_until_a_right_one() {
    let peers = Peers::default();
    let status = peers.status(&"bob".parse().unwrap());
    let at = |seconds: u64| MonoTime(seconds * 1_000_000_000);
    status.add_session("dialled", "here");
    status.count_wrong_answer("it redirects", at(1));
    status.count_wrong_answer("it answers 404", at(2));
    let known = status.snapshot();
    assert_eq!((known.state, known.counts.wrong_answers), (PeerState::Connected, 2));
    assert_eq!(known.last_error.as_deref(), Some("it answers 404"));
    status.remove_session("dialled", &CloseReason::Broken("gone".to_owned()));
    assert!(
        status.snapshot().last_error.unwrap().contains("gone"),
        "the more serious error comes first"
    );
    status.add_session("dialled", "here");
    assert!(status.snapshot().last_error.is_some(), "a connection is no right answer");
    status.clear_wrong_answers();
    assert_eq!(status.snapshot().last_error, None);
}

#[test]
fn a_refused_login_is_the_state_of_a_peer_without_a_session() {
    check(&[
        (LoginRefused, PeerState::AuthenticationFailed, "login refused"),
        (LoginRefused, PeerState::AuthenticationFailed, ""),
        (Up, PeerState::Connected, "connected"),
        (LoginRefused, PeerState::Connected, ""),
        (Down, PeerState::Disconnected, "disconnected"),
        (LoginRefused, PeerState::AuthenticationFailed, "login refused"),
        (Suspend(true), PeerState::Suspended, ""),
        (LoginRefused, PeerState::Suspended, ""),
    ]);
    let peers = Peers::default();
    let bob = peers.status(&"bob".parse().unwrap());
    let known = peers.snapshot();
    peers.record_refused_login(None, "1.2.3.4:5", "wrong token");
    assert_eq!(peers.snapshot(), known, "unknown names leave nothing behind");
    peers.record_refused_login(Some(&bob.id), "1.2.3.4:5", "wrong token");
    let seen = bob.snapshot();
    let error = "its login was refused: wrong token (from 1.2.3.4:5)";
    assert_eq!(seen.last_error.as_deref(), Some(error));
    bob.add_session("accepted", "b");
    let seen = bob.snapshot();
    assert_eq!((seen.last_error, seen.counts.refused_logins), (None, 1), "it is in now");
    assert_eq!(seen.last_refused_login.unwrap().remote, "1.2.3.4:5", "but it is not forgotten");
    // A client with the name of a peer that we dial does not change its state.
    let dialled = peers.status(&"dialled".parse().unwrap());
    dialled.set_dialled(true);
    dialled.record_attempt("ws://d/");
    peers.record_refused_login(Some(&dialled.id), "1.2.3.4:5", "wrong token");
    let seen = dialled.snapshot();
    assert_eq!((seen.state, seen.counts.refused_logins), (PeerState::Connecting, 1));
    assert_eq!(seen.last_error, None);
}
