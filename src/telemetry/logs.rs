//! Log set-up: one line per event, to one stream, from the start of the process to its end, panics included.
//!
//! Every line has `timestamp`, `level`, `node`, `target` and `message`, and beside them the event's own fields. The
//! node comes from the event's field `node`, or else from [`node_span`], in which a node's tasks run, or else from
//! [`Logs::set_node`], for a process with one node. No other span appears in lines. A disabled line costs one
//! comparison. Lines go into a bounded queue ([`LogOutput`]), and the code that logs never waits for them to be
//! written.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::format::{EventText, LineHead, SUPPRESSED, put_line};
use super::levels::{LogLevels, NODE_SPAN, OURS, PANIC};
use super::libraries::LibraryThrottle;
use super::output::{LogOutput, LogTo, LogTotals, LogWriter, OutputError, RecentLines};
use super::packet_log::ProcessPacketLog;

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A process has only one log.
    #[error("the log is set up already")]
    Twice,
}

/// The process's log. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Logs {
    output: LogOutput,
    filter: reload::Handle<Targets, Registry>,
    libraries: Arc<LibraryThrottle>,
    packets: Arc<ProcessPacketLog>,
    levels: Arc<Mutex<LevelsInForce>>,
    /// The number of the override in force.
    overridden: Arc<watch::Sender<Option<u64>>>,
}

/// The levels of the configuration, and those that an operator has set for a time.
#[derive(Debug)]
struct LevelsInForce {
    configured: LogLevels,
    overridden: Option<LogLevels>,
    /// Overrides so far.
    count: u64,
}

/// Other levels than those of the configuration, as long as this lives and no later one replaces it.
#[derive(Debug)]
pub struct LevelsOverride {
    logs: Logs,
    number: u64,
}

/// The span of a node's tasks: their lines name the node.
pub fn node_span(node_id: &str) -> tracing::Span {
    tracing::error_span!(target: NODE_SPAN, parent: None, "node", node = node_id)
}

impl Logs {
    /// Sets up the process's log, panics included. Call it once, before anything can fail. Lines are queued until the
    /// writer runs, on a thread of its own.
    ///
    /// # Errors
    /// The file cannot be opened, or the process has a log already.
    pub fn start(to: &LogTo, levels: &LogLevels) -> Result<(Self, LogWriter), LogError> {
        let (output, writer) = LogOutput::open(to)?;
        let (filter, handle) = reload::Layer::new(levels.filter());
        let layer = LineLayer::new(output.clone());
        layer.libraries.set_levels(levels);
        let libraries = Arc::clone(&layer.libraries);
        Registry::default().with(filter).with(layer).try_init().map_err(|_| LogError::Twice)?;
        std::panic::set_hook(Box::new(log_panic));
        let packets = ProcessPacketLog::new(output.clone());
        let in_force = LevelsInForce { configured: levels.clone(), overridden: None, count: 0 };
        let levels = Arc::new(Mutex::new(in_force));
        let overridden = Arc::new(watch::Sender::new(None));
        Ok((Self { output, filter: handle, libraries, packets, levels, overridden }, writer))
    }

    /// Changes the levels of the configuration while the process runs; the packet log is switched separately
    /// ([`LogLevels::has_packet_log`]). An override stays in force until it ends.
    pub fn set_levels(&self, levels: &LogLevels) {
        let mut in_force = self.levels.lock();
        in_force.configured = levels.clone();
        self.apply(&in_force);
    }

    /// Sets other levels for the whole process until the result is dropped. A later override replaces it.
    pub fn override_levels(&self, levels: LogLevels) -> LevelsOverride {
        let mut in_force = self.levels.lock();
        in_force.count += 1;
        in_force.overridden = Some(levels);
        self.apply(&in_force);
        self.overridden.send_replace(Some(in_force.count));
        LevelsOverride { logs: self.clone(), number: in_force.count }
    }

    /// Changes when another override is in force, or none.
    pub fn watch_override(&self) -> watch::Receiver<Option<u64>> {
        self.overridden.subscribe()
    }

