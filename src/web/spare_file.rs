//! A spare file descriptor: given up so that a connection can be accepted when the process has no other left.

use std::fs::File;
use std::io;
use std::net::SocketAddr;

use futures_util::future::FutureExt;
use parking_lot::Mutex;

use crate::machine::TcpStream;
use crate::net::Listener;

#[derive(Debug, Default)]
pub(super) struct SpareFile(Mutex<Option<File>>);

impl SpareFile {
    /// The next socket. Gives up the spare file if there is no other, and opens it again at the next call.
    pub(super) async fn accept(&self, listener: &Listener) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            self.open_spare();
            match listener.try_accept().await {
                Err(_) if self.0.lock().take().is_some() => {
                    match listener.try_accept().now_or_never() {
                        // Linux reports a lack of files even if no client is waiting.
                        None => {}
                        Some(accepted) => return accepted,
                    }
                }
                accepted => return accepted,
            }
        }
    }

    fn open_spare(&self) {
        let mut spare = self.0.lock();
        if spare.is_none() {
            *spare = File::open("/dev/null").ok();
        }
    }
}
