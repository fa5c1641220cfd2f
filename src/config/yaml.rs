//! YAML 1.2 text -> [`Value`] tree with the line of every value.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved here. Duplicate keys, a second document, tags that contradict
//! their value and keys that are not texts are mistakes. Depth, size and what aliases may add are bounded. Types are
//! deliberately absent: `yes`, `0x10` and `2026-01-01` are texts; only `~`, `null` and an empty value are null.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::diagnostics::DiagnosticSink;
use super::location::{Location, ValuePlace, push_key};
use super::tag::{self, TagMeaning, Tagged};
use super::value::{Map, Name, Value, ValueData};
use super::{tabs, yaml_hints};

/// Nested lists and mappings.
const DEPTH_MAX: usize = 64;
/// Values of a file, including those that aliases repeat.
const VALUES_MAX: usize = 16_000_000;
/// Values that aliases may add: a file of a few lines must not become gigabytes.
const ALIASED_VALUES_MAX: usize = 1_000_000;
/// Longer mappings find duplicate keys by hash.
const SHORT_MAP: usize = 16;

/// Reads one document. `None`: the file is empty, or the report says why it cannot be read.
pub fn read(text: &str, report: &mut DiagnosticSink) -> Option<Value> {
    if let Some(place) = yaml_hints::control_character(text) {
        report.problem(
            place,
            None,
            "not valid YAML: a control character",
            "remove it; texts may hold it escaped, as in \"\\x07\"",
        );
        return None;
    }
    if let Some(place) = yaml_hints::unknown_version(text) {
        report.problem(place, None, "not YAML 1", "remove the line that starts with %YAML");
        return None;
    }
    parse(text, true, report)
}

fn parse(text: &str, with_tabs: bool, report: &mut DiagnosticSink) -> Option<Value> {
    let mut builder = Builder::new(report);
    let mut document_seen = false;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(found) => found,
            Err(error) if with_tabs && tabs::is_cause(&error) => {
                return parse(&tabs::replaced(text), false, report);
            }
            Err(error) => {
                yaml_hints::problem(text, &error, report);
                return None;
            }
        };
        let line = span.start.line();
        let done = match event {
            Event::DocumentStart(_) if document_seen => builder.stop(
                line,
                "a second document (---) starts here",
                "one file holds one configuration",
            ),
            Event::DocumentStart(_) => {
                document_seen = true;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                builder.add_scalar(&text, style, anchor, tag.as_deref(), line)
            }
            Event::SequenceStart(anchor, tag) => {
                builder.open(Frame::list(line, anchor), tag.as_deref())
            }
            Event::MappingStart(anchor, tag) => {
                builder.open(Frame::map(line, anchor), tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            Event::Alias(anchor) => builder.add_alias(anchor, line),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        };
        if done.is_err() {
            return None;
        }
    }
    builder.root
}

/// Reading cannot continue, for a reason that is in the report.
struct Stopped;

struct Builder<'r> {
    report: &'r mut DiagnosticSink,
    stack: Vec<Frame>,
    root: Option<Value>,
    anchors: HashMap<usize, (Value, usize)>,
    /// Each key is kept once, although a file may repeat it a million times.
    names: HashMap<Box<str>, Arc<str>>,
    values: usize,
    aliased: usize,
}

/// An open list or mapping.
struct Frame {
    line: usize,
    anchor: usize,
    /// The number of values before it.
    values_before: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>),
    Map { map: Map, key: Option<(Name, bool)>, merged: Vec<Value>, seen: HashSet<Arc<str>> },
}

impl Frame {
    fn list(line: usize, anchor: usize) -> Self {
        Self { line, anchor, values_before: 0, kind: Kind::List(Vec::new()) }
    }

    fn map(line: usize, anchor: usize) -> Self {
        let (map, merged, seen) = (Map::default(), Vec::new(), HashSet::new());
        Self { line, anchor, values_before: 0, kind: Kind::Map { map, key: None, merged, seen } }
    }
}

