//! Fenced blocks of a page, with the comment that stands before each.

use std::path::Path;

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block {
    /// File and line, for messages.
    pub(super) at: String,
    pub(super) language: String,
    pub(super) text: String,
    pub(super) mark: Option<Mark>,
}

/// How a block is tested.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The block is not run; its comment says why.
    NotTested,
    /// The block is part of a session.
    Tested { session: String, how: Action },
}

/// What a session does with a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Runs its commands and compares what they print.
    Run,
    /// The same, but the last command keeps running.
    Stays,
    /// Writes the block to a file.
    SaveAs(String),
    /// Inserts the block below a line of a file.
    Under(String, String),
    /// Deletes the lines of the block from a file.
    Without(String),
}

/// A command, and the lines that the page shows after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) line: &'a str,
    pub(super) prints: Vec<&'a str>,
}

impl Block {
    pub(super) fn is_commands(&self) -> bool {
        ["sh", "console", "bash", "shell"].contains(&self.language.as_str())
    }

    /// Lines with a `$` are commands, the others their output; in `sh` blocks all lines are commands.
    pub(super) fn commands(&self) -> Vec<Command<'_>> {
        let mut commands: Vec<Command<'_>> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(line), _) => commands.push(Command { line, prints: Vec::new() }),
                (None, Some(last)) if self.language == "console" => last.prints.push(line),
                (None, _) => commands.push(Command { line, prints: Vec::new() }),
            }
        }
        commands
    }
}

/// All fenced blocks of a page.
pub(super) fn blocks(page: &str, file: &Path) -> Vec<Block> {
    let mut found = Vec::new();
    let mut comment = None;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let text: String = text.map(|line| format!("{line}\n")).collect();
            let at = format!("{}:{}", file.display(), number + 1);
            found.push(Block { at, language: language.to_owned(), text, mark: comment.take() });
        } else {
            comment = line.strip_prefix("<!-- ").and_then(|rest| mark(rest.strip_suffix(" -->")?));
        }
    }
    found
}

fn mark(comment: &str) -> Option<Mark> {
    if comment.starts_with("not tested: ") {
        return Some(Mark::NotTested);
    }
    let rest = comment.strip_prefix("tested ")?;
    let (session, how) = rest.split_once(", ").unwrap_or((rest, ""));
    let how = match how.split_once(", ") {
        None if how.is_empty() => Action::Run,
        None if how == "stays" => Action::Stays,
        None => Action::SaveAs(how.strip_prefix("save as ")?.to_owned()),
        Some((file, "without")) => Action::Without(file.to_owned()),
        Some((file, what)) => {
            Action::Under(file.to_owned(), what.strip_prefix("under ")?.to_owned())
        }
    };
    Some(Mark::Tested { session: session.to_owned(), how })
}

#[test]
fn marks_and_commands_are_read() {
    let page = "\
<!-- tested x -->
```console
$ a
one
$ b
```
```sh
c
```
<!-- not tested: no -->
```sh
d
```
<!-- tested x, f.yaml, under links: -->
```yaml
  - e
```
";
    let found = blocks(page, Path::new("p"));
    let how = |how| Some(Mark::Tested { session: "x".into(), how });
    assert_eq!(found[0].mark, how(Action::Run));
    assert_eq!(
        found[0].commands(),
        [Command { line: "a", prints: vec!["one"] }, Command { line: "b", prints: vec![] }]
    );
    assert_eq!((&found[1].mark, found[1].at.as_str()), (&None, "p:7"));
    assert_eq!(found[2].mark, Some(Mark::NotTested));
    assert_eq!(found[3].mark, how(Action::Under("f.yaml".into(), "links:".into())));
}
