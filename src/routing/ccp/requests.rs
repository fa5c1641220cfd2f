//! Handles controls and updates of peers.

use super::{Ccp, CcpPeerState};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Error;
use crate::wire::ccp::{RouteControl, RouteControlMode, RouteRequest, RouteUpdate};

/// Why a control or an update is refused. Each is a Reject; the session stays. [row 117]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteRequestError {
    /// The configuration sends no routes to this peer: F00.
    #[error("this node does not send its routes to this account")]
    SendingOff,
    /// The configuration accepts no routes from this peer: F00. [row 116]
    #[error("this node takes no routes from this account")]
    ReceivingOff,
    /// No session can send packets to this peer, so its routes lead nowhere: T01.
    #[error("this node has no session over which it can send packets to this account")]
    NotConnected,
    /// Changes before the update are missing: F00, and a control requests them.
    #[error("the update begins at epoch {from}, but only epoch {known} is known")]
    Gap {
        /// Where the update begins.
        from: u32,
        /// The last known epoch.
        known: u32,
    },
    /// The node has no address yet: T00.
    #[error("this node has no address of its own yet; ask again soon")]
    NoAddressYet,
    /// The payload or its Prepare does not parse: F01.
    #[error(transparent)]
    Malformed(#[from] Error),
}

impl Ccp {
    /// Handles a control or an update of a peer. `Ok` is acknowledged with a fulfillment of zeros. [row 101]
    ///
    /// # Errors
    /// [`RouteRequestError`], for the Reject.
    pub fn handle_request(
        &mut self,
        from: Slot,
        request: &RouteRequest<'_>,
        now: MonoTime,
    ) -> Result<(), RouteRequestError> {
        match request {
            RouteRequest::Control(control) => self.handle_control(from, control, now),
            RouteRequest::Update(update) => self.handle_update(from, update, now),
        }
    }

    /// Whether a control of this peer would be read.
    ///
    /// # Errors
    /// [`RouteRequestError`], for the Reject.
    pub fn check_control(&self, from: Slot) -> Result<(), RouteRequestError> {
        if !self.peers.get(&from).is_some_and(|peer| peer.settings.policy.send) {
            return Err(RouteRequestError::SendingOff);
        }
        if self.settings.own_address.is_none() {
            return Err(RouteRequestError::NoAddressYet);
        }
        Ok(())
    }

    /// Whether an update of this peer would be read. It may still leave a gap.
    ///
    /// # Errors
    /// [`RouteRequestError`], for the Reject.
    pub fn check_update(&self, from: Slot) -> Result<(), RouteRequestError> {
        if !self.peers.get(&from).is_some_and(|peer| peer.settings.policy.receive) {
            return Err(RouteRequestError::ReceivingOff);
        }
        if !self.connected.contains(&from) {
            return Err(RouteRequestError::NotConnected);
        }
        if self.settings.own_address.is_none() {
            return Err(RouteRequestError::NoAddressYet);
        }
        Ok(())
    }

    fn handle_control(
        &mut self,
        from: Slot,
        control: &RouteControl<'_>,
        now: MonoTime,
    ) -> Result<(), RouteRequestError> {
        self.check_control(from)?;
        let peer = self.peers.get_mut(&from).ok_or(RouteRequestError::SendingOff)?;
        peer.sender.apply_control(control, &self.log);
        if peer.settings.policy.receive && control.mode == RouteControlMode::Sync {
            peer.receiver.control_sender.on_control(now, self.settings.timing.broadcast_interval);
        }
        Ok(())
    }

    fn handle_update(
        &mut self,
        from: Slot,
        update: &RouteUpdate<'_>,
        now: MonoTime,
    ) -> Result<(), RouteRequestError> {
        self.check_update(from)?;
        let peer = self.peers.get_mut(&from).ok_or(RouteRequestError::ReceivingOff)?;
        let CcpPeerState { settings, receiver, .. } = peer;
        let own = self.settings.own_address.as_ref().ok_or(RouteRequestError::NoAddressYet)?;
        let grace = self.settings.timing.broadcast_interval;
        match receiver.apply_update(update, own, &settings.policy, now, grace) {
            Ok(changed) => {
                self.update_best(changed, Some(from));
                Ok(())
            }
            Err(gap) => {
                receiver.control_sender.schedule(now);
                Err(RouteRequestError::Gap { from: gap.from, known: gap.known })
            }
        }
    }
}