impl<'r> Builder<'r> {
    fn new(report: &'r mut DiagnosticSink) -> Self {
        Builder {
            report,
            stack: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            names: HashMap::new(),
            values: 0,
            aliased: 0,
        }
    }

    fn stop(&mut self, line: usize, what: &str, help: &str) -> Result<(), Stopped> {
        let place = Location { text: self.place(), ..Location::line(line) };
        self.report.problem(place, None, what, help);
        Err(Stopped)
    }

    /// The place of the next value.
    fn place(&self) -> String {
        const STEPS_SHOWN: usize = 12;
        let mut out = String::new();
        for (depth, frame) in self.stack.iter().enumerate() {
            if depth == STEPS_SHOWN {
                out.push('…');
                break;
            }
            match &frame.kind {
                Kind::List(list) => out.push_str(&format!("[{}]", list.len())),
                Kind::Map { key: Some((name, _)), .. } => push_key(&mut out, &name.text),
                Kind::Map { key: None, .. } => {}
            }
        }
        out
    }

    fn count_values(&mut self, values: usize, line: usize) -> Result<(), Stopped> {
        self.values = self.values.saturating_add(values);
        if self.values > VALUES_MAX {
            let help = format!("at most {VALUES_MAX} values");
            return self.stop(line, "the file holds too many values", &help);
        }
        Ok(())
    }

    fn check_tag(
        &mut self,
        tag: Option<&Tag>,
        at: Tagged<'_>,
        line: usize,
    ) -> Result<TagMeaning, Stopped> {
        let meaning = tag.map_or(TagMeaning::Same, |tag| tag::meaning_of(tag, at));
        let TagMeaning::Contradiction(name) = meaning else { return Ok(meaning) };
        let what = match name {
            Some(name) => format!("the tag !!{name} is not what stands here"),
            None => "a tag (!...) has no meaning here".to_owned(),
        };
        let help = "remove it; a text that starts with ! must be in quotes";
        self.stop(line, &what, help).map(|()| meaning)
    }

    /// Whether the next scalar of the innermost mapping is a key.
    fn wants_key(&self) -> bool {
        matches!(self.stack.last().map(|frame| &frame.kind), Some(Kind::Map { key: None, .. }))
    }

    fn add_scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<(), Stopped> {
        let at = if self.wants_key() { Tagged::Key(text) } else { Tagged::Scalar(text) };
        let meaning = self.check_tag(tag, at, line)?;
        let plain = style == ScalarStyle::Plain && meaning == TagMeaning::Same;
        if self.wants_key() {
            return self.add_key(text, plain, line);
        }
        self.count_values(1, line)?;
        let null = plain && tag::is_null(text);
        let data = if null { ValueData::Null } else { ValueData::Text(text.into()) };
        self.add_value(Value { data, at: ValuePlace::line(line) }, anchor, 1)
    }

    fn add_key(&mut self, text: &str, plain: bool, line: usize) -> Result<(), Stopped> {
        let text = match self.names.get(text) {
            Some(known) => known.clone(),
            None => {
                let name: Arc<str> = text.into();
                self.names.insert(text.into(), name.clone());
                name
            }
        };
        let merge = plain && &*text == "<<";
        let name = Name { text, line: ValuePlace::line(line).line };
        if let Some(Frame { kind: Kind::Map { key, .. }, .. }) = self.stack.last_mut() {
            *key = Some((name, merge));
        }
        Ok(())
    }

