//! A TCP proxy between two ends, so that a test can cut their connections, or keep them open and let nothing pass.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::peer::bind_listener;

/// Forwards connections to its port.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// Of what comes from the end that dialled, and of what comes from the other one.
    valves: [Arc<Valve>; 2],
}

impl Proxy {
    /// Forwards to this port of this machine; without a listener there, connections are closed.
    pub(crate) fn start(to: u16) -> Self {
        let (listener, port) = bind_listener();
        let open = Arc::new(Mutex::new(Vec::new()));
        let valves = [(); 2].map(|()| Arc::new(Valve::default()));
        let (kept, passed) = (Arc::clone(&open), valves.clone());
        // The thread ends with the test program.
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                let (Ok(back), Ok(forth)) = (from.try_clone(), there.try_clone()) else { continue };
                let mut open = kept.lock().unwrap_or_else(PoisonError::into_inner);
                open.extend([from.try_clone(), there.try_clone()].into_iter().flatten());
                drop(open);
                for ((from, to), valve) in
                    [(from, forth), (there, back)].into_iter().zip(passed.clone())
                {
                    thread::spawn(move || copy_bytes(from, to, &valve));
                }
            }
        });
        Self { port, open, valves }
    }

    /// Closes every open connection.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // An end may have closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// From now on nothing passes, in either direction. Connections stay open, and new ones are accepted.
    pub(crate) fn freeze(&self) {
        self.valves.iter().for_each(|valve| valve.set_closed(true));
    }

    /// From now on nothing passes from the end that dialled.
    pub(crate) fn freeze_dialler(&self) {
        self.valves[0].set_closed(true);
    }

    /// What was kept back passes, and all that follows.
    pub(crate) fn thaw(&self) {
        self.valves.iter().for_each(|valve| valve.set_closed(false));
    }
}

/// Lets bytes pass, or keeps them back.
#[derive(Default)]
struct Valve {
    is_closed: Mutex<bool>,
    has_changed: Condvar,
}

impl Valve {
    fn set_closed(&self, is_closed: bool) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = is_closed;
        self.has_changed.notify_all();
    }

    fn wait_open(&self) {
        let is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.has_changed.wait_while(is_closed, |is_closed| *is_closed);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }
}

fn copy_bytes(mut from: TcpStream, mut to: TcpStream, valve: &Valve) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let Some(read) = buffer.get(..count) else { break };
        valve.wait_open();
        if to.write_all(read).is_err() {
            break;
        }
    }
    valve.wait_open();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
