//! Reads the sources of exchange rates, each in its own time, and gives the connector new prices.
//!
//! A source that hangs, fails or sends garbage delays no other one and no packet: files are read and documents parsed
//! on blocking threads, one at a time of each source.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::task::{self, AbortOnDrop};
use crate::api::NodeStatus;
use crate::books::{EventKind, EventLevel, NewEvent};
use crate::config::{NodeConfig, RateFile, RateSourceConfig, RateSourcePlace, read_rate_file};
use crate::http::{DocumentRequest, HttpClient, HttpVerb};
use crate::net::{HttpUrl, sanitize};
use crate::peers::NodeContext;
use crate::rates::{
    DOCUMENT_BYTES_MAX, Quotes, RateJump, RateNotice, SourceFault, SourceFaultKind, SourcedRates,
};
use crate::time::format_age;
use crate::wire::Timestamp;

/// How soon figures that have become too old are no longer used.
const TICK: Duration = Duration::from_millis(200);
/// For the connection, for the head of the answer, and for its body.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// A source that failed is read again after this time, if that is earlier.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Quotes that a notice names. A document has up to thousands, and all of them can jump.
const LISTED_MAX: usize = 5;

/// The task that reads the sources.
#[derive(Debug)]
pub(super) struct RateSources {
    sources: watch::Sender<Vec<RateSourceConfig>>,
    _task: AbortOnDrop,
}

impl RateSources {
    /// Starts with the sources of this configuration.
    pub(super) fn start(
        context: Arc<NodeContext>,
        status: Arc<NodeStatus>,
        config: &NodeConfig,
    ) -> Self {
        let (sources, changes) = watch::channel(Vec::new());
        let reader = Reader::new(context, status);
        let started = Self { sources, _task: AbortOnDrop::spawn(reader.run(changes)) };
        started.follow_config(config);
        started
    }

    /// Sources that stay keep their figures.
    pub(super) fn follow_config(&self, config: &NodeConfig) {
        self.sources.send_if_modified(|sources| {
            let has_changed = *sources != config.rate_sources;
            sources.clone_from(&config.rate_sources);
            has_changed
        });
    }
}

/// What a source said, and when that was written.
struct SourceAnswer {
    source: RateSourceConfig,
    read: Result<(Quotes, Timestamp), SourceFault>,
}

type Reading = Pin<Box<dyn Future<Output = SourceAnswer> + Send>>;

struct Reader {
    context: Arc<NodeContext>,
    status: Arc<NodeStatus>,
    /// Each source, and when it is read next; `None`: it is being read.
    due: Vec<(RateSourceConfig, Option<Instant>)>,
    reading: FuturesUnordered<Reading>,
    installed: Arc<SourcedRates>,
}

impl Reader {
    fn new(context: Arc<NodeContext>, status: Arc<NodeStatus>) -> Self {
        let (reading, installed) = (FuturesUnordered::new(), Arc::default());
        Self { context, status, due: Vec::new(), reading, installed }
    }

