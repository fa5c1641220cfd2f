//! The Node.js process that decodes with the public packages, for a whole run. Batches and answers alternate, so that
//! neither side waits with a full pipe.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::generate::Input;
use crate::support::text;

pub(super) struct JavaScript {
    process: Child,
    requests: ChildStdin,
    answers: ChildStdout,
}

impl JavaScript {
    /// `packages` is the folder with the script and its packages.
    pub(super) fn start(packages: &Path) -> Self {
        let mut process = Command::new("node")
            .arg(packages.join("decode.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let answers = process.stdout.take().unwrap();
        Self { process, requests, answers }
    }

    /// One answer per input: the fields as JSON, or `None` where the package refuses.
    pub(super) fn answers(&mut self, inputs: &[Input]) -> Vec<Option<String>> {
        let mut batch = vec![0; 4];
        for input in inputs {
            batch.push(input.codec as u8);
            batch.extend(length(input.bytes.len()));
            batch.extend(&input.bytes);
        }
        let size = length(batch.len() - 4);
        batch[..4].copy_from_slice(&size);
        self.requests.write_all(&batch).unwrap();
        self.requests.flush().unwrap();

        let mut size = [0; 4];
        self.answers.read_exact(&mut size).unwrap();
        let mut lines = vec![0; u32::from_be_bytes(size) as usize];
        self.answers.read_exact(&mut lines).unwrap();
        let answers: Vec<_> = text(&lines)
            .split('\n')
            .map(|line| Some(line.to_owned()).filter(|line| line != "-"))
            .collect();
        assert_eq!(answers.len(), inputs.len());
        answers
    }
}

impl Drop for JavaScript {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap().to_be_bytes()
}
