//! The streams of nodes that run elsewhere, while a client watches: each is read by a future of its own, and begun
//! again where it ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::observer::Observer;
use crate::books::{EventKind, EventLevel};
use crate::observe::StreamMessage;
use crate::remote::{
    KnownNode, PageClient, PageError, StreamAsk, StreamEnd, StreamReader, has_kept_size,
};
use crate::time::Backoff;

/// Before a node is asked again; each other pause is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl Observer {
    /// Reads the streams of all nodes that run elsewhere, also of those that are added. Never ends.
    pub(in crate::api) async fn follow_remote_nodes(&self) {
        let Some(client) = self.remotes.client() else { return std::future::pending().await };
        let mut lists = self.remotes.watch_list();
        let mut following = FuturesUnordered::new();
        let mut followed: Vec<Arc<KnownNode>> = Vec::new();
        loop {
            let listed = lists.borrow_and_update().clone();
            for node in &listed {
                if !followed.iter().any(|known| Arc::ptr_eq(known, node)) {
                    following.push(self.follow_while_listed(Arc::clone(node), client));
                }
            }
            followed = listed;
            tokio::select! {
                changed = lists.changed() => changed.expect("the observer has the sender"),
                Some(()) = following.next() => {}
            }
        }
    }

    async fn follow_while_listed(&self, node: Arc<KnownNode>, client: &PageClient) {
        let mut lists = self.remotes.watch_list();
        let is_gone =
            |nodes: &Vec<Arc<KnownNode>>| !nodes.iter().any(|known| Arc::ptr_eq(known, &node));
        tokio::select! {
            _ = lists.wait_for(is_gone) => {}
            () = self.follow(&node, client) => {}
        }
        node.set_followed(false);
        self.watch.lock().forget_remote(self, &node);
    }

    async fn follow(&self, node: &Arc<KnownNode>, client: &PageClient) {
        let mut wanted = self.remotes.watch_wanted();
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX);
        loop {
            if wanted.wait_for(|wanted| wanted.is_open).await.is_err() {
                return;
            }
            let ask = *wanted.borrow_and_update();
            let pause = match self.open_stream(node, client, ask).await {
                Ok(mut stream) => {
                    backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX);
                    node.set_followed(true);
                    let end = self.read_stream(node, &mut stream, ask, &mut wanted).await;
                    node.set_followed(false);
                    drop(stream);
                    match end {
                        // Other topics are wanted, or none.
                        None => continue,
                        Some(StreamEnd::Bye(bye)) => {
                            // The node asks for it, within these bounds.
                            Duration::from_millis(bye.retry_ms).clamp(PAUSE_FIRST, PAUSE_MAX)
                        }
                        Some(end) => {
                            self.node_lost(node, format!("{}: {end}", node.asked.shown_url()));
                            backoff.next_delay()
                        }
                    }
                }
                Err(error) => {
                    self.node_failed(node, client, &error).await;
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                // A new client does not wait for the end of a long pause.
                _ = wanted.changed() => {}
            }
        }
    }

    async fn open_stream(
        &self,
        node: &Arc<KnownNode>,
        client: &PageClient,
        ask: StreamAsk,
    ) -> Result<StreamReader, PageError> {
        let top = self.note_boot(node, client).await?;
        // A node without scopes is an older one.
        let may_read = top.scopes.is_empty() || top.scopes.iter().any(|scope| scope == "packets");
        let query = ask.query(may_read);
        StreamReader::open(client, &node.asked, &query, node.last_id().as_deref()).await
    }

    /// Reads until the stream ends. `None`: it must carry something else from now on.
    async fn read_stream(
        &self,
        node: &Arc<KnownNode>,
        stream: &mut StreamReader,
        has: StreamAsk,
        wanted: &mut watch::Receiver<StreamAsk>,
    ) -> Option<StreamEnd> {
        let mut seed = None;
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Ok(message) => {
                        if let Some(sample) = message.sample() {
                            seed = Some(sample.seed);
                        }
                        self.take_remote(node, message);
                    }
                    Err(end) => return Some(end),
                },
                changed = wanted.changed() => {
                    changed.ok()?;
                    let new = *wanted.borrow_and_update();
                    let is_same = StreamAsk { seed: has.seed, ..new } == has;
                    // The node that has the lowest seed stays as it is.
                    if !is_same || (new.has_packets && seed != Some(new.seed)) {
                        return None;
                    }
                }
            }
        }
    }

    fn take_remote(&self, node: &Arc<KnownNode>, message: StreamMessage) {
        if let Some(sample) = message.sample() {
            return self.watch.lock().set_remote_sample(self, node, sample);
        }
        if message.id().is_some_and(|id| !node.advance(id) || !has_kept_size(&message)) {
            // It is known already, or no node makes one so long.
            return;
        }
        match message {
            StreamMessage::State(state) => {
                node.set_overrides(state.overrides);
                node.set_faults(state.faults);
                self.node_answered(node, state.nodes);
            }
            StreamMessage::Rates(rates) => {
                node.set_rates(rates, SystemTime::now());
            }
            StreamMessage::Event(event) => self.events.add(event),
            StreamMessage::Packet(packet) => node.add_packet(packet),
            StreamMessage::Gap(gap) if gap.topic == "packets" => node.add_lost(gap.lost),
            StreamMessage::Gap(gap) if gap.lost > 0 => {
                let why = format!("{} events of this node are lost", gap.lost);
                self.record_reachability(node, EventLevel::Warn, EventKind::EventsLost, &why);
            }
            _ => {}
        }
    }
}
