//! docker/monitoring: the rules, alerts and dashboards, with a real Prometheus that reads real nodes under load.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use crate::network::TestNetwork;
use crate::peer::TestNode;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{eventually, run, run_successfully, skip};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/monitoring")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&read(name)).unwrap()
}

/// All rules: their kind, name and expression, and the runbook of an alert.
fn rules() -> Vec<Value> {
    let rules = yaml("rules.yml");
    let groups = rules["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

/// The dashboards by file name.
fn dashboards() -> BTreeMap<String, Value> {
    let entries = std::fs::read_dir(folder().join("grafana/dashboards")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let read = |file: PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap())
    };
    files.map(read).collect()
}

/// The expressions of all panels, with where they are.
fn panel_expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array().into_iter().flatten();
            let place = format!("{file}: {}", text(panel, "title"));
            found.extend(targets.map(|target| (place.clone(), text(target, "expr").to_owned())));
        }
    }
    found
}

/// A program of Debian's package `prometheus`.
fn has_prometheus() -> bool {
    Command::new("promtool").arg("--version").output().is_ok()
}

#[test]
fn each_alert_has_a_runbook_and_a_case_in_which_it_fires() {
    let runbooks = std::fs::read_to_string(folder().join("../../docs/RUNBOOKS.md")).unwrap();
    let sections: BTreeSet<&str> =
        runbooks.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let tests = yaml("rules_test.yml");
    let cases = tests["tests"].as_array().unwrap();
    let cases = cases.iter().flat_map(|case| case["alert_rule_test"].as_array().unwrap());
    let tested: BTreeSet<&str> = cases
        .filter(|case| case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()))
        .map(|case| text(case, "alertname"))
        .collect();
    let alerts = alerts();
    assert!(alerts.len() > 25, "{}", alerts.len());
    for alert in &alerts {
        let name = text(alert, "alert");
        let annotations = &alert["annotations"];
        assert!(!text(annotations, "summary").is_empty(), "{name}");
        assert!(!text(annotations, "description").is_empty(), "{name}");
        let runbook = format!("docs/RUNBOOKS.md#{}", name.to_lowercase());
        assert_eq!(text(annotations, "runbook_url"), runbook, "{name}");
        assert!(["critical", "warning"].contains(&text(&alert["labels"], "severity")), "{name}");
    }
    let names: BTreeSet<&str> = alerts.iter().map(|alert| text(alert, "alert")).collect();
    assert_eq!(sections, names, "the sections of docs/RUNBOOKS.md");
    assert_eq!(tested, names, "the alerts that fire in rules_test.yml");
    for alert in &alerts {
        let (_, section) = runbooks.split_once(&format!("### {}\n", text(alert, "alert"))).unwrap();
        let is_critical = text(&alert["labels"], "severity") == "critical";
        assert_eq!(section.trim_start().starts_with("Critical."), is_critical, "{alert}");
    }
}

/// A copy of the folder that reads these targets every second.
fn copy(targets: &[String], token: &str) -> TempDir {
    let copy = temp_folder();
    let token = path_text(&write_file(&copy, "api-token", token)).to_owned();
    for name in ["rules.yml", "rules_test.yml"] {
        write_file(&copy, name, &read(name));
    }
    let file = read("prometheus.yml");
    for what in ["/tmp/api-token", "_interval: 5s"] {
        assert!(file.contains(what), "{what}");
    }
    let file = file.replace("/tmp/api-token", &token).replace("_interval: 5s", "_interval: 1s");
    write_file(&copy, "prometheus.yml", &file);
    write_file(&copy, "targets.yml", &serde_json::json!([{ "targets": targets }]).to_string());
    copy
}

#[test]
fn promtool_accepts_the_configuration_and_the_cases_of_all_alerts() {
    if !has_prometheus() {
        return skip("the rules of Prometheus", "promtool is not installed");
    }
    let copy = copy(&["a:8080".to_owned()], "");
    for arguments in [["check", "config", "prometheus.yml"], ["test", "rules", "rules_test.yml"]] {
        run_successfully(Command::new("promtool").args(arguments).current_dir(copy.path()));
    }
}

