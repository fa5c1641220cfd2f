//! What a node gets of the machine that it runs on: connections, clocks, random numbers.
//!
//! In the program, all of it is the system's. With the feature `simulation`, which no build of the program has, a task
//! may run on a simulated machine: then it gets all of it from there, and so do the tasks that it spawns. So
//! `tests/sim` runs whole nodes in one thread, in a world that a seed determines (ADR 44).

mod clocks;
mod forward_stream;
mod random;
#[cfg(feature = "simulation")]
pub mod simulated;
mod tcp;

pub use clocks::{since_boot, time_of_day};
pub(crate) use forward_stream::forward_stream;
pub use random::{fill_random, random};
pub use tcp::{TcpListener, TcpStream, connect, listen, move_to_this_runtime, resolve};

/// Whether the task that runs now is on a simulated machine.
#[cfg(not(feature = "simulation"))]
pub const fn is_simulated() -> bool {
    false
}

/// The future of a task that runs where its creator does.
#[cfg(not(feature = "simulation"))]
pub fn here<F: Future>(future: F) -> F {
    future
}

/// Does something with files, for which a simulated disk takes its time.
#[cfg(not(feature = "simulation"))]
pub fn with_disk<F: Future>(work: F) -> F {
    work
}

/// Lets a simulated machine end a task when it crashes.
#[cfg(not(feature = "simulation"))]
pub fn keep_task(_: tokio::task::AbortHandle) {}

#[cfg(feature = "simulation")]
pub use simulated::{here, is_simulated, keep_task, with_disk};
