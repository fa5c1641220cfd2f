//! What the public HTTP listener (`http`) and the operator's (`api`) have in common: connections bounded in number, time
//! and work, and the bodies of answers. Nothing here spawns; `node` does.

mod connection_limiter;
mod frames;
mod metered;
mod problem;
mod tasks;

#[cfg(test)]
pub(crate) use connection_limiter::NARROW_STREAMS;
pub(crate) use connection_limiter::{
    ConnectionLimits, ConnectionPlace, Connections, Guest, RetryAfter, Told,
};
pub(crate) use frames::FrameCounter;
pub(crate) use metered::{AnswersOnly, Meter, Metered, READ_BYTES_MAX, Requested};
pub(crate) use problem::ProblemDetails;
pub(crate) use tasks::Tasks;
