//! Checks certificates, keys and the CA file every second, beside everything else, because their file system may not
//! answer: handshakes and dials go on with the files that were read last. Also loads the system's authorities, for
//! which dials wait.

use std::sync::Arc;
use std::time::Duration;

use super::single_flight::SingleFlight;
use crate::net::ServerTls;
use crate::peers::NodeContext;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// From the call on, dials wait for the authorities that this loads.
pub(super) fn run(
    context: Arc<NodeContext>,
    servers: Vec<Arc<ServerTls>>,
) -> impl Future<Output = ()> {
    context.client_tls.use_loader();
    watch_files(context, servers)
}

async fn watch_files(context: Arc<NodeContext>, servers: Vec<Arc<ServerTls>>) {
    let mut ticks = tokio::time::interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut checking, mut loading) = (SingleFlight::default(), SingleFlight::default());
    let span = tracing::Span::current();
    let has_files = !servers.is_empty() || context.settings.trust.ca_file.is_some();
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => {
                if checking.became_slow() {
                    tracing::warn!(
                        "certificate files cannot be checked: their file system does not answer; the certificates read last stay in use"
                    );
                }
                if loading.became_slow() {
                    tracing::warn!(
                        "the certificate authorities of the system cannot be read: their file system does not answer; no wss or https peer can be dialled"
                    );
                }
                if has_files && !checking.is_under_way() {
                    let (context, servers, span) =
                        (Arc::clone(&context), servers.clone(), span.clone());
                    checking.start(move || {
                        let _span = span.entered();
                        servers.iter().for_each(|server| server.reload_if_changed());
                        context.client_tls.reload_if_changed();
                    });
                }
            }
            () = context.client_tls.until_wanted(), if !loading.is_under_way() => {
                let (context, span) = (Arc::clone(&context), span.clone());
                loading.start(move || {
                    let _span = span.entered();
                    context.client_tls.load_system_trust();
                });
            }
            () = checking.done() => {}
            () = loading.done() => {}
        }
    }
}
