//! The TCP connection to a peer's server, with what is wrong with the link.

use std::sync::Arc;

use crate::machine::{TcpStream, forward_stream};
use crate::net::{FaultyStream, LinkFaults};

/// A connection to a server.
#[derive(Debug)]
pub(super) enum LinkStream {
    Plain(TcpStream),
    /// Only with a lab.
    Faulty(Box<FaultyStream<TcpStream>>),
}

impl LinkStream {
    pub(super) fn new(stream: TcpStream, faults: Option<&Arc<LinkFaults>>) -> Self {
        match faults {
            None => Self::Plain(stream),
            Some(faults) => Self::Faulty(Box::new(FaultyStream::new(stream, faults, &[]))),
        }
    }
}

forward_stream!(LinkStream: Plain, Faulty);
