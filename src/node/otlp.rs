//! Exports the spans of sampled packets to a collector, while `otlpUrl` is set. One request at a time; whatever the
//! collector does costs no more than the bounded queues, and packets wait for nothing here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::task::AbortOnDrop;
use crate::config::NodeSettings;
use crate::connector::{PacketEvent, PacketTap, Sample};
use crate::http::HttpClient;
use crate::machine;
use crate::net::{Clock, LogThrottle};
use crate::otlp::{
    ClockAnchor, ExportError, Exported, SpanBatch, SpanCollector, SpanMaker, export,
};
use crate::peers::{NodeContext, OtlpCounts};
use crate::time::{Backoff, MonoTime};

/// How often records are read.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The longest time that a span waits for others.
const BATCH_TIME_MAX: Duration = Duration::from_secs(1);
/// Attempts to send one request.
const ATTEMPTS_MAX: u32 = 5;
/// Delays between them, unless the collector names one.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The same at every node and in every version, so that the spans of a packet are exported by all hops or by none. Not
/// zero: packets whose condition begins with zeros would always be in the sample.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The export of one node.
pub(super) struct OtlpExport {
    context: Arc<NodeContext>,
    running: Option<RunningExport>,
}

struct RunningExport {
    settings: ExportSettings,
    task: AbortOnDrop,
    /// Has the task send what waits, and end.
    stop: oneshot::Sender<()>,
}

#[derive(Clone, PartialEq, Eq)]
struct ExportSettings {
    collector: SpanCollector,
    /// One packet of how many.
    one_in: u32,
}

type Sending = Pin<Box<dyn Future<Output = Result<Exported, ExportError>> + Send>>;

/// Log lines at most once a minute each. They are about no failed requests, so no success ends them.
struct CountedLines {
    lost: CountedLine,
    refused: CountedLine,
    warned: CountedLine,
}

struct CountedLine {
    throttle: LogThrottle,
    /// Spans or warnings since the last line.
    count: u64,
}

/// What the task has. When it ends, what it still has counts as unsent.
struct ExportTask {
    context: Arc<NodeContext>,
    client: Arc<HttpClient>,
    collector: SpanCollector,
    tap: Arc<PacketTap>,
    /// Lost records that are counted already.
    lost: u64,
    lines: CountedLines,
    maker: SpanMaker,
    waiting: SpanBatch,
    /// Since when the oldest span waits.
    since: Option<Instant>,
    /// Spans of the request that is sent.
    sent: usize,
    /// Spans that were not sent since the node stops. Its pages do not show them any more.
    unsent_at_stop: Option<u64>,
}

impl OtlpExport {
    pub(super) fn new(context: Arc<NodeContext>) -> Self {
        Self { context, running: None }
    }

    /// Starts, replaces or ends the task.
    pub(super) fn follow_config(&mut self, settings: &NodeSettings) {
        let wanted = settings.otlp_url.as_ref().map(|url| ExportSettings {
            collector: SpanCollector { url: url.clone(), token: settings.otlp_token.clone() },
            one_in: settings.otlp_one_in,
        });
        if self.running.as_ref().map(|running| &running.settings) == wanted.as_ref() {
            return;
        }
        self.running = None;
        let Some(settings) = wanted else { return self.context.connector.set_export_tap(None) };
        let tap = PacketTap::of_fixed_size(sample(settings.one_in));
        self.context.connector.set_export_tap(Some(Arc::clone(&tap)));
        self.context.otlp_meter.switch_on();
        let node = self.context.connector.node_id();
        let task = ExportTask {
            client: Arc::new(HttpClient::with_tls(Arc::clone(&self.context.client_tls))),
            collector: settings.collector.clone(),
            context: Arc::clone(&self.context),
            tap,
            lost: 0,
            lines: CountedLines::default(),
            maker: SpanMaker::new(node.as_str()),
            waiting: SpanBatch::new(node.as_str()),
            since: None,
            sent: 0,
            unsent_at_stop: None,
        };
        let (stop, stopped) = oneshot::channel();
        let task = AbortOnDrop::spawn(task.run(stopped));
        self.running = Some(RunningExport { settings, task, stop });
    }

    /// Ends the export for good. Spans that wait are sent once, within this time; the others count as unsent.
    pub(super) async fn stop(self, time_max: Duration) {
        self.context.connector.set_export_tap(None);
        let Some(RunningExport { task, stop, .. }) = self.running else { return };
        // Fails if the task has panicked.
        let _ = stop.send(());
        task.wait_or_abort(time_max).await;
    }
}

