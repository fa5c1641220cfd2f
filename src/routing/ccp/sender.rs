//! Decides when an update goes to one peer, and from which epoch of the log.

use std::time::Duration;

use super::change_log::ChangeLog;
use super::retry::{ANSWER_TIMEOUT, RetryBackoff};
use crate::time::MonoTime;
use crate::wire::ccp::{RouteControl, RouteControlMode, TableId};

/// Time between updates about new changes. The parts of a large table follow each other without it,
/// each after the answer to the one before.
pub(super) const UPDATE_SPACING: Duration = Duration::from_millis(150);

/// The state of the updates to one peer.
#[derive(Debug, Default)]
pub(super) struct RouteSender {
    mode: Option<RouteControlMode>,
    /// How often this peer got a table id of its own, see [`RouteSender::table_id`].
    table_resets: u32,
    /// An update was sent under this table id.
    is_table_sent: bool,
    /// The epoch up to which the peer has acknowledged updates.
    acknowledged: u32,
    /// The peer got no update before this epoch under this table id, so it needs no withdrawals from there.
    fresh_below: u32,
    in_flight: Option<InFlight>,
    /// Updates up to this epoch follow each other without spacing.
    batch_until: u32,
    send_not_before: Option<MonoTime>,
    last_sent: Option<MonoTime>,
    /// No control makes an update due before this, so that repeated controls cause no flood.
    resend_not_before: Option<MonoTime>,
    retry: RetryBackoff,
    /// Updates sent, heartbeats included.
    pub(super) sent_total: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    serial: u64,
    to: u32,
    sent: MonoTime,
}

/// An update that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueUpdate {
    /// The first epoch of the update; the current one for a heartbeat.
    pub(super) from: u32,
    /// Entries before this epoch need no withdrawals.
    pub(super) fresh_below: u32,
}

impl RouteSender {
    /// Whether the peer wants updates.
    pub(super) fn is_subscribed(&self) -> bool {
        self.mode == Some(RouteControlMode::Sync)
    }

    /// The epoch up to which the peer has acknowledged updates.
    pub(super) fn acknowledged(&self) -> u32 {
        self.acknowledged
    }

    /// The epoch up to which the peer needs no withdrawals.
    pub(super) fn settled_epoch(&self) -> u32 {
        self.acknowledged.max(self.fresh_below)
    }

    /// The id of our table for this peer. A new id makes all earlier routes invalid, so one peer
    /// can get the whole table again without cost for the others.
    pub(super) fn table_id(&self, log: &ChangeLog) -> TableId {
        let TableId(mut id) = log.table();
        if let Some(tail) = id.last_chunk_mut::<4>() {
            *tail = u32::from_be_bytes(*tail).wrapping_add(self.table_resets).to_be_bytes();
        }
        TableId(id)
    }

    /// Applies a control. A known table id continues at the peer's epoch, any other one begins at
    /// 0. [row 102] An idle control ends updates. [row 103] An update in flight no longer counts.
    pub(super) fn apply_control(&mut self, control: &RouteControl<'_>, log: &ChangeLog) {
        let continues = control.last_known_table == self.table_id(log);
        let known = if continues { control.last_known_epoch.min(log.epoch()) } else { 0 };
        // The log has dropped withdrawals that the peer needs.
        let is_pruned = 0 < known && known < log.pruned_before();
        let known = if is_pruned { 0 } else { known };
        // A peer that asks for all may still get an update that is on its way, and then needs the withdrawals of what
        // is in it. A new table id replaces it.
        let asks_for_all = control.mode == RouteControlMode::Sync && known == 0;
        let gets_new_table =
            is_pruned || (asks_for_all && self.is_table_sent && !planted!(TableKept));
        let is_table_sent = self.is_table_sent && !gets_new_table;
        let table_resets = self.table_resets.wrapping_add(gets_new_table.into());
        *self = Self {
            table_resets,
            is_table_sent,
            mode: Some(control.mode),
            acknowledged: known,
            fresh_below: if known == 0 { log.epoch() } else { 0 },
            batch_until: log.epoch(),
            send_not_before: self.resend_not_before,
            ..self.unsubscribed()
        };
    }

    /// Gives the peer a new table id, and sends it the whole table.
    pub(super) fn reset_table(&mut self, current: u32) {
        let mode = self.mode;
        let table_resets = self.table_resets.wrapping_add(1);
        let is_table_sent = false;
        *self =
            Self { mode, fresh_below: current, table_resets, is_table_sent, ..self.unsubscribed() };
    }

    /// After a restart of the log: sends the whole table.
    pub(super) fn restart(&mut self, current: u32) {
        let (mode, is_table_sent) = (self.mode, false);
        *self = Self { mode, fresh_below: current, is_table_sent, ..self.unsubscribed() };
    }