    fn apply(&self, in_force: &LevelsInForce) {
        let levels = in_force.overridden.as_ref().unwrap_or(&in_force.configured);
        // Fails only if the subscriber is gone, which it never is.
        let _ = self.filter.reload(levels.filter());
        self.libraries.set_levels(levels);
        // Libraries that use the `log` crate check this first.
        log::set_max_level(match tracing::level_filters::LevelFilter::current().into_level() {
            None => log::LevelFilter::Off,
            Some(Level::ERROR) => log::LevelFilter::Error,
            Some(Level::WARN) => log::LevelFilter::Warn,
            Some(Level::INFO) => log::LevelFilter::Info,
            Some(Level::DEBUG) => log::LevelFilter::Debug,
            Some(Level::TRACE) => log::LevelFilter::Trace,
        });
    }

    /// Names the process's only node, for lines outside its span. Only the first call has an effect.
    pub fn set_node(&self, node_id: &str) {
        let _ = self.output.node().set(node_id.into());
    }

    pub fn output(&self) -> &LogOutput {
        &self.output
    }

    pub fn packets(&self) -> &Arc<ProcessPacketLog> {
        &self.packets
    }

    /// The last lines that were written.
    pub fn recent(&self) -> Arc<RecentLines> {
        self.output.recent()
    }

    pub fn totals(&self) -> Arc<LogTotals> {
        self.output.totals()
    }
}

impl LevelsOverride {
    /// Whether no later override has replaced it.
    pub fn is_in_force(&self) -> bool {
        *self.logs.overridden.borrow() == Some(self.number)
    }
}

impl Drop for LevelsOverride {
    fn drop(&mut self) {
        let mut in_force = self.logs.levels.lock();
        if self.is_in_force() {
            in_force.overridden = None;
            self.logs.apply(&in_force);
            self.logs.overridden.send_replace(None);
        }
    }
}

/// Logs a panic, with a backtrace if `RUST_BACKTRACE` is set.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let location = info.location().map(tracing::field::display);
    let thread = std::thread::current();
    let thread = thread.name();
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(target: PANIC, location, thread, %backtrace, "{message}");
    } else {
        tracing::error!(target: PANIC, location, thread, "{message}");
    }
}

/// The node that a [`node_span`] names.
struct NodeName(Arc<str>);

/// Formats events as lines.
#[derive(Debug)]
struct LineLayer {
    output: LogOutput,
    libraries: Arc<LibraryThrottle>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == NODE_SPAN
            && let Some(span) = context.span(id)
        {
            let mut text = EventText::default();
            attributes.record(&mut text);
            span.extensions_mut().insert(NodeName(text.node.unwrap_or_default().into()));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        thread_local! {
            static BUFFERS: RefCell<(EventText, Vec<u8>)> = RefCell::default();
        }
        BUFFERS.with(|buffers| match buffers.try_borrow_mut() {
            Ok(mut buffers) => {
                let (text, out) = &mut *buffers;
                self.write(event, &context, text, out);
            }
            // Formatting a field logs or panics: that line gets buffers of its own.
            Err(_) => self.write(event, &context, &mut EventText::default(), &mut Vec::new()),
        });
    }
}

impl LineLayer {
    fn new(output: LogOutput) -> Self {
        Self { output, libraries: Arc::default() }
    }

    fn write<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        event: &Event<'_>,
        context: &Context<'_, S>,
        text: &mut EventText,
        out: &mut Vec<u8>,
    ) {
        let format = self.output.format();
        text.read(event, format);
        out.clear();
        let node = context.event_scope(event).into_iter().flatten().find_map(|span| {
            span.extensions().get::<NodeName>().map(|NodeName(name)| Arc::clone(name))
        });
        let node = text.node.as_deref().or(node.as_deref());
        let node = node.or_else(|| self.output.node().get().map(|name| &**name));
        let metadata = event.metadata();
        let target = text.target.as_deref().unwrap_or(metadata.target());
        let Some(suppressed) = self.libraries.admit(target, Instant::now) else { return };
        let target = target.strip_prefix(OURS).map_or(target, |rest| rest.trim_start_matches("::"));
        let target = if target.is_empty() { "main" } else { target };
        let head = LineHead { level: *metadata.level(), node, target };
        put_line(out, format, head, &text.message, |fields| {
            fields.out.extend_from_slice(&text.fields);
            if suppressed > 0 {
                fields.put_integer(SUPPRESSED, suppressed);
            }
        });
        self.output.write(out);
    }
}

#[cfg(test)]
mod tests;
