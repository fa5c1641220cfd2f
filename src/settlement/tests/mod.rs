//! The client against scripted engines, the listener over real sockets, and messages on a link.

mod client;
mod listener;
mod messages;
