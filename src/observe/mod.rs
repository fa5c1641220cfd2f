//! What an observer knows: the objects of the API and of its stream, the filter language, what is kept, and who gets
//! what of it. It watches nothing by itself: `api` brings samples of the nodes and the records of their packets.
//!
//! Nothing here knows a clock, a thread or a socket.

pub mod model;
