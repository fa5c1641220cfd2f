//! `watch`: the page and the API for nodes that run elsewhere. It follows the files that name them.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::args::{NodeTargets, WatchArguments};
use super::asked_nodes::{find_nodes_with, given_token, read_token};
use super::observed::page_client;
use super::terminal::interrupted;
use crate::api::{Observer, WatchApi, WatchSettings};
use crate::config::{Environment, variable};
use crate::console::{Failure, block_on, count, error_chain};
use crate::net::Secret;
use crate::node::SingleFlight;
use crate::remote::AskedNode;

/// For each answer of a node.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// A node that refuses its token may have another one in its file, or in a file that the file names.
const TOKEN_LOOK_INTERVAL: Duration = Duration::from_secs(10);
const STDIN: &str = "-";

/// Serves the page until a signal.
pub(super) fn run(
    arguments: &WatchArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let named = arguments.named.targets()?;
    let page_token = page_token(arguments, &named, environment)?;
    let watched = Arc::new(WatchedFiles::new(named, environment)?);
    let (seen, nodes) = (watched.fingerprints(), watched.find_nodes()?);
    block_on(async {
        let (number, client) = (nodes.len(), page_client(TIMEOUT)?);
        let observer = Observer::of_remote_nodes(client, nodes);
        let settings = WatchSettings {
            host: &arguments.host,
            port: arguments.port,
            token: page_token.as_ref().map(Secret::expose),
        };
        let api = WatchApi::bind(settings, Arc::clone(&observer)).await;
        let api = api.map_err(|error| Failure::Failed(error_chain(&error)))?;
        let (nodes, address) = (count(number, "node"), api.local_addr());
        writeln!(out, "the page of {nodes} is http://{address}/, until Ctrl-C")?;
        out.flush()?;
        let interrupted = interrupted()?;
        tokio::select! {
            () = api.run_until(interrupted) => Ok(()),
            followed = follow_files(&watched, seen, &observer, err) => followed,
        }
    })
}

fn page_token(
    arguments: &WatchArguments,
    named: &NodeTargets,
    environment: &Environment,
) -> Result<Option<Secret>, Failure> {
    if is_stdin(&arguments.page_token_file) && is_stdin(&named.token_file) {
        let both = "--token-file and --page-token-file cannot both be standard input";
        return Err(Failure::Usage(both.to_owned()));
    }
    match &arguments.page_token_file {
        Some(file) => read_token("--page-token-file", file).map(Some),
        None => Ok(variable(environment, "PAGE_TOKEN").map(Secret::new)),
    }
}

fn is_stdin(file: &Option<PathBuf>) -> bool {
    file.as_deref() == Some(Path::new(STDIN))
}

/// What names the nodes.
#[derive(Debug)]
struct WatchedFiles {
    named: NodeTargets,
    /// Read from standard input, which has it once.
    token: Option<Secret>,
    environment: Environment,
    files: Vec<PathBuf>,
}

/// When a file was last changed, and how long it is.
type FileStamp = Option<(u64, i64, i64, u64)>;

impl WatchedFiles {
    fn new(named: NodeTargets, environment: &Environment) -> Result<Self, Failure> {
        let mut files: Vec<PathBuf> = named.files().map(Path::to_owned).collect();
        if named.targets.is_empty() && files.is_empty() {
            files.extend(variable(environment, "CONFIG_FILE").map(PathBuf::from));
        }
        let token = if is_stdin(&named.token_file) { given_token(&named)? } else { None };
        files.extend(named.token_file.clone().filter(|_| token.is_none()));
        Ok(Self { named, token, environment: environment.clone(), files })
    }

    fn find_nodes(&self) -> Result<Vec<AskedNode>, Failure> {
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            None => given_token(&self.named)?,
        };
        find_nodes_with(&self.named, token, &self.environment)
    }

    fn fingerprints(&self) -> Vec<FileStamp> {
        let stamps = self.files.iter().map(|file| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
        });
        stamps.collect()
    }
}

/// What a look at the files has found.
type FilesLook = (Vec<FileStamp>, Option<Result<Vec<AskedNode>, Failure>>);

/// Reads the files again when one has changed. Never ends, unless notes cannot be written.
async fn follow_files(
    watched: &Arc<WatchedFiles>,
    mut seen: Vec<FileStamp>,
    observer: &Observer,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    // A file system may not answer; the page goes on.
    let mut looking = SingleFlight::<FilesLook>::default();
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut read_at = Instant::now();
    loop {
        tokio::select! {
            _ = looks.tick(), if !looking.is_under_way() => {
                let is_due = observer.is_token_refused() && read_at.elapsed() >= TOKEN_LOOK_INTERVAL;
                let (watched, before) = (Arc::clone(watched), seen.clone());
                looking.start(move || {
                    let now = watched.fingerprints();
                    let nodes = (is_due || now != before).then(|| watched.find_nodes());
                    (now, nodes)
                });
            }
            (now, found) = looking.done() => {
                let is_changed = std::mem::replace(&mut seen, now) != seen;
                match found {
                    None => {}
                    Some(Ok(nodes)) => {
                        read_at = Instant::now();
                        observer.set_remote_nodes(nodes);
                    }
                    Some(Err(failure)) => {
                        read_at = Instant::now();
                        if is_changed {
                            writeln!(err, "note: the nodes from before stay: {failure}")?;
                        }
                    }
                }
            }
        }
    }
}
