//! Exchange rates from sources: reads their documents, and decides which of their quotes may be used.
//!
//! A pair of assets is priced by the first source, in the order of the configuration, that quotes both and is neither
//! too old nor has jumped, so that both directions of a pair always come from the same figures. A pair that no source
//! can price is refused by itself; a source that fails takes no other pair with it.
//!
//! Pure: the clock is an argument. `node` fetches the documents, `connector` prices packets.

mod book;
mod document;
mod table;

pub use book::{
    AcceptError, RateBook, RateJump, RateNotice, RateSource, SourceFault, SourceFaultKind,
    SourceState,
};
pub use document::{DOCUMENT_BYTES_MAX, Quotes, RateFormat};
#[cfg(test)]
pub use table::SourceTable;
pub use table::{RateGap, SourcedRates};
