//! What carries the frames of an attacker: a session of BTP, or requests over HTTP that look like frames to it.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::http::HttpCarrier;
use super::plan::{ATTACKER, TOKEN};
use super::program::{Attacker, SEND_TIMEOUT, SessionEnd};
use crate::world::btp::{Socket, log_in};

pub(super) enum Carrier {
    /// With further sessions of the same account.
    Btp(Box<Socket>, Vec<Socket>),
    Http(HttpCarrier),
}

impl Carrier {
    /// Logs in over BTP; None if it cannot. Over HTTP, each request connects by itself.
    pub(super) async fn new(attacker: &Attacker) -> Option<Self> {
        if let Some(listener) = &attacker.listener {
            let listener = listener.clone();
            return Some(Self::Http(HttpCarrier::new(&attacker.process, attacker.place, listener)));
        }
        let socket = log_in(&attacker.process, attacker.node(), ATTACKER, TOKEN).await?;
        Some(Self::Btp(Box::new(socket), Vec::new()))
    }

    /// The next frame of the node.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, SessionEnd> {
        let socket = match self {
            Self::Http(http) => return Ok(http.next().await),
            Self::Btp(socket, _) => socket,
        };
        loop {
            match socket.next().await {
                Some(Ok(Message::Binary(frame))) => return Ok(frame.into()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(SessionEnd),
                Some(Ok(_)) => {}
            }
        }
    }

    pub(super) async fn send(&mut self, frames: Vec<Vec<u8>>) -> Result<(), SessionEnd> {
        let socket = match self {
            Self::Http(http) => {
                frames.into_iter().for_each(|frame| http.send(&frame));
                return Ok(());
            }
            Self::Btp(socket, _) => socket,
        };
        let sending = async {
            for frame in frames {
                socket.feed(Message::binary(frame)).await?;
            }
            socket.flush().await
        };
        let sent = timeout(SEND_TIMEOUT, sending).await;
        sent.ok().and_then(Result::ok).ok_or(SessionEnd)
    }

    /// The first bytes of a frame, or of a request.
    pub(super) async fn send_half(&mut self) {
        match self {
            Self::Http(http) => http.send_half().await,
            Self::Btp(socket, _) => {
                // A binary message of 1000 bytes, its mask, and the first of its bytes.
                let begin = [0x82, 0xfe, 0x03, 0xe8, 1, 2, 3, 4, 7, 7, 7];
                let _ = socket.get_mut().write_all(&begin).await;
            }
        }
    }

    /// Pings, or requests without a packet.
    pub(super) async fn ping(&mut self, count: u32) -> Result<(), SessionEnd> {
        let socket = match self {
            Self::Http(http) => {
                (0..count).for_each(|_| http.post(None, Vec::new()));
                return Ok(());
            }
            Self::Btp(socket, _) => socket,
        };
        let pinging = async {
            for _ in 0..count {
                socket.feed(Message::Ping(Bytes::from_static(b"still there?"))).await?;
            }
            socket.flush().await
        };
        let sent = timeout(SEND_TIMEOUT, pinging).await;
        sent.ok().and_then(Result::ok).ok_or(SessionEnd)
    }

    /// Opens further sessions, or connections that say nothing.
    pub(super) async fn open_more(&mut self, count: u32, attacker: &Attacker) {
        for _ in 0..count {
            match self {
                Self::Http(http) => http.open_more().await,
                Self::Btp(_, more) => {
                    let found = log_in(&attacker.process, attacker.node(), ATTACKER, TOKEN).await;
                    more.extend(found);
                }
            }
        }
    }

    /// Whether the node takes a wrong token.
    pub(super) async fn takes_wrong_token(&self, attacker: &Attacker) -> bool {
        const WRONG: &str = "a-wrong-token";
        match self {
            Self::Http(http) => http.takes(WRONG).await,
            Self::Btp(..) => {
                log_in(&attacker.process, attacker.node(), ATTACKER, WRONG).await.is_some()
            }
        }
    }
}
