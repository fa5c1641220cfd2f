//! The client against scripted engines, and the listener over real sockets.

mod client;
mod listener;
