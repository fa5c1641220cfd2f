//! What operators want from a running node: overrides and their ends, and new sessions.

use std::time::Duration;

use super::node_task::NodeTask;
use super::overrides::{NewOverride, OVERRIDES_MAX, OverrideEffect, RunningOverride};
use crate::account::AccountId;
use crate::api::{OperatorVerb, OverrideEnd, VerbDone, VerbOrder, VerbRefusal};
use crate::observe::{OverrideBody, ReconnectBody};
use crate::peers::RECONNECT;
use crate::telemetry::parse_level;

/// The longest wait for the next end, so that time in which the machine slept is noticed.
const EXPIRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Who wants a verb, and why.
struct Wanted {
    by: String,
    reason: String,
}

impl NodeTask {
    /// Waits until an override may have ended. Cancel safe.
    pub(super) fn next_expiry(&self) -> impl Future<Output = ()> + Send + use<> {
        let wait = self.overrides.due_in(self.context.clock.mono());
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait.min(EXPIRY_WAIT_MAX)).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Does a verb, unless its client has gone.
    pub(super) fn do_verb(&mut self, order: VerbOrder) {
        let VerbOrder { verb, reason, by, ticket, reply } = order;
        if reply.is_closed() {
            return ticket.fail("the client went away before its verb began; nothing has changed");
        }
        let done = self.try_verb(verb, Wanted { by, reason });
        match &done {
            Ok(_) => ticket.done(),
            Err(refusal) => ticket.fail(&refusal.to_string()),
        }
        // The client may not wait any more.
        let _ = reply.send(done);
    }

    fn try_verb(&mut self, verb: OperatorVerb, wanted: Wanted) -> Result<VerbDone, VerbRefusal> {
        match verb {
            OperatorVerb::Suspend { peer, ttl } => {
                self.find_peer(&peer)?;
                self.set_override(OverrideEffect::Suspend(peer), ttl, wanted, None)
            }
            OperatorVerb::Resume { peer, ttl } => self.resume(peer, ttl, wanted),
            OperatorVerb::PauseSettlement { peer, ttl } => {
                self.find_peer(&peer)?;
                self.set_override(OverrideEffect::PauseSettlement(peer), ttl, wanted, None)
            }
            OperatorVerb::ResumeSettlement { peer } => self.resume_settlement(peer),
            OperatorVerb::Reconnect { peer } => self.reconnect(&peer, wanted),
            OperatorVerb::SetLogLevel { level, ttl } => self.set_log_level(level, ttl, wanted),
            OperatorVerb::Undo { id } => self.undo(&id),
        }
    }

    /// Whether the file enables a peer. A guest is in no file, and is enabled.
    fn find_peer(&self, peer: &AccountId) -> Result<bool, VerbRefusal> {
        if self.guests.contains(peer) {
            return Ok(true);
        }
        let found = self.configured.peer(peer.as_str());
        let unknown = || VerbRefusal::NotFound(format!("this node has no peer {peer}"));
        Ok(found.ok_or_else(unknown)?.account.enabled)
    }

    /// Ends the suspension by an operator, or overrides that of the file.
    fn resume(
        &mut self,
        peer: AccountId,
        ttl: Duration,
        wanted: Wanted,
    ) -> Result<VerbDone, VerbRefusal> {
        if !self.find_peer(&peer)? {
            return self.set_override(OverrideEffect::Resume(peer), ttl, wanted, None);
        }
        match self.overrides.id_of(&OverrideEffect::Suspend(peer.clone())) {
            Some(id) => self.undo(&id),
            None => Err(VerbRefusal::Conflict(format!("peer {peer} is not suspended"))),
        }
    }

    /// Ends a pause of settlements.
    fn resume_settlement(&mut self, peer: AccountId) -> Result<VerbDone, VerbRefusal> {
        self.find_peer(&peer)?;
        match self.overrides.id_of(&OverrideEffect::PauseSettlement(peer.clone())) {
            Some(id) => self.undo(&id),
            None => {
                let text = format!("settlements with peer {peer} are not paused");
                Err(VerbRefusal::Conflict(text))
            }
        }
    }