#[test]
fn grafanas_own_types_hold_the_whole_of_each_dashboard() {
    let script = folder().join("../../tests/monitoring/dashboards.py");
    let imported = run(Command::new("python3").args(["-c", "import grafana_foundation_sdk"]));
    if !imported.status.success() {
        return skip(
            "the dashboards",
            "the Python package grafana-foundation-sdk is not installed",
        );
    }
    let names: Vec<String> = dashboards().into_keys().collect();
    assert_eq!(names, ["money.json", "network.json", "node.json"]);
    let files = names.iter().map(|name| folder().join("grafana/dashboards").join(name));
    run_successfully(Command::new("python3").arg(script).args(files));
}

/// Three nodes with everything that has a metric.
const NETWORK: &str = "\
routing: dynamic
nodes:
  - id: a
  - id: b
  - id: c
links:
  - { from: a, to: b, secret: a-b }
  - { from: b, to: c, secret: b-c }
defaults:
  store: books/
  maxBalance: 1000000000
  minBalance: -1000000000
  rateSources: [{ file: rates.json }]
  webhooks: [{ id: ops, url: 'http://127.0.0.1:9/', secrets: [whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA] }]
  peers:
    - { id: cli, relation: child, authToken: demo-cli-token }
    - { id: away, authToken: a-secret, required: false, settlement: { engine: 'http://127.0.0.1:9' } }
  receivers: [{ id: wallet }]
  httpServerPort: 7770
";

/// A certificate that expires in so many days, with its key, as PEM.
fn certificate_that_expires_in(days: i32) -> [String; 2] {
    use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
    use rcgen::{CertificateParams, KeyPair};
    let expiry = Timestamp::now().to_zoned(TimeZone::UTC).checked_add(days.days()).unwrap();
    let (month, day) = (expiry.month().try_into().unwrap(), expiry.day().try_into().unwrap());
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(expiry.year().into(), month, day);
    let key = KeyPair::generate().unwrap();
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

/// A server that reads the metrics of some nodes.
struct Prometheus {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Prometheus {
    fn start(targets: &[String], token: &str) -> Self {
        let (folder, port) = (copy(targets, token), free_port());
        let mut command = Command::new("prometheus");
        command
            .arg("--config.file=prometheus.yml")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.path=data", "--log.level=warn"])
            .current_dir(folder.path());
        Self { port, _process: Process::spawn(&mut command), _folder: folder }
    }

    /// A page of its API, by HTTP/1.0, in which bodies have no chunks.
    fn get(&self, path: &str) -> Result<Value, String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(|error| error.to_string())?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let body: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
        if body["status"] == "success" { Ok(body["data"].clone()) } else { Err(body.to_string()) }
    }

    /// The series that an expression has now.
    fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let data = self.get(&format!("/api/v1/query?query={query}"))?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    fn wait_for_data(&self, place: &str, expression: &str) -> Vec<Value> {
        let look = || match self.query(expression)? {
            series if series.is_empty() => Err("no data".to_owned()),
            series => Ok(series),
        };
        eventually(&format!("{place}: {expression}"), TIMEOUT, look).0
    }
}

/// The names of series in an expression, with the labels by which they are chosen.
fn selectors(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let after = &rest[start..];
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        rest = tail;
        let is_series =
            name == "up" || ["ilp_", "process_", "instance"].iter().any(|p| name.starts_with(p));
        // `instance` alone is a label.
        if !is_series || name == "instance" || name == "instance_peer" {
            continue;
        }
        let mut labels = Vec::new();
        if let Some(inner) = tail.strip_prefix('{') {
            let (inner, after) = inner.split_once('}').unwrap();
            rest = after;
            let matchers = inner.split(", ").filter_map(|one| one.split(['=', '!']).next());
            labels.extend(matchers.map(str::to_owned));
        }
        found.push((name.to_owned(), labels));
    }
    found
}

