//! Which lines of a long text are shown.

use super::keys::TerminalKey;

/// The number of lines above the shown ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cli) struct Scroll(usize);

impl Scroll {
    /// Moves by a key. `page`: the lines that fit. `false`: the key does not scroll.
    pub(in crate::cli) fn press(&mut self, key: TerminalKey, page: usize) -> bool {
        let page = page.saturating_sub(1).max(1);
        self.0 = match key {
            TerminalKey::Up | TerminalKey::Char('k') => self.0.saturating_sub(1),
            TerminalKey::Down | TerminalKey::Char('j') => self.0.saturating_add(1),
            TerminalKey::PageUp | TerminalKey::Char('b') => self.0.saturating_sub(page),
            TerminalKey::PageDown | TerminalKey::Char(' ') => self.0.saturating_add(page),
            TerminalKey::Home | TerminalKey::Char('g') => 0,
            TerminalKey::End | TerminalKey::Char('G') => usize::MAX,
            TerminalKey::Escape | TerminalKey::Char(_) => return false,
        };
        true
    }

    /// Shows a page of these lines. Without it, the end could be scrolled out of view.
    pub(in crate::cli) fn window<T>(&mut self, lines: Vec<T>, page: usize) -> Vec<T> {
        self.0 = self.0.min(lines.len().saturating_sub(page));
        lines.into_iter().skip(self.0).take(page).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_move_within_the_text() {
        let mut scroll = Scroll::default();
        let mut check = |key: TerminalKey, expected: &[u8]| {
            assert!(scroll.press(key, 3), "{key:?}");
            assert_eq!(scroll.window((0..8).collect(), 3), expected, "{key:?}");
        };
        check(TerminalKey::Up, &[0, 1, 2]);
        check(TerminalKey::Down, &[1, 2, 3]);
        check(TerminalKey::PageDown, &[3, 4, 5]);
        check(TerminalKey::End, &[5, 6, 7]);
        check(TerminalKey::Char('j'), &[5, 6, 7]);
        check(TerminalKey::PageUp, &[3, 4, 5]);
        check(TerminalKey::Char('g'), &[0, 1, 2]);
        assert!(!scroll.press(TerminalKey::Char('x'), 3));
        assert_eq!(scroll.window(vec![1], 3), [1]);
    }
}
