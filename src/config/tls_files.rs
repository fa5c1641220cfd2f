//! Checks the files with certificates and keys that a configuration names. Only `check` opens them here; a node opens
//! them at its start, with the same code.

use std::collections::HashSet;
use std::path::PathBuf;

use super::diagnostics::DiagnosticSink;
use super::location::{Location, ValuePath};
use super::settings::NodeConfig;
use super::value::Value;
use crate::net::{TlsError, TlsFile, check_ca_file, check_server_files, error_chain};

/// Checks the files of nodes, each once.
#[derive(Debug, Default)]
pub struct TlsFileCheck(HashSet<Vec<PathBuf>>);

impl TlsFileCheck {
    /// Checks the files of one node, which was made from `tree`.
    pub fn check(&mut self, node: &NodeConfig, tree: &Value, report: &mut DiagnosticSink) {
        let mut note = |keys: &[&str], checked: Result<Option<String>, TlsError>| match checked {
            Ok(None) => {}
            Ok(Some(warning)) => report.warn(place(tree, keys), warning, RENEW_HELP),
            Err(error) => {
                report.problem(place(tree, keys), None, error_chain(&error), help(&error));
            }
        };
        if let Some(tls) = &node.settings.tls
            && self.0.insert(vec![tls.certificate.clone(), tls.key.clone()])
        {
            match check_server_files(&tls.certificate, &tls.key) {
                Ok(warning) => note(&["tls", "certificate"], Ok(warning)),
                Err((TlsFile::Certificate, error)) => note(&["tls", "certificate"], Err(error)),
                Err((TlsFile::Key, error)) => note(&["tls", "key"], Err(error)),
            }
        }
        if let Some(file) = &node.settings.ca_file
            && self.0.insert(vec![file.clone()])
        {
            note(&["caFile"], check_ca_file(file));
        }
    }
}

const RENEW_HELP: &str = "renew it; a running node loads the new file by itself";

fn help(error: &TlsError) -> &'static str {
    match error.is_no_such_file() {
        true => "relative paths begin at the directory of the configuration file",
        false => "",
    }
}

/// The place of a key.
fn place(tree: &Value, keys: &[&str]) -> Location {
    fn below(value: &Value, path: &ValuePath<'_>, keys: &[&str]) -> Location {
        let next = keys
            .split_first()
            .and_then(|(key, rest)| Some((*key, value.as_map()?.get(key)?, rest)));
        match next {
            Some((key, value, rest)) => below(value, &path.key(key, &value.at), rest),
            None => path.place(),
        }
    }
    below(tree, &ValuePath::root(&tree.at), keys)
}
