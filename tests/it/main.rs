//! The tests that need more than one room: the whole program, other programs, containers.
#![allow(
    clippy::panic,
    reason = "helpers of tests fail their test; clippy exempts only the test functions"
)]

mod cli;
mod docker;
mod house;
mod interop;
mod running;
mod support;
