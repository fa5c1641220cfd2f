//! The program with other implementations: the public JavaScript packages, including a real `ilp-connector`.
//!
//! This file runs the scenarios of `tests/interop` with Node.js. The packages are installed there once, at the versions
//! of the lock file. The results are the matrix of docs/INTEROP.md: `BLESS=1` rewrites it; otherwise it must be equal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use crate::support::{PROGRAM, combined_output, run, run_successfully, skip};

const NODE_VERSION_MIN: u32 = 20;
const MATRIX: [&str; 2] = ["<!-- matrix, see tests/it/interop.rs -->\n", "<!-- end of it -->"];

#[test]
fn other_implementations_work_with_the_node() {
    let folder = match packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the interop suite", &why),
    };
    let results = tempfile::NamedTempFile::new().unwrap();
    let output = run(Command::new("node")
        .args(["--test", "--test-reporter=spec", "--test-timeout=120000"])
        .env("ILP_CONNECTOR_BIN", PROGRAM)
        .env("INTEROP_RESULTS", results.path())
        .current_dir(&folder));
    assert!(output.status.success(), "{}", combined_output(&output));
    let matrix = run_successfully(
        Command::new("node").arg("lib/matrix.js").arg(results.path()).current_dir(&folder),
    );
    check_page(&matrix);
}

fn check_page(matrix: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/INTEROP.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let [start, end] = MATRIX;
    let (before, rest) = page.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let new = format!("{before}{start}{matrix}{end}{after}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, new).unwrap();
    } else {
        assert!(
            new == page,
            "the matrix of docs/INTEROP.md is stale; run with BLESS=1 and read it:\n{matrix}"
        );
    }
}

/// The folder with the installed packages, or the reason why there are none.
pub(crate) fn packages() -> Result<PathBuf, String> {
    // Tests run concurrently; only one installs.
    static INSTALLED: LazyLock<Result<PathBuf, String>> =
        LazyLock::new(|| installed("tests/interop"));
    INSTALLED.clone()
}

/// The folder with the codecs only.
pub(crate) fn differential_packages() -> Result<PathBuf, String> {
    installed("tests/differential")
}

/// The folder with the tests of the page and the compiler that checks its types.
pub(crate) fn ui_packages() -> Result<PathBuf, String> {
    installed("tests/ui")
}

/// The folder with what drives a browser.
pub(crate) fn browser_packages() -> Result<PathBuf, String> {
    installed("tests/browser")
}

/// The folder of the client in TypeScript, with its compiler.
pub(crate) fn typescript_packages() -> Result<PathBuf, String> {
    installed("examples/clients/typescript")
}

/// The folder with settlement engines, a ledger and a chain.
pub(crate) fn settlement_packages() -> Result<PathBuf, String> {
    // Tests run concurrently; only one installs.
    static INSTALLED: LazyLock<Result<PathBuf, String>> =
        LazyLock::new(|| installed("examples/settlement"));
    INSTALLED.clone()
}

fn installed(folder: &str) -> Result<PathBuf, String> {
    check_node_version()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    install_packages(&folder);
    Ok(folder)
}

fn check_node_version() -> Result<(), String> {
    let output = Command::new("node").arg("--version").output().map_err(|error| {
        format!("Node.js {NODE_VERSION_MIN} or later is needed, and `node` does not run: {error}")
    })?;
    let version = combined_output(&output);
    let major = version.trim().trim_start_matches('v').split('.').next().unwrap_or_default();
    match major.parse::<u32>() {
        Ok(major) if major >= NODE_VERSION_MIN => Ok(()),
        _ => Err(format!(
            "Node.js {NODE_VERSION_MIN} or later is needed, this is {}",
            version.trim()
        )),
    }
}

/// Runs `npm ci`, unless the packages are up to date.
fn install_packages(folder: &Path) {
    let written = |path: PathBuf| {
        path.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    // npm writes this file at the end of an installation.
    if written(folder.join("node_modules/.package-lock.json"))
        < written(folder.join("package-lock.json"))
    {
        run_successfully(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(folder),
        );
    }
}
