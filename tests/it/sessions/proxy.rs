//! A TCP proxy in the way of one dialled session, so that the session can be lost without either end's doing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::peer::listener;

/// Passes on what arrives on its port.
pub(super) struct Proxy {
    pub(super) port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Passes on to this port of this machine; a connection is refused while nobody listens there.
    pub(super) fn start(to: u16) -> Self {
        let (listener, port) = listener();
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&open);
        // It ends with the test program.
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                let (Ok(back), Ok(forth)) = (from.try_clone(), there.try_clone()) else { continue };
                let mut open = kept.lock().unwrap_or_else(PoisonError::into_inner);
                open.extend([from.try_clone(), there.try_clone()].into_iter().flatten());
                drop(open);
                thread::spawn(move || pass(from, forth));
                thread::spawn(move || pass(there, back));
            }
        });
        Proxy { port, open }
    }

    /// Cuts every connection that it holds.
    pub(super) fn cut(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One of the two ends may have gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let Some(read) = buffer.get(..count) else { break };
        if to.write_all(read).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
