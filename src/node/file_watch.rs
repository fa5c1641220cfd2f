//! Certificates, keys and the CA file: looked at every second, beside everything else, for their file system may not
//! answer. Handshakes and dials go on with what was read last.

use std::sync::Arc;
use std::time::Duration;

use super::outstanding::Outstanding;
use crate::transport::{ServerTls, TransportContext};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks for ever.
pub(super) async fn run(context: Arc<TransportContext>, servers: Vec<Arc<ServerTls>>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looking = Outstanding::default();
    let span = tracing::Span::current();
    loop {
        tokio::select! {
            _ = looks.tick() => {
                if looking.became_slow() {
                    tracing::warn!(
                        "certificates cannot be looked at: their file system does not answer; those that were read last stay in use"
                    );
                }
                if !looking.is_under_way() {
                    let (context, servers, span) =
                        (Arc::clone(&context), servers.clone(), span.clone());
                    looking.start(move || {
                        let _span = span.entered();
                        servers.iter().for_each(|server| server.look());
                        context.client_tls.look();
                    });
                }
            }
            () = looking.done() => {}
        }
    }
}
