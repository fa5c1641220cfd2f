//! The terminal's alternate screen, for live views. `Drop` restores the terminal, also after a panic.

use std::io::{self, IsTerminal, Write};

use crate::node::run_with_timeout;

/// The alternate screen, no cursor, no wrapping of long lines.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_REST_OF_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// For a terminal whose size is unknown.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// The size of the terminal, and whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Canvas {
    pub(in crate::cli) columns: usize,
    pub(in crate::cli) rows: usize,
    pub(in crate::cli) colour: bool,
}

/// Whether standard output is a terminal that can show a live view.
pub(in crate::cli) fn can_show_view(term: Option<&str>) -> bool {
    io::stdout().is_terminal() && term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// A screen that another thread drops, because a paused terminal would block.
pub(in crate::cli) struct DetachedScreen<W: Write + Send + 'static>(
    pub(in crate::cli) Option<Screen<W>>,
);

impl<W: Write + Send + 'static> Drop for DetachedScreen<W> {
    fn drop(&mut self) {
        if let Some(screen) = self.0.take() {
            run_with_timeout(move || drop(screen));
        }
    }
}

/// The terminal's current size, and whether to use colours.
pub(in crate::cli) fn terminal_canvas(no_colour: Option<&str>) -> Canvas {
    let size = terminal_size::terminal_size();
    let (columns, rows) =
        size.map_or(DEFAULT_SIZE, |(width, height)| (usize::from(width.0), usize::from(height.0)));
    Canvas { columns, rows, colour: no_colour.is_none_or(str::is_empty) }
}

/// The alternate screen, until it is dropped.
pub(in crate::cli) struct Screen<W: Write> {
    to: W,
}

impl<W: Write> Screen<W> {
    pub(in crate::cli) fn enter(mut to: W) -> io::Result<Self> {
        to.write_all(ENTER.as_bytes())?;
        to.flush()?;
        Ok(Self { to })
    }

    /// Draws over the previous frame, with one write, so that nothing flickers.
    pub(in crate::cli) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let mut frame = String::from(HOME);
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                frame.push_str("\r\n");
            }
            frame.push_str(line);
            frame.push_str(CLEAR_REST_OF_LINE);
        }
        frame.push_str(CLEAR_BELOW);
        self.to.write_all(frame.as_bytes())?;
        self.to.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to restore.
        let _ = self.to.write_all(LEAVE.as_bytes());
        let _ = self.to.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_restored_also_after_a_panic() {
        let mut written = Vec::new();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut screen = Screen::enter(&mut written).unwrap();
            screen.draw(&["one".to_owned(), "two".to_owned()]).unwrap();
            std::panic::resume_unwind(Box::new("a panic that prints nothing"));
        }));
        assert!(panicked.is_err());
        let text = String::from_utf8(written).unwrap();
        assert!(text.starts_with(ENTER) && text.ends_with(LEAVE), "{text:?}");
        assert!(text.contains("\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J"), "{text:?}");
    }

    /// Blocks while the other end of the channel exists, like a paused terminal.
    struct Paused(std::sync::mpsc::Receiver<()>);

    impl Write for Paused {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_paused_terminal_does_not_hold_up_the_end() {
        let (paused, resumed) = std::sync::mpsc::sync_channel::<()>(0);
        let began = std::time::Instant::now();
        drop(DetachedScreen(Some(Screen { to: Paused(resumed) })));
        run_with_timeout(|| ());
        assert!(began.elapsed().as_secs() < 10);
        drop(paused);
    }
}
