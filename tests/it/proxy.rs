//! A TCP proxy between the ends of a session, so that a test can cut the session.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::peer::bind_listener;

/// Forwards connections to its port.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Forwards to this port of this machine; without a listener there, connections are closed.
    pub(crate) fn start(to: u16) -> Self {
        let (listener, port) = bind_listener();
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&open);
        // The thread ends with the test program.
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                let (Ok(back), Ok(forth)) = (from.try_clone(), there.try_clone()) else { continue };
                let mut open = kept.lock().unwrap_or_else(PoisonError::into_inner);
                open.extend([from.try_clone(), there.try_clone()].into_iter().flatten());
                drop(open);
                thread::spawn(move || copy_bytes(from, forth));
                thread::spawn(move || copy_bytes(there, back));
            }
        });
        Self { port, open }
    }

    /// Closes every open connection.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // An end may have closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn copy_bytes(mut from: TcpStream, mut to: TcpStream) {
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
