//! A stream whose client takes nothing is closed; one whose client reads has no age limit.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;
use crate::net::{Clock, LogThrottle, TransportSettings};
use crate::testing::{TEST_TIMEOUT, connector_settings, node_context};
use crate::web::ConnectionLimits;

/// For all that is not under test, so that it would end the stream.
const SHORT: Duration = Duration::from_millis(30);
const CHUNK: [u8; 4096] = [b'x'; 4096];

/// A client that has requested a stream without an end, and the future that serves it.
async fn open(stream_write_time: Duration) -> (DuplexStream, impl Future<Output = ()>) {
    let endless = |Extension(connection): Extension<Arc<Connection>>| async move {
        connection.become_stream();
        let chunk = Ok::<_, Infallible>(Bytes::from_static(&CHUNK));
        Body::from_stream(stream::repeat(chunk))
    };
    let limits = ConnectionLimits {
        head_time: SHORT,
        idle_time: SHORT,
        unauthenticated_time: SHORT,
        stream_write_time,
        ..Default::default()
    };
    let settings = connector_settings("hub", &[]);
    let web = Arc::new(WebService {
        tls: None,
        router: Router::new().route("/", get(endless)),
        admit: |_, _, _, _| None,
        above_limit: |_, _| {},
        proxied: None,
        throttle: LogThrottle::default(),
        http2: false,
        limiter: ConnectionLimiter::new(limits),
        context: node_context(settings, Clock::start(), TransportSettings::default()),
    });
    let (mut client, server) = duplex(CHUNK.len());
    let remote = SocketAddr::from(([192, 0, 2, 1], 1));
    let now = web.context.clock.mono();
    let (guard, _) = web.limiter.admit_connection(remote, false, now);
    client.write_all(b"GET / HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
    (client, async move { serve(server, guard, &web).await })
}

#[tokio::test]
async fn a_stream_ends_when_its_client_takes_nothing() {
    let (client, serving) = open(SHORT).await;
    timeout(TEST_TIMEOUT, serving).await.expect("the stream is closed");
    drop(client);
}

#[tokio::test]
async fn a_stream_has_no_age_limit_while_its_client_reads() {
    let (mut client, serving) = open(TEST_TIMEOUT).await;
    let began = tokio::time::Instant::now();
    let reading = async {
        let mut bytes = vec![0; 64 * 1024];
        while began.elapsed() < SHORT * 5 {
            client.read_exact(&mut bytes).await.unwrap();
        }
    };
    tokio::select! {
        () = serving => panic!("the stream was closed"),
        () = reading => {}
    }
}
