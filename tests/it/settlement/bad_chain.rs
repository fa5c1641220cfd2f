//! The node of a chain on a bad day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::request;
use crate::http::Server;

/// Serves what the node at `chain` does. But of each transaction, the first attempt is refused, and the answer to the
/// second is lost. Returns its port.
pub(super) fn serve(chain: u16) -> u16 {
    let server = Server::start();
    let port = server.port();
    let attempts = Arc::new(Mutex::new(HashMap::new()));
    server.answer_all(move |question| {
        let call: Value = serde_json::from_slice(&question.body).unwrap();
        let attempt = match call["method"] == "eth_sendTransaction" {
            true => *attempts
                .lock()
                .unwrap()
                .entry(call["params"][0]["nonce"].to_string())
                .and_modify(|count| *count += 1)
                .or_insert(1),
            false => 0,
        };
        if attempt == 1 {
            let refusal = json!({ "code": -32000, "message": "the transaction pool is full" });
            let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "error": refusal });
            return Some(("200 OK", answer.to_string().into_bytes()));
        }
        let answer = request("POST", chain, "/", "", &call).1;
        (attempt != 2).then(|| ("200 OK", answer.to_string().into_bytes()))
    });
    port
}
