//! What the lab does, in the audit log of each node that it concerns.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Lab;
use crate::api::audited::{AuditedVerb, VerbClient, record, record_refused};
use crate::api::status::NodeStatus;
use crate::audit::AuditTicket;
use crate::observe::FaultBody;
use crate::web::ProblemDetails;

/// The verbs of the lab.
pub(super) const SET: &str = "lab.set";
pub(super) const UNDO: &str = "lab.undo";

/// The nodes that a verb of the lab concerns, and who wants it.
pub(super) struct LabAudit<'a> {
    pub(super) verb: &'static str,
    pub(super) client: &'a VerbClient,
    /// Their logs. A stopped node has closed its log, so what concerns it then is not in there; its next line says when
    /// it has started again.
    pub(super) nodes: Vec<Arc<NodeStatus>>,
}

impl<'a> LabAudit<'a> {
    pub(super) fn new(
        verb: &'static str,
        client: &'a VerbClient,
        nodes: impl IntoIterator<Item = Arc<NodeStatus>>,
        lab: &Lab,
    ) -> Self {
        let runs =
            |node: &Arc<NodeStatus>| lab.stop_of(&node.context().connector.node_id()).is_none();
        Self { verb, client, nodes: nodes.into_iter().filter(runs).collect() }
    }

    /// Notes a request that was not sound.
    pub(super) fn refuse(&self, target: &str, why: &str) {
        for node in &self.nodes {
            let target = target.to_owned();
            let verb = AuditedVerb { verb: self.verb, target, ..AuditedVerb::default() };
            record_refused(node, self.client, verb, why);
        }
    }

    /// Writes the verb into all logs, before it has an effect.
    ///
    /// # Errors
    /// The answer to the client: a log cannot be written, and nothing must be done.
    pub(super) async fn record(
        &self,
        fault: &FaultBody,
        ttl_seconds: Option<u64>,
    ) -> Result<Vec<AuditTicket>, ProblemDetails> {
        let mut tickets: Vec<AuditTicket> = Vec::new();
        for node in &self.nodes {
            match record(node, self.client, self.verb_of(fault, ttl_seconds)).await {
                Ok(ticket) => tickets.push(ticket),
                Err(problem) => {
                    fail(tickets, "the audit log of another node cannot be written");
                    return Err(problem);
                }
            }
        }
        Ok(tickets)
    }

    fn verb_of(&self, fault: &FaultBody, ttl_seconds: Option<u64>) -> AuditedVerb {
        let mut parameters = Map::new();
        parameters.insert("kind".to_owned(), fault.kind.as_str().into());
        let texts = [("value", fault.value.clone()), ("id", Some(fault.id.clone()))];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            if !text.is_empty() {
                parameters.insert(name.to_owned(), Value::from(text));
            }
        }
        if let Some(seconds) = ttl_seconds {
            parameters.insert("ttlSeconds".to_owned(), seconds.into());
        }
        let target = fault.node.clone().or_else(|| fault.link.clone()).unwrap_or_default();
        AuditedVerb { verb: self.verb, target, parameters, reason: None }
    }
}

/// The verb is done.
pub(super) fn done(tickets: Vec<AuditTicket>) {
    tickets.into_iter().for_each(AuditTicket::done);
}

/// The verb has changed nothing after all.
pub(super) fn fail(tickets: Vec<AuditTicket>, why: &str) {
    tickets.into_iter().for_each(|ticket| ticket.fail(why));
}
