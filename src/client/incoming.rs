//! Prepares that arrive for a program. The client's connector has an account for the program and routes every packet to
//! it, so it rejects packets that the program does not answer in time.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::DEFAULT_ADDRESS;
use crate::account::{AccountId, AccountSettings, Relation};
use crate::connector::{Account, ConnectorSettings, PeerAnswer};
use crate::link::{Framing, Outbox, SessionKind};
use crate::peers::NodeContext;
use crate::routing::{Route, RouteOrigin};
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Encode, Prepare, Reject, Reply};
use crate::wire::{Address, Scheme};

/// The client's account for the program.
const PROGRAM_ACCOUNT: &str = "program";

/// The program's session at its own client.
pub(super) struct ProgramSession {
    account: Arc<Account>,
    outbox: Arc<Outbox>,
    /// In Rejects of the program that name no address: that of its account, once the node has said it.
    address: ArcSwap<Address>,
}

fn default_address() -> Address {
    DEFAULT_ADDRESS.parse().expect("the default address is valid")
}

impl ProgramSession {
    /// Adds the program's account, and routes to it.
    pub(super) fn add_account(settings: &mut ConnectorSettings) {
        let id: AccountId = PROGRAM_ACCOUNT.parse().expect("the name is a segment of an address");
        settings.address = Some(default_address());
        settings.scheme = Scheme::Private;
        // The program is no hop, so it gets all the time that the packet has left.
        settings.timing.min_message_window = Duration::ZERO;
        let schemes = Scheme::ALL.into_iter().filter(|scheme| *scheme != Scheme::Peer);
        settings.routes.extend(schemes.map(|scheme| Route {
            prefix: scheme.name().parse().expect("a scheme is a prefix"),
            next_hop: id.clone(),
            priority: 0,
            origin: RouteOrigin::Configured,
        }));
        settings.accounts.push(AccountSettings::new(id, Relation::Peer));
    }

    pub(super) fn attach(context: &NodeContext) -> Self {
        let account = context.connector.account(PROGRAM_ACCOUNT).expect("the account was added");
        let outbox = Outbox::new(Framing::None, account.outbox_bytes_max());
        let (shared, now) = (Arc::clone(&outbox), context.clock.now());
        context.connector.attach_session(&account, SessionKind::Accepted, None, shared, now);
        let address = ArcSwap::from_pointee(default_address());
        Self { account, outbox, address }
    }

    /// The node has said the address of the account.
    pub(super) fn set_address(&self, address: Address) {
        self.address.store(Arc::new(address));
    }

    pub(super) async fn next_prepare<'c>(
        &'c self,
        context: &'c NodeContext,
    ) -> IncomingPrepare<'c> {
        let taken = poll_fn(|cx| {
            self.outbox.set_waker(cx.waker());
            self.outbox.take_packet().map_or(Poll::Pending, Poll::Ready)
        });
        let taken = taken.await;
        IncomingPrepare { program: self, context, id: taken.id, packet: taken.packet }
    }
}

/// A Prepare that waits for the program's answer. If it is dropped, the sender waits until the Prepare expires.
pub struct IncomingPrepare<'c> {
    program: &'c ProgramSession,
    context: &'c NodeContext,
    id: RequestId,
    packet: Vec<u8>,
}

impl IncomingPrepare<'_> {
    /// The packet that waits.
    #[must_use]
    pub fn prepare(&self) -> Prepare<'_> {
        Prepare::parse(&self.packet).expect("the packet path wrote it")
    }

    /// Answers the Prepare. `false`: it has expired, so its sender gets a Reject instead. `true`: the answer was sent
    /// in time, which does not mean that it has arrived.
    ///
    /// A fulfillment that does not hash to the condition reaches the sender as a Reject. A Reject without `triggeredBy`
    /// gets the address of the account, if the program has fetched it, or else one that names this client.
    #[must_use]
    pub fn answer(self, reply: &Reply<'_>) -> bool {
        let own = self.program.address.load();
        let reply = match *reply {
            // RFC 27 "ILP Reject": `triggeredBy` is the address of the node that rejects. [row 19]
            Reply::Reject(reject) => {
                let triggered_by = reject.triggered_by.or(Some(own.view()));
                Reply::Reject(Reject { triggered_by, ..reject })
            }
            fulfill @ Reply::Fulfill(_) => fulfill,
        };
        let mut packet = Vec::with_capacity(reply.encoded_len());
        reply.encode(&mut packet);
        let now = self.context.clock.now();
        let account = &self.program.account;
        let is_in_time = account.time_left(self.id, now.mono).is_some();
        let batch = self.context.connector.start_batch(now);
        batch.handle_answer(account, self.id, PeerAnswer::Packet(&packet)).was_pending()
            && is_in_time
    }
}