    fn set_log_level(
        &mut self,
        level: String,
        ttl: Duration,
        wanted: Wanted,
    ) -> Result<VerbDone, VerbRefusal> {
        let levels =
            parse_level(&level).map_err(|error| VerbRefusal::Conflict(error.to_string()))?;
        let mut notes = Vec::new();
        if self.status.shares_process() {
            notes.push(
                "the level is that of the process: it is in force for all its nodes; packets are logged only by this node"
                    .to_owned(),
            );
        }
        let limited = levels.limited_libraries();
        if !limited.is_empty() {
            let limited = limited.join(", ");
            notes.push(format!(
                "{limited} log less than this, because their lines could show secrets"
            ));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        let effect = OverrideEffect::LogLevel(level.clone(), None);
        self.check_room(&effect)?;
        let levels = self.logs.override_levels(levels);
        self.set_override(OverrideEffect::LogLevel(level, Some(levels)), ttl, wanted, note)
    }

    fn check_room(&self, effect: &OverrideEffect) -> Result<(), VerbRefusal> {
        if self.overrides.is_full_for(effect) {
            let text =
                format!("{OVERRIDES_MAX} overrides run already; end one, or change the file");
            return Err(VerbRefusal::Conflict(text));
        }
        Ok(())
    }

    fn set_override(
        &mut self,
        effect: OverrideEffect,
        ttl: Duration,
        Wanted { by, reason }: Wanted,
        note: Option<String>,
    ) -> Result<VerbDone, VerbRefusal> {
        self.check_room(&effect)?;
        let now = self.context.clock.now();
        let new = NewOverride { effect, ttl, by, reason, note };
        let node = self.overrides.node().clone();
        let (set, replaced) = self.overrides.set(new, now);
        let body = set.body(&node, None);
        if let Err(why) = self.apply_overrides() {
            self.overrides.take_back(replaced);
            return Err(VerbRefusal::Conflict(why));
        }
        if let Some(replaced) = replaced {
            self.report_end(&replaced, OverrideEnd::Replaced);
        }
        let OverrideBody { kind, peer, value, by, reason, expires_at, .. } = &body;
        tracing::warn!(
            kind = kind.as_str(),
            peer,
            value,
            by,
            reason,
            until = expires_at,
            "an operator has changed this node for a time"
        );
        self.status.record_override_set(&body);
        Ok(VerbDone::Override(Box::new(body)))
    }

    fn undo(&mut self, id: &str) -> Result<VerbDone, VerbRefusal> {
        let unknown = || VerbRefusal::NotFound(format!("override {id} has ended"));
        let removed = self.overrides.remove(id).ok_or_else(unknown)?;
        if let Err(why) = self.apply_overrides() {
            self.overrides.put_back(removed);
            return Err(VerbRefusal::Conflict(why));
        }
        let body = self.report_end(&removed, OverrideEnd::Undone);
        Ok(VerbDone::Override(Box::new(body)))
    }

    /// Ends the overrides whose time is over.
    pub(super) fn expire_overrides(&mut self) {
        let due = self.overrides.take_due(self.context.clock.mono());
        self.end_overrides(due, OverrideEnd::Expired);
    }

    /// Ends an override of the log level that another node of the process has replaced.
    pub(super) fn end_replaced_levels(&mut self) {
        let replaced = self.overrides.take_replaced_levels();
        self.end_overrides(replaced, OverrideEnd::ReplacedByOtherNode);
    }

    fn end_overrides(&mut self, ended: Vec<RunningOverride>, end: OverrideEnd) {
        if ended.is_empty() {
            return;
        }
        if let Err(error) = self.apply_overrides() {
            self.status.set_overrides(self.overrides.bodies());
            // The file was applied before, and was in force when the override began.
            tracing::error!(
                error,
                "what the configuration says cannot be applied again; reload it"
            );
        }
        for one in ended {
            self.report_end(&one, end);
        }
    }

    /// Says that an override has ended.
    pub(super) fn report_end(&self, ended: &RunningOverride, end: OverrideEnd) -> OverrideBody {
        let now = self.context.clock.now().wall;
        let body = ended.body(self.overrides.node(), Some(now));
        let OverrideBody { kind, peer, value, by, .. } = &body;
        tracing::info!(
            kind = kind.as_str(),
            peer,
            value,
            by,
            why = end.as_str(),
            "what an operator had changed for a time has ended; the configuration is in force"
        );
        self.status.record_override_end(&body, end);
        body
    }

    /// If it fails, the pages show what they showed: the caller takes its change back.
    fn apply_overrides(&mut self) -> Result<(), String> {
        self.switch_to(self.in_force(&self.configured))?;
        self.status.set_overrides(self.overrides.bodies());
        self.context.set_paused_settlements(self.overrides.paused_settlements());
        Ok(())
    }

    /// Closes all sessions with a peer; if this node dials it, it dials again at once.
    fn reconnect(&mut self, peer: &AccountId, wanted: Wanted) -> Result<VerbDone, VerbRefusal> {
        self.find_peer(peer)?;
        let config = self.config.peer(peer.as_str());
        if !config.is_some_and(|peer| peer.account.enabled) {
            let text = format!("peer {peer} is suspended; resume it");
            return Err(VerbRefusal::Conflict(text));
        }
        let dials = config.is_some_and(|peer| peer.url.is_some());
        let connector = &self.context.connector;
        let account = connector.account(peer.as_str());
        let closed_sessions =
            account.map_or(0, |account| connector.close_sessions(&account, RECONNECT));
        self.diallers.redial(peer, RECONNECT);
        let Wanted { by, reason } = wanted;
        tracing::warn!(%peer, sessions = closed_sessions, by, reason, "an operator reconnects a peer");
        self.status.record_reconnect(peer, closed_sessions, &by, &reason);
        let node = self.overrides.node().to_string();
        let body = ReconnectBody { node, peer: peer.to_string(), closed_sessions, dials };
        Ok(VerbDone::Reconnected(body))
    }
}
