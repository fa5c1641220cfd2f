//! The configuration files that the command line names: their values with secrets masked, what `check` finds, and the
//! state of the files that they name. No store and no line of an audit log is shown.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::archive::{Archive, name_part};
use crate::audit::verify;
use crate::cli::args::NodeTargets;
use crate::config::{Diagnostic, Diagnostics, Environment, Loaded, Source, variable};
use crate::console::{error_chain, sanitize};
use crate::net::StorePlace;
use crate::store::Store;
use crate::topology::{self, Checked, Deployment};

/// Nodes of one file whose values are shown.
const NODES_MAX: usize = 50;

/// Adds what each file says, or the environment, if no file is named.
pub(super) fn add(archive: &mut Archive, named_nodes: &NodeTargets, environment: &Environment) {
    let mut files: Vec<Option<PathBuf>> =
        named_nodes.files().map(|file| Some(file.to_owned())).collect();
    if files.is_empty() && named_nodes.targets.is_empty() {
        files.push(None);
    }
    if files.is_empty() {
        archive.miss(
            "configuration files",
            "only URLs are named; the nodes' own values are in their pages",
        );
    }
    for file in files {
        let named =
            file.clone().or_else(|| variable(environment, "CONFIG_FILE").map(PathBuf::from));
        let name = named.as_deref().and_then(Path::file_name);
        let folder = name.map_or("environment".into(), |name| name_part(&name.to_string_lossy()));
        let node = named_nodes.node.clone();
        let source = Source { file, environment: environment.clone(), node, ..Source::default() };
        add_checked(archive, &format!("configuration/{folder}"), topology::check(&source));
    }
}

fn add_checked(archive: &mut Archive, folder: &str, checked: Result<Checked, Diagnostics>) {
    let (mistakes, warnings) = match &checked {
        Ok(Checked { warnings, .. }) => (&[][..], warnings),
        Err(Diagnostics { problems, warnings, .. }) => (problems.as_slice(), warnings),
    };
    let line = |kind: &str, found: &Diagnostic| format!("{kind}: {found}\n");
    let mut findings: String = mistakes.iter().map(|found| line("error", found)).collect();
    findings.extend(warnings.iter().map(|found| line("warning", found)));
    if findings.is_empty() {
        findings.push_str("ok\n");
    }
    archive.add_text(&format!("{folder}/findings.txt"), "what `check` says", &findings);
    let Ok(checked) = checked else {
        archive.miss(&format!("{folder}: values"), "the file has mistakes, see findings.txt");
        return;
    };
    if let Some(node) = &checked.node {
        return add_node(archive, folder, node);
    }
    let Some(network) = &checked.topology else { return };
    for (index, id) in network.node_ids().enumerate() {
        if index == NODES_MAX {
            let why = format!("only {NODES_MAX} of {} nodes are shown", network.node_ids().count());
            return archive.miss(&format!("{folder}: values of other nodes"), &why);
        }
        match network.node(id, Deployment::Spread) {
            Ok(node) => add_node(archive, folder, &node),
            Err(problems) => {
                archive.miss(&format!("{folder}: values of {id}"), &problems.to_string())
            }
        }
    }
}

fn add_node(archive: &mut Archive, folder: &str, node: &Loaded) {
    let id = name_part(node.config.settings.node_id.as_str());
    let about = "the values of this node, each with its origin; secrets are masked";
    archive.add_text(&format!("{folder}/{id}.yaml"), about, &node.print());
    let settings = &node.config.settings;
    let state = json!({
        "store": settings.store_place().map(|place| store_state(&place)),
        "auditLog": settings.audit_log_place().map(|file| audit_state(&file)),
    });
    let about = "its store and its audit log on this machine: sizes and versions";
    archive.add_json(&format!("{folder}/{id}.files.json"), about, &state);
}

/// Of a file: sizes, permissions, the version of its tables. A database is another machine, which is not asked.
fn store_state(place: &StorePlace) -> Value {
    let StorePlace::File(path) = place else {
        return json!({ "place": place.to_string(), "state": "a database; it is not asked" });
    };
    let mut state = file_state(path);
    if state.get("bytes").is_some() {
        let version = match Store::tables_version(path) {
            Ok(version) => json!(version),
            Err(error) => json!(sanitize(&error_chain(&error))),
        };
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            fs::metadata(PathBuf::from(name)).map(|metadata| metadata.len()).ok()
        };
        set(&mut state, "version", version);
        set(&mut state, "logBytes", json!(beside("-wal")));
    }
    state
}

/// Whether its lines are those that were written. Sealed files are not read.
fn audit_state(path: &Path) -> Value {
    let mut state = file_state(path);
    if state.get("bytes").is_some() {
        let checked = match verify(&[path.to_owned()], None) {
            Ok(found) => {
                format!("ok: {} lines, the last one has number {}", found.lines, found.last)
            }
            Err(mistake) => sanitize(&mistake.to_string()),
        };
        set(&mut state, "verified", json!(checked));
    }
    state
}

fn file_state(path: &Path) -> Value {
    let shown = path.display().to_string();
    match fs::metadata(path) {
        Ok(metadata) => json!({
            "place": shown,
            "bytes": metadata.len(),
            "mode": format!("{:o}", metadata.permissions().mode() & 0o7777),
            "isOfThisUser": metadata.uid() == rustix::process::geteuid().as_raw(),
        }),
        Err(error) => json!({ "place": shown, "state": error.to_string() }),
    }
}

fn set(state: &mut Value, key: &str, value: Value) {
    if let Some(keys) = state.as_object_mut() {
        keys.insert(key.to_owned(), value);
    }
}