    /// Ends updates.
    pub(super) fn stop(&mut self) {
        *self = self.unsubscribed();
    }

    /// The state without a subscription; totals and limits stay.
    fn unsubscribed(&self) -> Self {
        Self {
            table_resets: self.table_resets,
            is_table_sent: self.is_table_sent,
            resend_not_before: self.resend_not_before,
            sent_total: self.sent_total,
            ..Self::default()
        }
    }

    /// The update that is due now. An update without an answer in time counts as not sent. Without
    /// changes, an empty update is due once per `interval`. [row 111]
    pub(super) fn due_update(
        &mut self,
        current: u32,
        now: MonoTime,
        interval: Duration,
    ) -> Option<DueUpdate> {
        if !self.is_subscribed() {
            return None;
        }
        if let Some(update) = self.in_flight {
            if now < update.sent.after(ANSWER_TIMEOUT) {
                return None;
            }
            self.in_flight = None;
            self.send_not_before = Some(self.retry.record_failure(now));
        }
        if self.send_not_before.is_some_and(|moment| now < moment) {
            return None;
        }
        let since = |time| self.last_sent.is_none_or(|sent| now >= sent.after(time));
        if self.acknowledged < current && self.acknowledged >= self.batch_until {
            if !since(UPDATE_SPACING) {
                return None;
            }
            self.batch_until = current;
        } else if self.acknowledged >= current && !since(interval) {
            return None;
        }
        Some(DueUpdate { from: self.acknowledged.min(current), fresh_below: self.fresh_below })
    }

    /// Records that an update up to epoch `to`, exclusive, was sent.
    pub(super) fn mark_sent(&mut self, serial: u64, to: u32, now: MonoTime) {
        self.in_flight = Some(InFlight { serial, to, sent: now });
        self.last_sent = Some(now);
        self.resend_not_before = Some(now.after(UPDATE_SPACING));
        self.send_not_before = None;
        self.is_table_sent = true;
        self.sent_total += 1;
    }

