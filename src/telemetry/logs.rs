//! Log set-up: one line per event, to one stream, from the start of the process to its end, panics included.
//!
//! Every line has `timestamp`, `level`, `node`, `target` and `message`, then the event's own fields side by side with
//! them. Many nodes may live in one process: the tasks of each run inside [`node_span`], and lines are named by it; a
//! process with a single node is told its name once ([`Logs::set_node`]), and then lines outside the span have it too;
//! and an event may name the node that it speaks of, in a field `node`.
//! No other span appears in lines. A disabled line costs one comparison. A line goes into a bounded queue
//! ([`LogOutput`]); what runs never waits until it is written.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::event::{EventText, NodeName, time_now};
use super::levels::{LogLevels, NODE_SPAN, OURS, PANIC};
use super::libraries::LibraryThrottle;
use super::line::{self, LineHead};
use super::log_writer::LogWriter;
use super::output::{LogOutput, LogTo, LogTotals, OutputError};
use super::packet_stream::PacketStream;
use super::text::LineFields;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its file cannot be opened.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// It was set up before: a process has one log.
    #[error("the log is set up already")]
    Twice,
}

/// The process's log. Copies are the same log.
#[derive(Debug, Clone)]
pub struct Logs {
    output: LogOutput,
    node: Arc<OnceLock<Arc<str>>>,
    filter: reload::Handle<Targets, Registry>,
    libraries: Arc<LibraryThrottle>,
    packets: Arc<PacketStream>,
}

/// The span that a node's tasks run in, so that its lines name it.
pub fn node_span(node_id: &str) -> tracing::Span {
    tracing::error_span!(target: NODE_SPAN, parent: None, "node", node = node_id)
}

impl Logs {
    /// Begins the log of the process, and has panics written to it. To be called once, before anything can fail. Lines
    /// wait until the writer runs, which is for a thread of its own.
    ///
    /// # Errors
    /// [`LogError`]: the file cannot be opened, or there is a log already.
    pub fn start(to: &LogTo, levels: &LogLevels) -> Result<(Self, LogWriter), LogError> {
        let (output, writer) = LogOutput::open(to)?;
        let (filter, handle) = reload::Layer::new(levels.filter());
        let layer = LineLayer::new(output.clone());
        layer.libraries.set_levels(levels);
        let (node, libraries) = (output.node(), Arc::clone(&layer.libraries));
        Registry::default().with(filter).with(layer).try_init().map_err(|_| LogError::Twice)?;
        std::panic::set_hook(Box::new(log_panic));
        let packets = PacketStream::new(output.clone());
        Ok((Logs { output, node, filter: handle, libraries, packets }, writer))
    }

    /// Changes the levels while the process runs. Whoever switches the packet log asks [`LogLevels::packets`].
    pub fn set_levels(&self, levels: &LogLevels) {
        // Fails only if the subscriber is gone, which it never is.
        let _ = self.filter.reload(levels.filter());
        self.libraries.set_levels(levels);
        // Libraries that log through the `log` crate ask this before anything else.
        log::set_max_level(match tracing::level_filters::LevelFilter::current().into_level() {
            None => log::LevelFilter::Off,
            Some(Level::ERROR) => log::LevelFilter::Error,
            Some(Level::WARN) => log::LevelFilter::Warn,
            Some(Level::INFO) => log::LevelFilter::Info,
            Some(Level::DEBUG) => log::LevelFilter::Debug,
            Some(Level::TRACE) => log::LevelFilter::Trace,
        });
    }

    /// The process's only node: lines that no span names are its. Only the first call counts.
    pub fn set_node(&self, node_id: &str) {
        let _ = self.node.set(node_id.into());
    }

    /// The stream of lines.
    pub fn output(&self) -> &LogOutput {
        &self.output
    }

    /// The packet log, which nodes switch on and off.
    pub fn packets(&self) -> &Arc<PacketStream> {
        &self.packets
    }

    /// What was lost so far.
    pub fn totals(&self) -> Arc<LogTotals> {
        self.output.totals()
    }
}

/// A panic is a line like any other; a backtrace is part of it where `RUST_BACKTRACE` asks for one.
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

/// Turns events into lines.
#[derive(Debug)]
struct LineLayer {
    output: LogOutput,
    node: Arc<OnceLock<Arc<str>>>,
    libraries: Arc<LibraryThrottle>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == NODE_SPAN
            && let Some(span) = context.span(id)
        {
            let mut name = NodeName::default();
            attributes.record(&mut name);
            span.extensions_mut().insert(name);
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
            // A field's own formatting logs or panics: it does so to buffers of its own.
            Err(_) => self.write(event, &context, &mut EventText::default(), &mut Vec::new()),
        });
    }
}

impl LineLayer {
    fn new(output: LogOutput) -> Self {
        LineLayer { node: output.node(), output, libraries: Arc::default() }
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
        let node = node.or_else(|| self.node.get().map(|name| &**name));
        let metadata = event.metadata();
        let target = text.target.as_deref().unwrap_or(metadata.target());
        let Some(suppressed) = self.libraries.admit(target, Instant::now) else { return };
        let target = target.strip_prefix(OURS).map_or(target, |rest| rest.trim_start_matches("::"));
        let target = if target.is_empty() { "main" } else { target };
        line::put_time(out, format, &time_now());
        line::put_head(out, format, LineHead { level: *metadata.level(), node, target });
        out.extend_from_slice(&text.message);
        line::end_message(out, format);
        out.extend_from_slice(&text.fields);
        if suppressed > 0 {
            let mut fields = LineFields { out, format };
            fields.bare("suppressed", itoa::Buffer::new().format(suppressed));
        }
        line::end(out, format);
        self.output.write(out);
    }
}

#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;
