//! `healthcheck`: asks the node of this configuration, for HEALTHCHECK of a container. No runtime, one socket, and an
//! answer within three seconds whatever happens.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::args::HealthcheckArguments;
use super::failure::Failure;
use super::local_node::{self, reachable};
use super::text::sanitize;
use crate::config::{self, Environment, Source};

/// Docker's own limit in the shipped files is 3 s.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Bytes of an answer that are read. The status line is at the front.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Reasons that are shown. A node gives nine at most.
const REASONS_MAX: usize = 16;

/// Asks, and says what was answered.
pub(super) fn run(
    arguments: &HealthcheckArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let (host, port) = place(arguments, environment, err)?;
    let answer = get(&host, port, "/health", PATIENCE).map_err(|error| {
        Failure::Failed(format!(
            "no answer from http://{host}:{port}/health: {error}; is the node running?"
        ))
    })?;
    let (status, reasons) = told(&answer.body);
    if answer.code == 200 {
        writeln!(out, "{status}")?;
        return Ok(());
    }
    let summary = format!("{status} (HTTP {} from http://{host}:{port}/health)", answer.code);
    let lines: Vec<_> = std::iter::once(summary).chain(reasons).collect();
    Err(Failure::Failed(lines.join("\n")))
}

/// The node's status, and the reasons why it is not healthy, as texts for a terminal.
fn told(body: &str) -> (String, Vec<String>) {
    let body = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    let status = body.get("status").and_then(serde_json::Value::as_str);
    let reasons = body.get("reasons").and_then(serde_json::Value::as_array);
    let reasons = reasons.into_iter().flatten().filter_map(serde_json::Value::as_str);
    let reasons = reasons.take(REASONS_MAX).map(sanitize);
    (sanitize(status.unwrap_or("an answer that is not that of a node")), reasons.collect())
}

/// Where the node serves its health.
///
/// A node goes on with its last good configuration when its file is broken. So where the file cannot be read, the
/// variables and defaults have to do.
fn place(
    arguments: &HealthcheckArguments,
    environment: &Environment,
    err: &mut dyn Write,
) -> Result<(String, u16), Failure> {
    if let Some(port) = arguments.port {
        return Ok(("127.0.0.1".to_owned(), port));
    }
    let settings = match local_node::load(&arguments.source, environment) {
        Ok(loaded) => loaded.config.settings,
        Err(problems) => {
            for problem in problems.problems.iter().take(3) {
                writeln!(err, "warning: {problem}")?;
            }
            let mut environment = environment.clone();
            environment.remove("CONFIG_FILE");
            config::load(&Source { environment, ..Source::default() })?.config.settings
        }
    };
    if settings.health_check_port == 0 {
        return Err(Failure::Usage(
            "healthCheckPort is 0, so the port is only in the node's log; give --port".to_owned(),
        ));
    }
    Ok((reachable(&settings.health_check_host), settings.health_check_port))
}

/// The answer to a GET.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HealthAnswer {
    /// The status code.
    pub(super) code: u16,
    /// What follows the headers.
    pub(super) body: String,
}

/// One GET over a connection of its own.
pub(super) fn get(
    host: &str,
    port: u16,
    path: &str,
    patience: Duration,
) -> io::Result<HealthAnswer> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left()) {
            Ok(mut stream) => {
                stream.set_write_timeout(Some(left()))?;
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                write!(
                    stream,
                    "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
                )?;
                return read(&mut stream, left);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads until the other side closes, or the body is complete.
fn read(stream: &mut TcpStream, left: impl Fn() -> Duration) -> io::Result<HealthAnswer> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        // The whole answer has one deadline, however slowly its bytes come.
        stream.set_read_timeout(Some(left()))?;
        let count = match stream.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            other => other?,
        };
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let too_long = u64::try_from(bytes.len()).is_ok_and(|len| len > ANSWER_BYTES_MAX);
        if let Some(answer) = parse(&bytes, count == 0 || too_long) {
            return Ok(answer);
        }
        if count == 0 || too_long {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"));
        }
        if left() <= Duration::from_millis(1) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// The answer, once it is complete; `ended`: no more bytes will come.
fn parse(bytes: &[u8], ended: bool) -> Option<HealthAnswer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let code = status.next()?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let complete = ended || length.is_some_and(|length| body.len() >= length);
    complete.then(|| HealthAnswer { code, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_complete_or_not_yet_there() {
        fn check(text: &str, ended: bool, expected: Option<(u16, &str)>) {
            let expected =
                expected.map(|(code, body)| HealthAnswer { code, body: body.to_owned() });
            assert_eq!(parse(text.as_bytes(), ended), expected, "{text:?}");
        }
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, Some((200, "{}")));
        check("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\n{}", false, None);
        check(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\n{}",
            true,
            Some((503, "{}")),
        );
        check("HTTP/1.0 204\r\n\r\n", true, Some((204, "")));
        check("HTTP/1.1 200 OK\r\n", true, None);
        check("SSH-2.0-OpenSSH\r\n\r\n", true, None);
        check("HTTP/1.1 abc\r\n\r\n", true, None);
        check("", true, None);
    }

    #[test]
    fn reasons_are_told() {
        let body = "{\"status\":\"unhealthy\",\"reasons\":[\"required peer bob is not connected\",\"a\\u001b[2J\"]}";
        let (status, reasons) = told(body);
        assert_eq!(status, "unhealthy");
        assert_eq!(reasons[0], "required peer bob is not connected");
        assert!(!reasons[1].contains('\u{1b}'), "{reasons:?}");
        assert_eq!(told("{}").1, [""; 0]);
        let many = format!("{{\"reasons\":{:?}}}", vec!["r"; 100]);
        assert_eq!(told(&many).1.len(), REASONS_MAX);
        assert!(told("<html>").0.starts_with("an answer that is not"));
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let started = Instant::now();
        let error = get("127.0.0.1", port, "/", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn where_the_node_is_asked() {
        fn check(variables: &[(&str, &str)], port: Option<u16>, expected: &str) {
            let environment = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let arguments = HealthcheckArguments { source: Default::default(), port };
            let mut warnings = Vec::new();
            let shown = match place(&arguments, &environment, &mut warnings) {
                Ok((host, port)) => format!("{host}:{port}"),
                Err(failure) => failure.to_string(),
            };
            assert!(shown.starts_with(expected), "{shown}");
            assert_eq!(
                warnings.is_empty(),
                !variables.iter().any(|(name, _)| *name == "CONFIG_FILE")
            );
        }
        check(&[], None, "127.0.0.1:8080");
        check(&[], Some(1), "127.0.0.1:1");
        check(&[("HEALTH_CHECK_PORT", "4"), ("HEALTH_CHECK_HOST", "::")], None, "::1:4");
        check(&[("HEALTH_CHECK_PORT", "0")], None, "healthCheckPort is 0");
        // The running node goes on with what it had; so the file is not needed to find it.
        check(&[("HEALTH_CHECK_PORT", "4"), ("CONFIG_FILE", "/nowhere.yaml")], None, "127.0.0.1:4");
    }
}