    /// Records the answer to the update with this serial number.
    pub(super) fn record_answer(&mut self, serial: u64, accepted: bool, now: MonoTime) {
        let Some(update) = self.in_flight.filter(|update| update.serial == serial) else { return };
        self.in_flight = None;
        if accepted {
            self.acknowledged = update.to;
            self.retry.record_success();
        } else {
            self.send_not_before = Some(self.retry.record_failure(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ccp::change_log::RouteChange;
    use crate::routing::ccp::tests::ms;

    const INTERVAL: Duration = Duration::from_secs(30);
    const TABLE: TableId = TableId([7; 16]);

    /// A log of `current` changes.
    fn log(current: u32) -> ChangeLog {
        let mut log = ChangeLog::new(TABLE, ahash::RandomState::with_seeds(1, 2, 3, 4));
        (0..current)
            .for_each(|at| log.record(format!("g.{at}").parse().unwrap(), RouteChange::Withdrawn));
        log
    }

    /// A sender after a control from a peer that has reached `epoch` of `table`.
    fn subscribed(table: TableId, epoch: u32, current: u32) -> RouteSender {
        let mut sender = RouteSender::default();
        sender.apply_control(&sync(table, epoch), &log(current));
        sender
    }

    fn sync(table: TableId, epoch: u32) -> RouteControl<'static> {
        RouteControl::new(RouteControlMode::Sync, table, epoch)
    }

    fn due_from(sender: &mut RouteSender, current: u32, at: u64) -> Option<u32> {
        sender.due_update(current, ms(at), INTERVAL).map(|due| due.from)
    }

    #[test]
    fn updates_begin_at_the_epoch_of_the_control() {
        assert_eq!(due_from(&mut RouteSender::default(), 5, 0), None);
        for (table, known, expected) in
            [(TableId::NONE, 0, 0), (TableId::NONE, 3, 0), (TABLE, 3, 3), (TABLE, 9, 5)]
        {
            assert_eq!(due_from(&mut subscribed(table, known, 5), 5, 0), Some(expected));
        }
        let mut idle = subscribed(TABLE, 3, 5);
        idle.apply_control(&RouteControl::new(RouteControlMode::Idle, TABLE, 3), &log(5));
        assert_eq!(due_from(&mut idle, 5, 99_999), None);
    }

    #[test]
    fn a_large_table_is_sent_without_spacing_and_changes_with_it() {
        let mut sender = subscribed(TableId::NONE, 0, 100);
        for (serial, to) in [(1, 40), (2, 80), (3, 100)] {
            assert!(due_from(&mut sender, 100, 10).is_some());
            sender.mark_sent(serial, to, ms(10));
            assert_eq!(due_from(&mut sender, 100, 10), None);
            sender.record_answer(serial, true, ms(10));
        }
        assert_eq!(due_from(&mut sender, 100, 10), None);
        // A change soon after.
        assert_eq!(due_from(&mut sender, 101, 159), None);
        assert_eq!(due_from(&mut sender, 101, 160), Some(100));
        sender.mark_sent(4, 101, ms(160));
        sender.record_answer(4, true, ms(161));
        // No change: a heartbeat.
        assert_eq!(due_from(&mut sender, 101, 30_159), None);
        assert_eq!(due_from(&mut sender, 101, 30_160), Some(101));
    }

    #[test]
    fn repeated_controls_cause_no_flood_of_updates() {
        let mut sender = subscribed(TableId::NONE, 0, 5);
        assert!(due_from(&mut sender, 5, 1_000).is_some());
        sender.mark_sent(1, 5, ms(1_000));
        sender.record_answer(1, true, ms(1_001));
        for at in [1_001, 1_002, 1_149] {
            sender.apply_control(&sync(TABLE, 0), &log(5));
            assert_eq!(due_from(&mut sender, 5, at), None);
        }
        assert_eq!(due_from(&mut sender, 5, 1_150), Some(0));
    }

    #[test]
    fn a_refused_or_unanswered_update_is_sent_again() {
        let mut sender = subscribed(TableId::NONE, 0, 5);
        assert!(due_from(&mut sender, 5, 0).is_some());
        sender.mark_sent(1, 5, ms(0));
        sender.record_answer(1, false, ms(1));
        assert_eq!(due_from(&mut sender, 5, 500), None);
        assert_eq!(due_from(&mut sender, 5, 501), Some(0));
        sender.mark_sent(2, 5, ms(501));
        assert_eq!(due_from(&mut sender, 5, 30_500), None);
        assert_eq!(due_from(&mut sender, 5, 30_501), None);
        assert_eq!(due_from(&mut sender, 5, 31_501), Some(0));
        sender.mark_sent(3, 5, ms(31_501));
        sender.record_answer(2, true, ms(31_502));
        assert_eq!(sender.acknowledged(), 0, "the answer to an update that timed out");
        sender.record_answer(3, true, ms(31_503));
        assert_eq!(sender.acknowledged(), 5);
    }

    #[test]
    fn a_peer_that_missed_pruned_withdrawals_gets_a_new_table_id() {
        let mut log = log(5);
        log.prune(3);
        let mut sender = RouteSender::default();
        let mut acknowledges = |epoch| {
            let table = sender.table_id(&log);
            sender.apply_control(&sync(table, epoch), &log);
            (sender.acknowledged(), sender.table_id(&log) != table)
        };
        assert_eq!(acknowledges(4), (4, false));
        assert_eq!(acknowledges(3), (3, false));
        assert_eq!(acknowledges(2), (0, true));
        assert_eq!(acknowledges(0), (0, false), "a peer without routes needs no withdrawals");
        sender.stop();
        assert_ne!(sender.table_id(&log), log.table(), "also after the link was lost");
    }

    /// An update may be on its way while the peer asks, and have routes that are withdrawn meanwhile.
    #[test]
    fn a_peer_that_knows_nothing_gets_a_new_table_id_once_something_was_sent() {
        let log = log(5);
        let mut sender = RouteSender::default();
        let asks = |sender: &mut RouteSender, epoch| {
            let table = sender.table_id(&log);
            sender
                .apply_control(&sync(if epoch == 0 { TableId::NONE } else { table }, epoch), &log);
            sender.table_id(&log) != table
        };
        assert_eq!([asks(&mut sender, 0), asks(&mut sender, 0)], [false, false]);
        sender.mark_sent(1, 5, ms(0));
        assert!(!asks(&mut sender, 5), "it knows the update");
        let table = sender.table_id(&log);
        sender.apply_control(&RouteControl::new(RouteControlMode::Idle, TableId::NONE, 0), &log);
        assert_eq!(sender.table_id(&log), table, "it asks for nothing");
        assert_eq!([asks(&mut sender, 0), asks(&mut sender, 0)], [true, false]);
        sender.mark_sent(2, 5, ms(200));
        sender.stop();
        assert_eq!([asks(&mut sender, 0), asks(&mut sender, 0)], [true, false]);
        sender.mark_sent(3, 5, ms(400));
        sender.reset_table(5);
        assert!(!asks(&mut sender, 0), "it is new already");
    }

    #[test]
    fn a_control_cancels_the_update_in_flight() {
        let mut sender = subscribed(TABLE, 4, 5);
        sender.mark_sent(1, 5, ms(0));
        sender.apply_control(&sync(TableId::NONE, 0), &log(5));
        sender.record_answer(1, true, ms(1));
        assert_eq!(due_from(&mut sender, 5, 150), Some(0));
    }
}
