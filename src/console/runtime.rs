//! The runtime that nodes and tools run on.

use super::failure::Failure;

/// Polls of tasks between two checks of sockets and timers. The session of a peer that sends without pause is ready
/// again after each of its polls, which are long: with tokio's default, the other sessions would wait for 61 of them.
const EVENT_INTERVAL: u32 = 4;

/// A runtime with this many threads. With one, it runs on the calling thread, which costs the least CPU.
pub fn build_runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).event_interval(EVENT_INTERVAL).enable_all();
    let built = builder.build();
    built.map_err(|error| Failure::Failed(format!("cannot start: {error}")))
}

/// Runs a command on a runtime of its own.
///
/// # Errors
/// Those of the command.
pub fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = build_runtime(1)?;
    let done = runtime.block_on(command);
    // A DNS lookup may still block a thread; the process does not wait for it.
    runtime.shutdown_background();
    done
}