impl ExportTask {
    /// Runs until it is dropped, or until the node stops.
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut polls = interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sending: Option<Sending> = None;
        let is_stopping = watch::Sender::new(false);
        loop {
            tokio::select! {
                biased;
                _ = polls.tick() => self.take_records(),
                result = until_sent(&mut sending) => self.count(result),
                stopped = &mut stopped => match stopped {
                    Ok(()) => break,
                    // Another task follows.
                    Err(_) => return,
                },
            }
            if sending.is_none() && self.is_due() {
                let body = self.take_request();
                sending = Some(Box::pin(send(
                    Arc::clone(&self.context),
                    Arc::clone(&self.client),
                    self.collector.clone(),
                    body,
                    is_stopping.subscribe(),
                )));
            }
            self.context.otlp_meter.set_waiting(self.waiting.len() + self.sent);
        }
        self.unsent_at_stop = Some(0);
        is_stopping.send_replace(true);
        if sending.is_some() {
            let result = until_sent(&mut sending).await;
            self.count(result);
        }
        self.send_rest().await;
    }

    /// Sends what waits, without a second attempt, until the collector does not take a request.
    async fn send_rest(&mut self) {
        loop {
            self.take_records();
            if self.waiting.is_empty() {
                return;
            }
            let body = self.take_request();
            let result = export(&self.client, &self.collector, &body).await;
            let has_failed = result.is_err();
            self.count(result);
            if has_failed {
                return;
            }
        }
    }

    /// The body of the next request. Its spans are those that are sent now.
    fn take_request(&mut self) -> String {
        let (count, body) = self.waiting.take_request();
        (self.sent, self.since) = (count, (!self.waiting.is_empty()).then(Instant::now));
        body
    }

    fn is_due(&self) -> bool {
        self.waiting.is_full() || self.since.is_some_and(|since| since.elapsed() >= BATCH_TIME_MAX)
    }

    /// Makes spans of what the packet path has recorded.
    fn take_records(&mut self) {
        let clock = anchor(&self.context.clock);
        let connector = &self.context.connector;
        let asset_of = |account: &str| connector.asset_of(account).map(|asset| asset.to_string());
        let mut without_room = 0;
        // No more than the tap holds now: packets may come faster than this reads.
        for _ in 0..self.tap.record_count() {
            let Some(packet) = self.tap.pop() else { break };
            let Some(span) = self.maker.span(&packet, clock, asset_of) else { continue };
            if self.waiting.add(span) {
                self.since.get_or_insert_with(Instant::now);
            } else {
                without_room += 1;
            }
        }
        let lost = self.tap.lost();
        let new = lost - std::mem::replace(&mut self.lost, lost) + without_room;
        self.context.otlp_meter.count(OtlpCounts { lost: new, ..OtlpCounts::default() });
        // Also without new ones: a minute after a line, those since then.
        if let Some(spans) = self.lines.lost.add(new, self.context.clock.mono()) {
            tracing::warn!(
                spans,
                "spans lost: packets of the sample come faster than the collector takes spans"
            );
        }
    }

    /// What the collector says of spans of a request that it has taken. A message without refused spans is a warning
    /// (OTLP/HTTP "Partial Success").
    fn log_partial_success(&mut self, refused: usize, message: Option<&str>) {
        let now = self.context.clock.mono();
        if refused > 0 {
            if let Some(refused) = self.lines.refused.add(refused as u64, now) {
                tracing::warn!(refused, reason = message, "the collector has refused spans");
            }
        } else if let Some(warning) = message
            && self.lines.warned.add(1, now).is_some()
        {
            tracing::warn!(warning, "the collector has taken spans, and warns");
        }
    }

    /// Counts what became of the spans of a request.
    fn count(&mut self, result: Result<Exported, ExportError>) {
        let spans = std::mem::take(&mut self.sent);
        let counts = match result {
            Ok(Exported { refused, message }) => {
                let refused = refused.min(spans);
                self.log_partial_success(refused, message.as_deref());
                if refused < spans && self.context.otlp_meter.end_failures() {
                    tracing::info!("spans are exported again");
                }
                OtlpCounts {
                    exported: (spans - refused) as u64,
                    refused: refused as u64,
                    ..OtlpCounts::default()
                }
            }
            Err(error) => {
                log_failure(&self.context, &error);
                match error.may_retry() {
                    true => OtlpCounts { unsent: spans as u64, ..OtlpCounts::default() },
                    false => OtlpCounts { refused: spans as u64, ..OtlpCounts::default() },
                }
            }
        };
        if let Some(unsent) = &mut self.unsent_at_stop {
            *unsent += counts.unsent;
        }
        self.context.otlp_meter.count(counts);
    }
}

