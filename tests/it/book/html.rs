//! Reads what a page of HTML links to and loads: its tags, with their attributes in quotes, as mdbook writes them.

use std::collections::BTreeSet;

/// The links of a page, and the places that others may link to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    /// What a reader may follow: `href` of `a`.
    pub(super) links: Vec<String>,
    /// What a browser loads by itself: `src`, `href` of `link`, and the target of a refresh.
    pub(super) loaded: Vec<String>,
    pub(super) ids: BTreeSet<String>,
}

impl Document {
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('<') {
            if let Some(comment) = after.strip_prefix("!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let (name, attributes, after) = tag(after);
            page.add(name, attributes);
            // What stands in a script is no tag.
            rest = match name {
                "script" | "style" => {
                    after.split_once(&format!("</{name}")).map_or("", |(_, after)| after)
                }
                _ => after,
            };
        }
        page
    }

    fn add(&mut self, name: &str, attributes: Vec<(&str, String)>) {
        for (attribute, value) in attributes {
            match (name, attribute) {
                (_, "id") => drop(self.ids.insert(value)),
                ("a" | "area", "href") => self.links.push(value),
                (_, "src" | "href") => self.loaded.push(value),
                ("meta", "content") => {
                    let target = value.split_once("url=").map(|(_, url)| url.to_owned());
                    self.loaded.extend(target);
                }
                _ => {}
            }
        }
    }
}

/// Name and attributes of the tag at the start of a text, and what follows it.
fn tag(text: &str) -> (&str, Vec<(&str, String)>, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>');
        let Some(end) = end.filter(|end| *end > 0) else { break };
        let (attribute, after) = rest.split_at(end);
        rest = after;
        if let Some(value) = after.strip_prefix("=\"") {
            let (value, after) = value.split_once('"').unwrap_or((value, ""));
            attributes.push((attribute, unescaped(value)));
            rest = after;
        } else if let Some(value) = after.strip_prefix("='") {
            let (value, after) = value.split_once('\'').unwrap_or((value, ""));
            attributes.push((attribute, unescaped(value)));
            rest = after;
        } else if let Some(value) = after.strip_prefix('=') {
            let end = value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len());
            attributes.push((attribute, unescaped(&value[..end])));
            rest = &value[end..];
        }
    }
    (name, attributes, rest.strip_prefix('>').unwrap_or(rest))
}

fn unescaped(value: &str) -> String {
    value
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// What a style sheet loads.
pub(super) fn style_urls(text: &str) -> Vec<String> {
    let mut outside = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        outside.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    outside.push_str(rest);
    // A `data:` URL may contain brackets and quotes of its own, which end with those around it.
    let parts = outside.split("url(").skip(1).map(str::trim_start);
    let urls = parts.map(|part| match part.chars().next() {
        Some(quote @ ('"' | '\'')) => part[1..].split(quote).next().unwrap_or_default(),
        _ => part.split(')').next().unwrap_or_default().trim_end(),
    });
    let mut urls: Vec<String> = urls.map(str::to_owned).collect();
    let imports = outside.split("@import").skip(1).filter_map(|part| {
        let quote = part.trim_start().chars().next().filter(|c| ['"', '\''].contains(c))?;
        part.split(quote).nth(1).map(str::to_owned)
    });
    urls.extend(imports);
    urls
}

#[test]
fn links_ids_and_what_is_loaded_are_read() {
    let page = Document::read(concat!(
        r#"<!-- <a href="no"> --><script>if (a <b) "<a href='no'>"</script><link rel="x" href="a.css">"#,
        r##"<h1 id="top" hidden><a class='y' href='b.html#c&amp;d'>t</a></h1><img src=i.png alt="a > b"><br/>"##,
        r#"<meta content="0; url=docs/index.html">"#,
    ));
    assert_eq!(page.links, ["b.html#c&d"]);
    assert_eq!(page.loaded, ["a.css", "i.png", "docs/index.html"]);
    assert_eq!(page.ids, ["top".to_owned()].into());
}

#[test]
fn urls_of_style_sheets_are_read() {
    let sheet = "/* url(no) */ @import \"a.css\"; b { background: url( 'c)d' ), url(e) } f { src: url(\"g\") }";
    assert_eq!(style_urls(sheet), ["c)d", "e", "g", "a.css"]);
}
