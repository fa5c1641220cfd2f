//! The API of nodes that run elsewhere: a client for their pages, their streams, and what is known of each node. Each
//! node is asked with its own token, and no other node gets it.
//!
//! Nothing here spawns: each future belongs to its user.

mod asked_node;
mod feed;
mod known_node;
mod page_client;
mod record_size;
mod stream_reader;
mod way;

pub use self::asked_node::AskedNode;
pub use self::feed::{Feed, FeedItem};
pub use self::known_node::{Knowledge, KnownNode, ReceivedPackets};
pub use self::page_client::{PageAnswer, PageClient, PageError, refusal_text, url_encode};
pub use self::record_size::has_kept_size;
pub use self::stream_reader::{StreamAsk, StreamEnd, StreamReader};
pub use self::way::{WayPage, WayStart, find_way};
