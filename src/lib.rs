//! The connector.

pub mod btp;
