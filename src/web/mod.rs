//! The HTTP listener under the public server (`http`) and the operator's pages (`api`): connections bounded in number,
//! time and work, the bearer token of a request, and JSON bodies. Nothing here spawns; `node` does.

mod bearer;
mod connection_limiter;
mod frames;
mod json;
mod listener;
mod metered;
mod problem;
mod serve;
mod spare_file;
mod tasks;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use bearer::{WRONG_TOKENS, bearer_token};
#[cfg(test)]
pub(crate) use connection_limiter::NARROW_STREAMS;
pub(crate) use connection_limiter::{Connection, ConnectionLimiter, ConnectionLimits};
pub(crate) use frames::FrameCounter;
pub(crate) use json::{json_response, json_text};
pub(crate) use listener::{AcceptedConnection, WebListener};
pub(crate) use metered::{Meter, Metered};
pub(crate) use problem::ProblemDetails;
#[cfg(test)]
pub(crate) use serve::HEAD_BYTES_MAX;
pub(crate) use serve::{WebService, remote_of};
pub(crate) use tasks::{TaskPoller, Tasks};
