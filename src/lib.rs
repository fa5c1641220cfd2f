//! An Interledger v4 connector that speaks BTP.

pub mod btp;
pub mod wire;
