//! BTP as programs at nodes speak it: frames, and a login over a WebSocket of another library.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ilp_connector::internals::machine::simulated::{Machine, MachineStream};
use ilp_connector::wire::btp::{
    BtpFrame, FrameBody, FrameKind, ProtocolEntry, RequestId, put_auth, put_frame,
};
use ilp_connector::wire::ilp::Packet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::machine::Process;

const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// It is filled with zeros before each read.
const READ_BUFFER_BYTES: usize = 4096;

pub type Socket = WebSocketStream<Box<dyn MachineStream>>;

/// A session with a node. None if there is no connection, or the node refuses the login.
pub async fn log_in(
    process: &Process,
    node: SocketAddr,
    account: &str,
    token: &str,
) -> Option<Socket> {
    let logging_in = async {
        let stream = process.connect(node).await.ok()?;
        let url = format!("ws://{node}/");
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let connected = client_async_with_config(url, stream, Some(config)).await;
        let (mut socket, _) = connected.ok()?;
        let mut frame = Vec::new();
        put_auth(RequestId(1), Some(account), token, &mut frame);
        socket.send(Message::binary(frame)).await.ok()?;
        let answer = socket.next().await?.ok()?;
        let answer = BtpFrame::parse(&answer.into_data()).ok()?.body.kind();
        (answer == FrameKind::Response).then_some(socket)
    };
    timeout(LOGIN_TIMEOUT, logging_in).await.ok().flatten()
}

/// A frame with a packet.
pub fn frame_of(id: u32, body: &FrameBody<'_>, packet: &Packet<'_>) -> Vec<u8> {
    let (mut ilp, mut frame) = (Vec::new(), Vec::new());
    packet.encode(&mut ilp);
    put_frame(RequestId(id), body, &[ProtocolEntry::octets("ilp", &ilp)], &mut frame);
    frame
}
