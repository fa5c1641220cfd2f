//! Hostile servers.

use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::btp::socket::FRAMES_BEFORE_LOGIN_MAX;

/// Frames of a server before its answer are bounded like those of an unauthenticated client.
#[tokio::test]
async fn a_server_that_floods_us_instead_of_answering_is_closed() {
    let ping = || Message::Ping(b"x"[..].into());
    let pong = || Message::Pong(b""[..].into());
    let garbage = || Message::binary(&b"garbage"[..]);
    for (message, is_closed) in [
        (ping(), true),
        (pong(), true),
        (garbage(), true),
        (Message::text("hello"), true),
        (garbage(), false),
    ] {
        let listener = Listener::new().await;
        let (dial, context) = (listener.dial(""), context());
        let (driver, ()) = tokio::join!(connect_once(&dial, &context), async {
            let mut server = listener.accept().await;
            let id = server.request_id().await;
            let count = FRAMES_BEFORE_LOGIN_MAX - usize::from(!is_closed);
            for _ in 0..count {
                server.send_message(message.clone()).await;
            }
            server.send(&empty_response(id)).await;
            if is_closed {
                assert_eq!(server.close_frame().await.1, "not authenticated");
            }
        });
        let Err(error) = driver else {
            assert!(!is_closed, "{message:?}");
            continue;
        };
        let text = error.to_string();
        assert!(is_closed && text.contains("too many frames before the login"), "{text}");
    }
    // A frame of 4 GiB is refused by its header.
    let listener = Listener::new().await;
    let (dial, context) = (listener.dial(""), context());
    let (driver, ()) = tokio::join!(connect_once(&dial, &context), async {
        let mut server = listener.accept().await;
        server.bytes().await;
        server.0.get_mut().write_all(&[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]).await.unwrap();
        server.close_frame().await;
    });
    let text = driver.err().unwrap().to_string();
    assert!(text.contains("message too long"), "{text}");
}