    async fn run(mut self, mut changes: watch::Receiver<Vec<RateSourceConfig>>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick(), if !self.due.is_empty() => self.start_due(),
                changed = changes.changed() => match changed {
                    Ok(()) => self.follow(changes.borrow_and_update().clone()),
                    Err(_) => return,
                },
                Some(answer) = self.reading.next() => self.take(answer),
            }
            let now = self.context.clock.now();
            let notices = self.context.rate_book.lock().poll(now);
            notices.into_iter().for_each(|notice| self.report(notice));
            self.install().await;
        }
    }

    fn follow(&mut self, sources: Vec<RateSourceConfig>) {
        let now = self.context.clock.now();
        let settings = sources.iter().map(|source| source.source.clone()).collect();
        self.context.rate_book.lock().configure(settings, now);
        let before = std::mem::take(&mut self.due);
        for source in sources {
            let known = before.iter().find(|(known, _)| *known == source);
            let due = known.map_or(Some(Instant::now()), |(_, due)| *due);
            self.due.push((source, due));
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        for (source, due) in &mut self.due {
            if due.is_some_and(|due| due <= now) {
                *due = None;
                self.reading.push(Box::pin(read(Arc::clone(&self.context), source.clone())));
            }
        }
    }

    fn take(&mut self, answer: SourceAnswer) {
        let SourceAnswer { source, read } = answer;
        let refresh = match read {
            Ok(_) => source.refresh,
            Err(_) => source.refresh.min(RETRY_AFTER),
        };
        // The answer of a source that the configuration no longer has, or has otherwise, is forgotten.
        let Some((_, due)) = self.due.iter_mut().find(|(known, _)| *known == source) else {
            return;
        };
        *due = Some(Instant::now() + refresh);
        let name = &source.source.name;
        if let Err(fault) = &read {
            tracing::debug!(source = %name, error = %fault.text, "a source of exchange rates cannot be read");
        }
        let now = self.context.clock.now();
        let notices = self.context.rate_book.lock().record(name, read, now);
        notices.into_iter().for_each(|notice| self.report(notice));
    }

    /// Swaps in the prices that follow from the figures as they are now, unless they are in force.
    async fn install(&mut self) {
        let sourced = self.context.rate_book.lock().table(self.context.clock.now());
        if sourced == *self.installed {
            return;
        }
        let sourced = Arc::new(sourced);
        loop {
            let (context, new) = (Arc::clone(&self.context), Arc::clone(&sourced));
            let prepare = move || context.connector.prepare_rates(new);
            // An error is a panic, which the panic hook has logged.
            let Ok(prepared) = task::spawn_blocking(prepare).await else { return };
            if self.context.connector.install_rates(prepared) {
                break;
            }
        }
        self.installed = sourced;
    }

    fn report(&self, notice: RateNotice) {
        let (level, kind, text, fields) = describe(notice);
        match level {
            EventLevel::Info => tracing::info!("{text}"),
            EventLevel::Warn | EventLevel::Error => tracing::warn!("{text}"),
        }
        self.status.record_event(NewEvent { level, kind, text, peer: None, fields });
    }
}

type Description = (EventLevel, EventKind, String, Vec<(&'static str, String)>);

fn describe(notice: RateNotice) -> Description {
    match notice {
        RateNotice::Stale { source, age, error } => {
            let age = match age {
                Some(age) => format!("{} old", format_age(age)),
                None => "missing".to_owned(),
            };
            let why = error.map(|error| format!(": {error}")).unwrap_or_default();
            let text = format!(
                "the exchange rates of {source} are {age}{why}; pairs that no other source has are refused"
            );
            let fields = vec![("source", source.to_string()), ("age", age)];
            (EventLevel::Warn, EventKind::RateStale, text, fields)
        }
        RateNotice::Fresh { source } => {
            let text = format!("the exchange rates of {source} are used again");
            (EventLevel::Info, EventKind::RateFresh, text, vec![("source", source.to_string())])
        }
        RateNotice::Jumped { source, jumps } => {
            let quotes = jumps
                .iter()
                .map(|RateJump { asset, from, to }| format!("{asset} from {from} to {to}"));
            let text = format!(
                "quotes in {source} jumped: {}; pairs of these assets are refused until the quotes are near again, \
                 maxStep allows them, or `rates accept` does",
                list(quotes)
            );
            let assets = list(jumps.iter().map(|jump| jump.asset.to_string()));
            let fields = vec![("source", source.to_string()), ("assets", assets)];
            (EventLevel::Warn, EventKind::RateStale, text, fields)
        }
        RateNotice::JumpsEnded { source, assets } => {
            let assets = list(assets.iter().map(ToString::to_string));
            let text = format!("these quotes in {source} are used again: {assets}");
            let fields = vec![("source", source.to_string()), ("assets", assets)];
            (EventLevel::Info, EventKind::RateFresh, text, fields)
        }
    }
}

/// The first few of them, and how many more there are.
fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(LISTED_MAX);
    let listed = items.take(LISTED_MAX).collect::<Vec<_>>().join(", ");
    match more {
        0 => listed,
        more => format!("{listed}, and {more} more"),
    }
}

async fn read(context: Arc<NodeContext>, source: RateSourceConfig) -> SourceAnswer {
    let document = match &source.place {
        RateSourcePlace::File(file) => {
            let file = file.clone();
            blocking(move || match read_rate_file(&file) {
                Ok(RateFile { content, written }) => Ok((content, Some(written))),
                Err(text) => Err(unreadable(text)),
            })
            .await
        }
        RateSourcePlace::Url(url) => fetch(&context, url).await.map_err(unreadable),
    };
    let read = match document {
        Ok((bytes, written)) => {
            let settings = source.source.clone();
            let now = context.clock.now().wall;
            blocking(move || Ok((settings.read(&bytes, now)?, written.unwrap_or(now)))).await
        }
        Err(error) => Err(error),
    };
    // An error may repeat what stands in the document.
    let read =
        read.map_err(|SourceFault { kind, text }| SourceFault { kind, text: sanitize(&text) });
    SourceAnswer { source, read }
}

fn unreadable(text: String) -> SourceFault {
    SourceFault { kind: SourceFaultKind::Unreadable, text }
}

/// Work that panics leaves the source unreadable.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceFault> + Send + 'static,
) -> Result<T, SourceFault> {
    let done = task::blocking(work).await;
    done.unwrap_or_else(|| Err(unreadable("it cannot be read".to_owned())))
}

