//! docs/COMMANDS.md is written from the definition of the command line, and docs/REFERENCE.md says for each command
//! what its exit code 1 means. BLESS=1 in the environment rewrites COMMANDS.md.

use clap::{Arg, Command, CommandFactory};

use super::args::CommandLine;
use crate::testing::check_page;

const INTRODUCTION: &str = "\
# Commands

Each command of `ilp-connector` with its arguments, as `--help` prints them. The [exit codes](REFERENCE.md#exit-codes) and
the [variables](CONFIG.md#environment) are on pages of their own. This page is written by a test from the program.
";

/// The command line, with the usage of each command.
fn definition() -> Command {
    let mut command = CommandLine::command();
    command.build();
    command
}

/// The commands that help lists, without `help` itself.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

/// A text whose marks mean nothing in Markdown.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for part in text.chars() {
        if ['<', '*', '|', '\\'].contains(&part) {
            escaped.push('\\');
        }
        escaped.push(part);
    }
    escaped
}

/// The same with its code spans as they are.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => escape(part),
        _ => format!("`{}`", part.replace('|', "\\|")),
    });
    parts.collect()
}

/// How an argument is written.
fn spelling(argument: &Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().join(" ");
    let takes_value = argument.get_num_args().is_none_or(|range| range.takes_values());
    let repeats = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    let repeats = if repeats { "..." } else { "" };
    if argument.is_positional() {
        let name = if value.is_empty() { argument.get_id().as_str().to_uppercase() } else { value };
        return match argument.is_required_set() {
            true => format!("`{name}{repeats}`"),
            false => format!("`[{name}]{repeats}`"),
        };
    }
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    match takes_value {
        true => format!("`{short}{long} {value}{repeats}`"),
        false => format!("`{short}{long}`"),
    }
}

/// What an argument means: its help, its values, and its default.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let mut text = prose(&help.split_whitespace().collect::<Vec<_>>().join(" "));
    let takes_value = argument.get_num_args().is_none_or(|range| range.takes_values());
    let values = argument.get_possible_values();
    if takes_value && !values.is_empty() {
        let values = values.iter().filter(|value| !value.is_hide_set());
        let values: Vec<String> = values.map(|value| format!("`{}`", value.get_name())).collect();
        text += &format!(" ({})", values.join(", "));
    }
    let defaults = argument.get_default_values();
    if takes_value && !defaults.is_empty() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        text += &format!("; default: `{}`", defaults.join(" "));
    }
    text
}

/// The section of a command, and those of its own commands.
fn section(command: &Command, path: &str, level: usize, page: &mut String) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> = usage.trim_start_matches("Usage:").lines().map(str::trim).collect();
    *page += &format!("\n{} {path}\n\n{}.\n", "#".repeat(level), prose(&about));
    *page += &format!("\n```text\n{}\n```\n", usage.join("\n"));
    let is_own = |argument: &&Arg| {
        !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
    };
    let (positional, flags): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(is_own).partition(|argument| argument.is_positional());
    if !positional.is_empty() || !flags.is_empty() {
        *page += "\n| argument | meaning |\n|---|---|\n";
        for argument in positional.into_iter().chain(flags) {
            *page += &format!("| {} | {} |\n", spelling(argument), meaning(argument));
        }
    }
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        let (text, examples) = help.split_once("Examples:\n").unwrap_or((&help, ""));
        // What follows the examples is text again.
        let is_example = |line: &&str| line.starts_with(' ') || line.starts_with("then");
        let (examples, after): (Vec<&str>, Vec<&str>) = (
            examples.lines().take_while(is_example).collect(),
            examples.lines().skip_while(is_example).collect(),
        );
        for paragraph in text.split("\n\n").filter(|text| !text.trim().is_empty()) {
            *page += &paragraph_or_block(paragraph);
        }
        if !examples.is_empty() {
            let lines = examples.iter().map(|line| line.strip_prefix("  ").unwrap_or(line));
            *page += &format!("\n```text\n{}\n```\n", lines.collect::<Vec<_>>().join("\n"));
        }
        for paragraph in after.join("\n").split("\n\n").filter(|text| !text.trim().is_empty()) {
            *page += &paragraph_or_block(paragraph);
        }
    }
    for sub in visible(command) {
        section(sub, &format!("{path} {}", sub.get_name()), level + 1, page);
    }
}

/// A paragraph of help; one with indented lines keeps them.
fn paragraph_or_block(paragraph: &str) -> String {
    match paragraph.lines().any(|line| line.starts_with("  ")) {
        true => format!("\n```text\n{}\n```\n", paragraph.trim_matches('\n')),
        false => format!("\n{}\n", prose(paragraph.trim())),
    }
}

#[test]
fn the_page_of_commands_is_that_of_the_program() {
    let command = definition();
    let mut page = INTRODUCTION.to_owned();
    page += "\n| command | what it does |\n|---|---|\n";
    for sub in visible(&command) {
        let (name, about) = (sub.get_name(), sub.get_about().map(ToString::to_string));
        page += &format!("| [{name}](#{name}) | {} |\n", prose(&about.unwrap_or_default()));
    }
    for sub in visible(&command) {
        section(sub, sub.get_name(), 2, &mut page);
    }
    check_page("docs/COMMANDS.md", &page);
}

#[test]
fn the_reference_says_for_each_command_what_its_failure_means() {
    let page = include_str!("../../docs/REFERENCE.md");
    let (_, section) = page.split_once("\n## Exit codes\n").unwrap();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.filter_map(|line| line.split(" | ").next()?.strip_prefix("| "));
    let named: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let command = definition();
    let expected: Vec<&str> = visible(&command).map(Command::get_name).collect();
    assert_eq!(named, expected, "the table of docs/REFERENCE.md, in the order of `--help`");
}

#[test]
fn marks_of_markdown_are_escaped_outside_of_code() {
    assert_eq!(prose("a <b> | `c_d | e` *f*"), "a \\<b> \\| `c_d \\| e` \\*f\\*");
    assert_eq!(paragraph_or_block("a\n  b"), "\n```text\na\n  b\n```\n");
}
