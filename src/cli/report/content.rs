//! What becomes of an answer: text on several lines, with words of strangers masked. An answer longer than a file is
//! not parsed, because a parsed text may take many times its size; it stays on its lines.

use std::io::{self, Write};

use serde_json::Value;

use super::archive::{FILE_BYTES_MAX, FileText};
use crate::net::mask_words_of_strangers;

/// What is in a page.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Json,
    /// Words of strangers in packets and errors, such as the tokens in addresses of receivers, are masked.
    Masked,
    /// The `lines` of a JSON object, as a file of lines with the same masks.
    Log,
    Text,
}

/// The content of the file.
pub(super) fn text_of(body: &[u8], form: Form) -> FileText {
    let body = String::from_utf8_lossy(body);
    if matches!(form, Form::Text) {
        return FileText::new(body.into_owned());
    }
    let is_short = body.len() <= FILE_BYTES_MAX;
    match is_short.then(|| serde_json::from_str(&body)) {
        Some(Ok(value)) => text_of_json(value, form),
        // A long answer, or none of a node; what it is shows what answers.
        _ => FileText::new(mask_words_of_strangers(&body)),
    }
}

/// The same of JSON.
pub(super) fn text_of_json(mut value: Value, form: Form) -> FileText {
    match form {
        Form::Json | Form::Text => {}
        Form::Masked => mask_texts(&mut value),
        Form::Log => {
            let lines = value.get("lines").and_then(Value::as_array).into_iter().flatten();
            let lines = lines.filter_map(Value::as_str);
            let lines = lines.map(|line| mask_words_of_strangers(line) + "\n");
            return FileText::new(lines.collect());
        }
    }
    let mut text = FileWriter(Vec::new());
    // Fails only when the file is full.
    let _ =
        serde_json::to_writer_pretty(&mut text, &value).is_ok_and(|()| text.write(b"\n").is_ok());
    FileText::new(String::from_utf8_lossy(&text.0).into_owned())
}

/// Takes a little more than a file has, so that a longer text is cut off. Blanks at the beginning of lines may be much
/// longer than the text.
struct FileWriter(Vec<u8>);

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Masks random words, except those that only number a packet.
fn mask_texts(value: &mut Value) {
    const NUMBERS: [&str; 3] = ["id", "condition", "sampleKey"];
    match value {
        Value::String(text) => *text = mask_words_of_strangers(text),
        Value::Array(items) => items.iter_mut().for_each(mask_texts),
        Value::Object(keys) => {
            let texts = keys.iter_mut().filter(|(key, _)| !NUMBERS.contains(&key.as_str()));
            texts.for_each(|(_, value)| mask_texts(value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "Qz7xKv2RtW9LmB4nYd8HsJ6gVcF3pU1o";

    fn shown(body: &str, form: Form) -> String {
        text_of(body.as_bytes(), form).text
    }

    #[test]
    fn tokens_in_addresses_are_masked_and_conditions_are_not() {
        let body = format!(
            "{{\"packets\":[{{\"id\":\"00ab12cd34ef56ab-7\",\"condition\":\"7f3ac91e5b08d264\",\
             \"destination\":\"test.b.shop.{TOKEN}\",\"message\":\"no route\"}}]}}"
        );
        let packets = shown(&body, Form::Masked);
        assert!(packets.contains("\"test.b.shop.***\"") && !packets.contains(TOKEN), "{packets}");
        assert!(
            packets.contains("7f3ac91e5b08d264") && packets.contains("00ab12cd34ef56ab-7"),
            "{packets}"
        );
        let log = format!("{{\"lines\":[\"to test.b.shop.{TOKEN}\",\"two\"]}}");
        assert_eq!(shown(&log, Form::Log), "to test.b.shop.***\ntwo\n");
        assert_eq!(shown("# HELP x\n", Form::Text), "# HELP x\n");
        assert_eq!(shown(&format!("<p>{TOKEN}"), Form::Json), "<p>***");
        let refusal = "{\"peers\":[{\"id\":\"b\",\"since\":\"2026-11-28T12:34:56.789Z\"}]}";
        assert!(shown(refusal, Form::Masked).contains("2026-11-28T12:34:56.789Z"));
    }

    #[test]
    fn long_answers_are_masked_and_cut_off() {
        let long = format!("[\"{}\",\"{TOKEN}\"]", "x y ".repeat(FILE_BYTES_MAX / 4 - 30));
        let text = text_of(long.as_bytes(), Form::Json);
        assert!(!text.is_cut && text.text.contains(TOKEN), "it is short enough to parse");
        for form in [Form::Json, Form::Masked, Form::Log] {
            let longer = format!("[\"{TOKEN}\",\"{}\"]", "x y ".repeat(FILE_BYTES_MAX));
            let text = text_of(longer.as_bytes(), form);
            assert!(text.is_cut && text.text.starts_with("[\"***\",\"x y"));
            assert_eq!(text.text.len(), FILE_BYTES_MAX);
        }
        // 120 blanks before each of the numbers.
        let deep = format!("{}{}0{}", "[".repeat(60), "0,".repeat(200_000), "]".repeat(60));
        let text = text_of(deep.as_bytes(), Form::Json);
        assert!(text.is_cut && text.text.len() == FILE_BYTES_MAX);
    }
}