#[test]
fn every_expression_answers_with_data_of_real_nodes_under_load() {
    if !has_prometheus() {
        return skip("the metrics in Prometheus", "prometheus is not installed");
    }
    let network = TestNetwork::from_text(NETWORK);
    let rates = Path::new(network.file()).with_file_name("rates.json");
    std::fs::write(rates, r#"{"base": "USD", "rates": {"EUR": 0.9}}"#).unwrap();
    let _nodes = network.start_all();
    network.wait_all_reachable(&["a", "b", "c"]);
    // One more has a token and a certificate that expires soon, and lacks a peer that is required.
    let files = temp_folder();
    let [certificate, key] = certificate_that_expires_in(10);
    let (certificate, key) =
        (write_file(&files, "cert.pem", &certificate), write_file(&files, "key.pem", &key));
    let secured = TestNode::start(&format!(
        "nodeId: s\nilpAddress: test.s\napiToken: a-token\ntls: {{ certificate: '{}', key: '{}' }}\n\
         peers:\n  - {{ id: gone, url: 'ws://127.0.0.1:9', authToken: a-secret }}\n",
        path_text(&certificate),
        path_text(&key)
    ));
    let mut targets: Vec<String> =
        network.nodes().iter().map(|node| network.ports(node).1.to_string()).collect();
    targets.push(secured.health_port.to_string());
    let targets = targets.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>();
    let prometheus = Prometheus::start(&targets, "a-token");
    // Packets that arrive, and others that c rejects because it has no such receiver.
    let via = format!("btp+ws://cli:demo-cli-token@127.0.0.1:{}", network.ports("a").0);
    let _load = ["test.c", "test.c.nobody"].map(|destination| {
        let load = ["send", destination, "--via", &via, "--count", "1000000", "--rate", "200"];
        Process::start(&load, [])
    });

    let up = || match prometheus.query("up == 1")? {
        series if series.len() == targets.len() => Ok(()),
        series => Err(format!("{series:?}")),
    };
    eventually("all nodes are read", TIMEOUT, up);
    for (place, expression) in panel_expressions() {
        let expression = expression.replace("$instance", ".*").replace("$peer", ".*");
        assert!(!expression.contains('$'), "{place}: {expression}");
        prometheus.wait_for_data(&place, &expression);
    }
    for rule in rules() {
        if let Some(record) = rule["record"].as_str() {
            prometheus.wait_for_data("a recording rule", record);
            continue;
        }
        let name = text(&rule, "alert");
        for (series, labels) in selectors(text(&rule, "expr")) {
            let found = prometheus.wait_for_data(name, &series);
            for label in labels {
                let has_label = found.iter().any(|one| one["metric"].get(&label).is_some());
                assert!(has_label, "{name}: {series} has no label {label}");
            }
        }
    }
    // Prometheus has evaluated each rule with these data, and says of none that it cannot.
    let groups = prometheus.get("/api/v1/rules").unwrap();
    let evaluated: Vec<Value> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect();
    assert_eq!(evaluated.len(), rules().len());
    for rule in &evaluated {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // What is wrong with `s` is found: one alert at once, and one after it has lasted.
    for (alert, state) in [("IlpCertificateExpires", "firing"), ("IlpRequiredPeerAway", "pending")]
    {
        let query = format!(
            "ALERTS{{alertname=\"{alert}\", alertstate=\"{state}\", instance=~\".*:{}\"}}",
            secured.health_port
        );
        prometheus.wait_for_data(alert, &query);
    }
    // And nothing else, although some packets are rejected and a peer is away on purpose.
    let firing = prometheus
        .query("ALERTS{alertstate=\"firing\", alertname!=\"IlpCertificateExpires\"}")
        .unwrap();
    assert!(firing.is_empty(), "{firing:?}");
}