type SourceDocument = (Vec<u8>, Option<Timestamp>);

async fn fetch(context: &NodeContext, url: &HttpUrl) -> Result<SourceDocument, String> {
    let client = HttpClient::with_tls(Arc::clone(&context.client_tls));
    let asked = DocumentRequest {
        url,
        accept: "application/json, application/xml, text/xml",
        bearer: None,
        verb: HttpVerb::Get,
        headers: &[],
        timeout: FETCH_TIMEOUT,
        bytes_max: DOCUMENT_BYTES_MAX,
    };
    let document = client.fetch(asked).await.map_err(|error| error.to_string())?;
    match document.status {
        200 => Ok((document.body.to_vec(), None)),
        status => Err(format!("the server answered with status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;
    use crate::account::Rate;
    use crate::node::tests::StoredNode;
    use crate::rates::{RateFormat, RateSource};

    #[tokio::test]
    async fn the_error_of_a_document_is_short_and_harmless() {
        let StoredNode { directory, context, .. } = StoredNode::new();
        let file = directory.path().join("rates.json");
        let long = "x".repeat(100_000);
        std::fs::write(&file, format!("{{\"rates\": \"\\u001b[2J{long}\"}}")).unwrap();
        let source = RateSourceConfig {
            refresh: Duration::from_secs(60),
            source: RateSource {
                name: "rates.json".into(),
                format: RateFormat::Json,
                base: None,
                max_age: Duration::from_secs(300),
                max_step: "0.2".parse().unwrap(),
            },
            place: RateSourcePlace::File(file),
        };
        let error = read(context, source).await.read.unwrap_err().text;
        assert!(error.starts_with("it is not JSON with an object `rates`: "), "{error}");
        assert!(error.len() < 1_000 && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_notice_names_the_first_quotes_that_jumped() {
        let jump = |n: usize| RateJump {
            asset: format!("C{n}").into(),
            from: Rate::ONE,
            to: Rate::from_str("2.5").unwrap(),
        };
        let describe = |count: usize| {
            let jumps = (0..count).map(jump).collect();
            describe(RateNotice::Jumped { source: "rates.json".into(), jumps })
        };
        let (_, _, text, fields) = describe(1);
        assert!(text.starts_with("quotes in rates.json jumped: C0 from 1 to 2.5; pairs"), "{text}");
        assert_eq!(fields[1], ("assets", "C0".to_owned()));
        let (_, _, text, fields) = describe(10_000);
        assert_eq!(fields[1].1, "C0, C1, C2, C3, C4, and 9995 more");
        assert!(text.len() < 500, "{text}");
    }
}
