//! Binds the guests' door: the same port on both addresses of the loopback interface, or on IPv4 alone where the
//! machine has no IPv6. Any other error ends the start, because another program could listen on the address that is
//! missing.

use crate::net::{BindError, Listener, is_without_ipv6};

/// The settings of the port of the guests' door.
const GUESTS_SET_BY: &str = "port under guests";
/// The addresses of the guests' door. No setting adds another one.
const GUESTS_HOSTS: [&str; 2] = ["127.0.0.1", "::1"];
/// Free ports that are tried until both addresses have the same one.
const PORT_TRIES_MAX: usize = 16;

/// Listens on both addresses. `port` 0: a free one.
pub(super) async fn bind_loopback(port: u16) -> Result<Vec<Listener>, BindError> {
    let [v4, v6] = GUESTS_HOSTS;
    let mut tries = 0;
    loop {
        tries += 1;
        let first = Listener::bind(v4, port, GUESTS_SET_BY).await?;
        match Listener::bind(v6, first.local_addr().port(), GUESTS_SET_BY).await {
            Ok(second) => return Ok(vec![first, second]),
            Err(BindError::InUse { .. }) if port == 0 && tries < PORT_TRIES_MAX => {}
            Err(BindError::Listen { source, .. } | BindError::Resolve { source, .. })
                if is_without_ipv6(&source) =>
            {
                tracing::info!(error = %source, "guests reach this node on IPv4 only");
                return Ok(vec![first]);
            }
            Err(error) => return Err(error),
        }
    }
}
