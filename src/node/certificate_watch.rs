//! Certificates, keys and the CA file: looked at every second, beside everything else, for their file system may not
//! answer. Handshakes and dials go on with what was read last. The system's authorities are read here too, where a dial
//! waits for them.

use std::sync::Arc;
use std::time::Duration;

use super::single_flight::SingleFlight;
use crate::net::ServerTls;
use crate::peers::TransportContext;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks for ever. From the call on, dials wait for what is read here.
pub(super) fn run(
    context: Arc<TransportContext>,
    servers: Vec<Arc<ServerTls>>,
) -> impl Future<Output = ()> {
    context.client_tls.use_loader();
    look(context, servers)
}

async fn look(context: Arc<TransportContext>, servers: Vec<Arc<ServerTls>>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut looking, mut making) = (SingleFlight::default(), SingleFlight::default());
    let span = tracing::Span::current();
    let has_files = !servers.is_empty() || context.settings.trust.ca_file.is_some();
    loop {
        tokio::select! {
            _ = looks.tick() => {
                if looking.became_slow() {
                    tracing::warn!(
                        "certificates cannot be looked at: their file system does not answer; those that were read last stay in use"
                    );
                }
                if making.became_slow() {
                    tracing::warn!(
                        "the certificate authorities of the system cannot be read: their file system does not answer; no wss or https peer can be dialled"
                    );
                }
                if has_files && !looking.is_under_way() {
                    let (context, servers, span) =
                        (Arc::clone(&context), servers.clone(), span.clone());
                    looking.start(move || {
                        let _span = span.entered();
                        servers.iter().for_each(|server| server.reload_if_changed());
                        context.client_tls.reload_if_changed();
                    });
                }
            }
            () = context.client_tls.until_wanted(), if !making.is_under_way() => {
                let (context, span) = (Arc::clone(&context), span.clone());
                making.start(move || {
                    let _span = span.entered();
                    context.client_tls.load_system_trust();
                });
            }
            () = looking.done() => {}
            () = making.done() => {}
        }
    }
}