    fn open(&mut self, mut frame: Frame, tag: Option<&Tag>) -> Result<(), Stopped> {
        let at = if matches!(frame.kind, Kind::List(_)) { Tagged::List } else { Tagged::Map };
        self.check_tag(tag, at, frame.line)?;
        if self.wants_key() {
            return self.stop(
                frame.line,
                "a list or mapping stands where a key should be",
                "keys are plain text; a text that starts with { or [ must be in quotes",
            );
        }
        if self.stack.len() >= DEPTH_MAX {
            let help = format!("at most {DEPTH_MAX} levels");
            return self.stop(frame.line, "lists and mappings are nested too deeply", &help);
        }
        self.count_values(1, frame.line)?;
        frame.values_before = self.values.saturating_sub(1);
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stopped> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let data = match frame.kind {
            Kind::List(list) => ValueData::List(list),
            Kind::Map { mut map, merged, .. } => {
                for value in merged {
                    self.merge(&mut map, value)?;
                }
                ValueData::Map(map)
            }
        };
        let size = self.values.saturating_sub(frame.values_before);
        self.add_value(Value { data, at: ValuePlace::line(frame.line) }, frame.anchor, size)
    }

    /// Adds the keys of a `<<`. Existing keys win, and earlier mappings win over later ones.
    fn merge(&mut self, map: &mut Map, value: Value) -> Result<(), Stopped> {
        let sources = match value.data {
            ValueData::List(list) => list,
            _ => vec![value],
        };
        for source in sources {
            let line = source.at.line as usize;
            let ValueData::Map(Map(entries)) = source.data else {
                return self.stop(
                    line,
                    "the merge key << needs a mapping",
                    "write <<: *name, where &name stands at a mapping",
                );
            };
            for (name, value) in entries {
                if !map.names(&name.text) {
                    map.0.push((name, value));
                }
            }
        }
        Ok(())
    }

    fn add_alias(&mut self, anchor: usize, line: usize) -> Result<(), Stopped> {
        if self.wants_key() {
            return self.stop(line, "an alias stands where a key should be", "keys are plain text");
        }
        let Some((_, size)) = self.anchors.get(&anchor) else {
            let what = "the alias refers to the value that it is part of";
            return self.stop(line, what, "");
        };
        let size = *size;
        self.aliased = self.aliased.saturating_add(size);
        if self.aliased > ALIASED_VALUES_MAX {
            let help = format!("aliases may repeat at most {ALIASED_VALUES_MAX} values");
            return self.stop(line, "the aliases of this file repeat too many values", &help);
        }
        self.count_values(size, line)?;
        match self.anchors.get(&anchor).map(|(value, _)| value.clone()) {
            Some(value) => self.add_value(value, 0, size),
            None => Ok(()),
        }
    }

    /// Adds a finished value to the innermost list or mapping.
    fn add_value(&mut self, value: Value, anchor: usize, size: usize) -> Result<(), Stopped> {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), size));
        }
        let duplicate = self.duplicate();
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        match &mut frame.kind {
            Kind::List(list) => list.push(value),
            Kind::Map { map, key, merged, seen } => match key.take() {
                None => {}
                Some((_, true)) => merged.push(value),
                Some((name, false)) => match duplicate {
                    Some((first, text)) => {
                        let place = Location { text, ..Location::line(name.line as usize) };
                        let what = format!("the key is set twice, first in line {first}");
                        self.report.problem(place, None, what, "remove one of them");
                    }
                    None => {
                        if map.0.len() >= SHORT_MAP {
                            if seen.is_empty() {
                                seen.extend(map.0.iter().map(|(name, _)| name.text.clone()));
                            }
                            seen.insert(name.text.clone());
                        }
                        map.0.push((name, value));
                    }
                },
            },
        }
        Ok(())
    }

    /// The next key of the innermost mapping, if it is a duplicate: its first line, and its path.
    fn duplicate(&self) -> Option<(u32, String)> {
        let Some(Frame { kind: Kind::Map { map, key: Some((name, false)), seen, .. }, .. }) =
            self.stack.last()
        else {
            return None;
        };
        if map.0.len() > SHORT_MAP && !seen.contains(&name.text) {
            return None;
        }
        let (first, _) = map.0.iter().find(|(known, _)| known.text == name.text)?;
        Some((first.line, self.place()))
    }
}
