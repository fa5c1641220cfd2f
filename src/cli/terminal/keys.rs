//! The keys that a user presses while a view is on the terminal. `Drop` restores how the terminal reads lines.
//!
//! Ctrl-C stays a signal. Nothing here waits for the terminal: a program in the background would be stopped by it.

use std::io::{self, IsTerminal, Read, Stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use tokio::time::sleep;

/// Bytes that are read at once. More keys than that within one frame are a text that was pasted by mistake.
const BYTES_MAX: usize = 256;
/// Between two looks at the input. A thread that waits for it could not be ended.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum TerminalKey {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Escape,
    /// Another key that types this character.
    Char(char),
}

/// Standard input, key by key.
pub(in crate::cli) struct TerminalKeys {
    input: Stdin,
    before: Termios,
}

impl TerminalKeys {
    /// From now on the terminal gives each key at once and does not print it. `None`: standard input is no terminal, or
    /// this program runs in the background.
    pub(in crate::cli) fn read() -> Option<Self> {
        let input = io::stdin();
        if !input.is_terminal() || !is_in_foreground(&input) {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut keys = before.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        // A read returns at once, even if another program has taken the input.
        keys.special_codes[SpecialCodeIndex::VMIN] = 0;
        keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&input, OptionalActions::Now, &keys).ok()?;
        Some(Self { input, before })
    }

    /// The next keys. Cancel safe. Never ends if the terminal is gone: then drawing fails.
    pub(in crate::cli) async fn next(&mut self) -> Vec<TerminalKey> {
        loop {
            sleep(PAUSE).await;
            if !is_in_foreground(&self.input) {
                continue;
            }
            let mut bytes = [0; BYTES_MAX];
            match self.input.lock().read(&mut bytes) {
                Ok(count) => {
                    let keys = parse_keys(bytes.get(..count).unwrap_or_default());
                    if !keys.is_empty() {
                        return keys;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        std::future::pending().await
    }
}

impl Drop for TerminalKeys {
    fn drop(&mut self) {
        if is_in_foreground(&self.input) {
            // If the terminal is gone, there is nothing to restore.
            let _ = tcsetattr(&self.input, OptionalActions::Now, &self.before);
        }
    }
}

/// The next keys, if there is a terminal to press them on.
pub(in crate::cli) async fn next_keys(keys: &mut Option<TerminalKeys>) -> Vec<TerminalKey> {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

/// A program in the background is stopped if it reads from its terminal or changes it.
fn is_in_foreground(terminal: &impl AsFd) -> bool {
    tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
}

/// The keys that a terminal sends as these bytes. TerminalKeys without a meaning here are left out.
fn parse_keys(bytes: &[u8]) -> Vec<TerminalKey> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.as_ref();
    let mut keys = Vec::new();
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = after;
        if first != '\u{1b}' {
            if !first.is_control() {
                keys.push(TerminalKey::Char(first));
            }
            continue;
        }
        let Some(sequence) = after.strip_prefix(['[', 'O']) else {
            keys.push(TerminalKey::Escape);
            continue;
        };
        // Parameters, then one letter or `~`.
        let is_parameter = |c: char| c.is_ascii_digit() || c == ';';
        let end = sequence.trim_start_matches(is_parameter);
        let parameters = sequence.get(..sequence.len() - end.len()).unwrap_or_default();
        let last = end.chars().next();
        rest = last.and_then(|last| end.get(last.len_utf8()..)).unwrap_or_default();
        keys.extend(match (parameters, last) {
            (_, Some('A')) => Some(TerminalKey::Up),
            (_, Some('B')) => Some(TerminalKey::Down),
            (_, Some('H')) | ("1" | "7", Some('~')) => Some(TerminalKey::Home),
            (_, Some('F')) | ("4" | "8", Some('~')) => Some(TerminalKey::End),
            ("5", Some('~')) => Some(TerminalKey::PageUp),
            ("6", Some('~')) => Some(TerminalKey::PageDown),
            _ => None,
        });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_terminals() {
        fn check(bytes: &str, expected: &[TerminalKey]) {
            assert_eq!(parse_keys(bytes.as_bytes()), expected, "{bytes:?}");
        }
        check("q", &[TerminalKey::Char('q')]);
        check("jK é", &['j', 'K', ' ', 'é'].map(TerminalKey::Char));
        check("\x1b[A\x1bOB", &[TerminalKey::Up, TerminalKey::Down]);
        check("\x1b[5~\x1b[6~", &[TerminalKey::PageUp, TerminalKey::PageDown]);
        check(
            "\x1b[H\x1b[F\x1b[1~\x1b[4~",
            &[TerminalKey::Home, TerminalKey::End, TerminalKey::Home, TerminalKey::End],
        );
        check("\x1b", &[TerminalKey::Escape]);
        check("\x1b[1;5A", &[TerminalKey::Up]);
        check("\x1b[15~\x1b[C\x1b[", &[]);
        check("\r\n\t\u{7f}", &[]);
        assert_eq!(parse_keys(&[0xff, b'q']), ['\u{fffd}', 'q'].map(TerminalKey::Char));
    }
}