impl Default for CountedLines {
    fn default() -> Self {
        let line = || CountedLine { throttle: LogThrottle::with_lines_max(1), count: 0 };
        Self { lost: line(), refused: line(), warned: line() }
    }
}

impl CountedLine {
    /// `Some`: a line may be logged now, about so many.
    fn add(&mut self, more: u64, now: MonoTime) -> Option<u64> {
        self.count += more;
        if self.count == 0 {
            return None;
        }
        self.throttle.admit(now)?;
        Some(std::mem::take(&mut self.count))
    }
}

impl Drop for ExportTask {
    fn drop(&mut self) {
        let mut unsent = (self.waiting.len() + self.sent) as u64;
        while let Some(packet) = self.tap.pop() {
            unsent += u64::from(!matches!(packet.record.event, PacketEvent::Forwarded { .. }));
        }
        let lost = self.tap.lost() - self.lost;
        if let Some(unsent) = self.unsent_at_stop.map(|before| before + unsent)
            && unsent > 0
        {
            tracing::warn!(unsent, "stopped with spans that the collector has not taken");
        }
        self.context.otlp_meter.count(OtlpCounts { unsent, lost, ..OtlpCounts::default() });
        self.context.otlp_meter.set_waiting(0);
    }
}

/// One packet of so many.
fn sample(one_in: u32) -> Sample {
    Sample { seed: SEED, threshold: u64::MAX / u64::from(one_in.max(1)) }
}

/// The result of the request that is under way. Cancel safe.
async fn until_sent(sending: &mut Option<Sending>) -> Result<Exported, ExportError> {
    let Some(request) = sending else { return std::future::pending().await };
    let result = request.await;
    *sending = None;
    result
}

/// Sends a request, and again while the collector is busy or away, unless the node stops.
async fn send(
    context: Arc<NodeContext>,
    client: Arc<HttpClient>,
    collector: SpanCollector,
    body: String,
    mut is_stopping: watch::Receiver<bool>,
) -> Result<Exported, ExportError> {
    let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
    loop {
        let error = match export(&client, &collector, &body).await {
            Ok(exported) => return Ok(exported),
            Err(error) => error,
        };
        let delay = backoff.next_delay();
        if !error.may_retry() || backoff.attempts() >= ATTEMPTS_MAX {
            return Err(error);
        }
        log_failure(&context, &error);
        let after = match error {
            ExportError::Busy { after: Some(after), .. } => after,
            _ => delay,
        };
        tokio::select! {
            biased;
            // Another attempt would take the time that the other spans have for theirs.
            _ = is_stopping.wait_for(|is_stopping| *is_stopping) => return Err(error),
            () = sleep(after) => {}
        }
    }
}

/// Each kind once, until the collector takes spans again.
fn log_failure(context: &NodeContext, error: &ExportError) {
    if context.otlp_meter.is_new_failure(error.kind()) {
        tracing::warn!(error = error.describe(), "the collector does not take spans");
    }
}

/// Reads both clocks. The process may be interrupted between the two, so it reads them again as long as that takes less
/// time.
fn anchor(clock: &Clock) -> ClockAnchor {
    let mut best: Option<(Duration, ClockAnchor)> = None;
    loop {
        let mono = clock.mono();
        let since_epoch = machine::time_of_day().duration_since(SystemTime::UNIX_EPOCH);
        let between = clock.mono().since(mono);
        let wall_ns =
            since_epoch.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        match best {
            Some((least, anchor)) if least <= between => return anchor,
            _ => best = Some((between, ClockAnchor { wall_ns, mono })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::SampleKey;

    #[test]
    fn no_condition_of_zeros_is_always_in_the_sample() {
        assert!(sample(1).contains(SampleKey(0)));
        for one_in in [2, 1_000, 1_000_000_000] {
            assert!(!sample(one_in).contains(SampleKey(0)), "{one_in}");
            assert!(sample(one_in).contains(SampleKey(SEED)), "{one_in}");
        }
    }

    #[test]
    fn a_line_is_logged_once_a_minute_about_all_since_the_last_one() {
        let at = |seconds: u64| MonoTime(seconds * 1_000_000_000);
        let mut line = CountedLines::default().lost;
        assert_eq!(line.add(0, at(0)), None);
        assert_eq!(line.add(3, at(1)), Some(3));
        assert_eq!(line.add(4, at(2)), None);
        assert_eq!(line.add(5, at(60)), None);
        assert_eq!(line.add(0, at(61)), Some(9));
        assert_eq!(line.add(0, at(122)), None);
    }
}
