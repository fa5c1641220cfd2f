//! What peers ask of the exchange: answered at once.

use super::{Ccp, Peer};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Error;
use crate::wire::ccp::{RouteControl, RouteControlMode, RouteRequest, RouteUpdate};

/// Why a control or an update is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefused {
    /// The configuration keeps our routes from this peer: F00.
    #[error("this node does not send its routes to this account")]
    NotSent,
    /// The configuration takes no routes from this peer: F00.
    #[error("this node takes no routes from this account")]
    NotTaken,
    /// Packets cannot be sent to this peer, so what it tells leads nowhere: T01.
    #[error("this node has no session over which it can send packets to this account")]
    NotConnected,
    /// Something between what we know and what the update tells is missing: F00, and a control asks for it.
    #[error("the update begins at epoch {from}, but only epoch {known} is known")]
    Gap {
        /// Where the update begins.
        from: u32,
        /// What we know.
        known: u32,
    },
    /// The node waits for an address of its own: T00.
    #[error("this node has no address of its own yet; ask again soon")]
    NoAddressYet,
    /// The payload, or the Prepare around it, is not what it must be: F01.
    #[error(transparent)]
    Malformed(#[from] Error),
}

impl Ccp {
    /// Takes a control or an update of a peer.
    ///
    /// # Errors
    /// [`RequestRefused`]; it goes back in a Reject.
    pub fn request(
        &mut self,
        from: Slot,
        request: &RouteRequest<'_>,
        now: MonoTime,
    ) -> Result<(), RequestRefused> {
        match request {
            RouteRequest::Control(control) => self.heard_control(from, control, now),
            RouteRequest::Update(update) => self.heard_update(from, update, now),
        }
    }

    fn heard_control(
        &mut self,
        from: Slot,
        control: &RouteControl<'_>,
        now: MonoTime,
    ) -> Result<(), RequestRefused> {
        let peer = self.peers.get_mut(&from).filter(|peer| peer.member.policy.send);
        let peer = peer.ok_or(RequestRefused::NotSent)?;
        if self.settings.own.is_none() {
            return Err(RequestRefused::NoAddressYet);
        }
        peer.telling.heard_control(control, &self.log);
        if peer.member.policy.receive && control.mode == RouteControlMode::Sync {
            peer.hearing.asking.heard_control(now, self.settings.timing.broadcast_interval);
        }
        Ok(())
    }

    fn heard_update(
        &mut self,
        from: Slot,
        update: &RouteUpdate<'_>,
        now: MonoTime,
    ) -> Result<(), RequestRefused> {
        let peer = self.peers.get_mut(&from).filter(|peer| peer.member.policy.receive);
        let Peer { member, hearing, .. } = peer.ok_or(RequestRefused::NotTaken)?;
        if !self.linked.contains(&from) {
            return Err(RequestRefused::NotConnected);
        }
        let own = self.settings.own.as_ref().ok_or(RequestRefused::NoAddressYet)?;
        let grace = self.settings.timing.broadcast_interval;
        match hearing.update(update, own, &member.policy, now, grace) {
            Ok(changed) => {
                self.settle(changed, Some(from));
                Ok(())
            }
            Err(gap) => {
                hearing.asking.soon(now);
                Err(RequestRefused::Gap { from: gap.from, known: gap.known })
            }
        }
    }
}
