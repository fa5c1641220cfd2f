//! The base of every ratio: a relay on tokio-tungstenite that knows no ILP and no BTP, on one thread.
//!
//! It has two forms. The usual one is a task per connection that reads everything that is ready, feeds each message to
//! its target, and then flushes these targets. The lean one has the lowest cost that the library allows: one task polls
//! all sockets itself and flushes each target once per turn of the event loop. Two bytes of a message select its
//! target. Neither form checks, stores or counts anything, so the difference to a connector is the cost of being one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::frames::relay_target;

/// How the relay is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Peers to wait for before anything is relayed.
    #[arg(long)]
    peers: usize,
    /// tungstenite's read buffer, in bytes.
    #[arg(long, default_value_t = 32 * 1024)]
    read_buffer: usize,
    /// Use the lean form.
    #[arg(long)]
    lean: bool,
}

/// Prints its port, waits for all peers, and relays until the first of them leaves.
///
/// # Errors
///
/// A handshake failed, or a peer sent what cannot be relayed.
pub(crate) async fn run(settings: Settings) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());

    let mut peers: Vec<Option<Peer>> = (0..settings.peers).map(|_| None).collect();
    for _ in 0..settings.peers {
        let (stream, _) = listener.accept().await?;
        let (index, socket) = accept(stream, settings.read_buffer).await?;
        *peers.get_mut(index).ok_or_else(|| io::Error::other(format!("no peer {index}")))? =
            Some(Peer { socket, dirty: false });
    }
    let mut peers: Vec<Peer> = peers.into_iter().flatten().collect();
    if !settings.lean {
        return tasks(peers).await;
    }
    let mut dirty = Vec::with_capacity(peers.len());
    // Without tokio's budget, which would end a turn half-way through many peers.
    tokio::task::unconstrained(std::future::poll_fn(|cx| turn(&mut peers, &mut dirty, cx))).await
}

struct Peer {
    socket: WebSocketStream<TcpStream>,
    /// Whether it has been fed since its last complete flush.
    dirty: bool,
}

/// A peer states its index in the path of its request: `/relay/<index>`.
async fn accept(
    stream: TcpStream,
    read_buffer: usize,
) -> io::Result<(usize, WebSocketStream<TcpStream>)> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(read_buffer);
    let mut index = None;
    #[allow(clippy::result_large_err)] // the callback's type is the library's
    let note_path = |request: &Request, response: Response| {
        index = request.uri().path().strip_prefix("/relay/").and_then(|text| text.parse().ok());
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(stream, note_path, Some(config))
        .await
        .map_err(io::Error::other)?;
    let index = index.ok_or_else(|| io::Error::other("a peer must ask for /relay/<index>"))?;
    Ok((index, socket))
}

/// The usual form. Ends when the first peer leaves.
async fn tasks(peers: Vec<Peer>) -> io::Result<()> {
    let (sinks, streams): (Vec<_>, Vec<_>) = peers
        .into_iter()
        .map(|peer| peer.socket.split())
        .map(|(sink, s)| (Mutex::new(sink), s))
        .unzip();
    let sinks = Arc::new(sinks);
    let mut running = JoinSet::new();
    for stream in streams {
        running.spawn(relay_from(stream, Arc::clone(&sinks)));
    }
    running.join_next().await.transpose()?.unwrap_or(Ok(()))
}

type Socket = WebSocketStream<TcpStream>;

/// Reads one connection: a batch of messages, then a flush of their targets.
async fn relay_from(
    mut stream: SplitStream<Socket>,
    sinks: Arc<Vec<Mutex<SplitSink<Socket, Message>>>>,
) -> io::Result<()> {
    let mut dirty: Vec<usize> = Vec::new();
    while let Some(first) = stream.next().await {
        let mut ready = Some(first);
        while let Some(message) = ready {
            match message {
                Ok(message @ Message::Binary(_)) => {
                    let target = relay_target(&message.clone().into_data())?;
                    let sink = sinks.get(target).ok_or_else(|| io::Error::other("no such peer"))?;
                    sink.lock().await.feed(message).await.map_err(io::Error::other)?;
                    if !dirty.contains(&target) {
                        dirty.push(target);
                    }
                }
                Ok(Message::Close(_)) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
            ready = stream.next().now_or_never().flatten();
        }
        for target in dirty.drain(..) {
            sinks[target].lock().await.flush().await.map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// One turn of the event loop: read all that is ready, feed it, flush once.
fn turn(peers: &mut [Peer], dirty: &mut Vec<usize>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    for from in 0..peers.len() {
        // Checked first, because tungstenite fills its read buffer with zeros even if there is nothing to read.
        if peers[from].socket.get_ref().poll_read_ready(cx)?.is_pending() {
            continue;
        }
        while let Poll::Ready(message) = Pin::new(&mut peers[from].socket).poll_next(cx) {
            let message = match message {
                Some(Ok(message @ Message::Binary(_))) => message,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => continue,
            };
            let Message::Binary(bytes) = &message else { continue };
            let target = relay_target(bytes)?;
            let Some(peer) = peers.get_mut(target) else {
                return Poll::Ready(Err(io::Error::other(format!("no peer {target}"))));
            };
            // No check for readiness: the number of packets in flight bounds a peer's buffer.
            Pin::new(&mut peer.socket).start_send(message).map_err(io::Error::other)?;
            if !peer.dirty {
                peer.dirty = true;
                dirty.push(target);
            }
        }
    }
    let mut error = None;
    dirty.retain(|&index| {
        let peer = &mut peers[index];
        match Pin::new(&mut peer.socket).poll_flush(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => peer.dirty = false,
            Poll::Ready(Err(cause)) => error = Some(io::Error::other(cause)),
        }
        peer.dirty
    });
    error.map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
}
