//! The pages of `docs` are one book: each link of the built site leads somewhere, also without a network.

mod html;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use self::html::{Document, style_urls};
use crate::process::temp_folder;
use crate::support::{run_successfully, skip};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a directory, as paths from there, sorted.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { collect(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    collect(folder, &mut found);
    let mut found: Vec<PathBuf> =
        found.iter().map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect();
    found.sort();
    found
}

/// What a link of the site leads to.
struct Site {
    root: PathBuf,
    files: BTreeSet<PathBuf>,
    pages: BTreeMap<PathBuf, Document>,
}

impl Site {
    fn read(root: &Path) -> Self {
        let files: BTreeSet<PathBuf> = files_below(root).into_iter().collect();
        let is_page = |file: &&PathBuf| file.extension().is_some_and(|has| has == "html");
        let pages = files.iter().filter(is_page).map(|file| {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            (file.clone(), Document::read(&text))
        });
        Self { root: root.to_owned(), pages: pages.collect(), files: files.clone() }
    }

    /// `Err` says what is wrong with a link of a file.
    fn check(&self, from: &Path, link: &str) -> Result<(), String> {
        let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => from.to_owned(),
            path => joined(from.parent().unwrap_or(Path::new("")), path)
                .ok_or_else(|| "leads out of the site".to_owned())?,
        };
        let target = if self.files.contains(&target) { target } else { target.join("index.html") };
        if !self.files.contains(&target) {
            return Err(format!("there is no {}", target.display()));
        }
        let page = self.pages.get(&target);
        match page {
            _ if fragment.is_empty() => Ok(()),
            Some(page) if page.ids.contains(fragment) => Ok(()),
            _ => Err(format!("{} has no {fragment:?}", target.display())),
        }
    }
}

/// A path from a folder, without `..`; none if it leads out of the root.
fn joined(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut found = folder.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                if !found.pop() {
                    return None;
                }
            }
            Component::Normal(part) => found.push(part),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(found)
}

/// A link to another host, which only a reader may follow.
fn is_external(link: &str) -> bool {
    link.starts_with("http://") || link.starts_with("https://")
}

/// All mistakes of a built site.
fn mistakes(site: &Site) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |from: &Path, link: &str| {
        if let Err(why) = site.check(from, link) {
            found.push(format!("{}: {link}: {why}", from.display()));
        }
    };
    for (file, page) in &site.pages {
        let links = page.links.iter().filter(|link| !is_external(link));
        links.for_each(|link| check(file, link));
        // A host of its own would be asked for these: no page needs one to be read.
        page.loaded.iter().for_each(|link| check(file, link));
    }
    for file in site.files.iter().filter(|file| file.extension().is_some_and(|has| has == "css")) {
        let text = std::fs::read_to_string(site.root.join(file)).unwrap();
        for url in style_urls(&text).iter().filter(|url| !url.starts_with("data:")) {
            check(file, url);
        }
    }
    found
}

#[test]
fn each_link_of_the_site_leads_somewhere() {
    if let Err(error) = Command::new("mdbook").arg("--version").output() {
        return skip("the book", &format!("`mdbook` does not run: {error}"));
    }
    let folder = temp_folder();
    let root = folder.path().join("site");
    run_successfully(Command::new(repository().join("docs/site.sh")).arg(&root));
    let site = Site::read(&root);
    let count: usize = site.pages.values().map(|page| page.links.len() + page.loaded.len()).sum();
    assert!(site.pages.len() > 50 && count > 2_000, "{} pages, {count} links", site.pages.len());
    let found = mistakes(&site);
    assert!(found.is_empty(), "{} links lead nowhere:\n{}", found.len(), found.join("\n"));
}

#[test]
fn links_that_lead_nowhere_are_found() {
    let folder = temp_folder();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "docs/a.html",
        r##"<h2 id="one">x</h2><a href="#one">1</a><a href="sub/b.html#two">2</a>"##,
    );
    write(
        "docs/sub/b.html",
        r##"<p id="two"></p><a href="../../x.rs">3</a><a href="../../list">4</a>"##,
    );
    write("list/index.html", r#"<a href="https://example.org/">5</a><img src='../docs/i.svg'>"#);
    write("docs/i.svg", "<svg/>");
    write("x.rs", "");
    write("docs/a.css", "a { background: url(i.svg) } b { background: url(\"data:x\") }");
    assert_eq!(mistakes(&Site::read(folder.path())), Vec::<String>::new());
    write(
        "docs/c.html",
        concat!(
            r##"<a href="#none"></a><a href="gone.html"></a><a href="../../out"></a><a href="/root"></a>"##,
            r#"<script src="https://cdn.example/x.js"></script><a href="sub/b.html#one"></a><a href="sub"></a>"#,
        ),
    );
    write("docs/b.css", "@import url(https://fonts.example/x); a { background: url('no.png') }");
    let found = mistakes(&Site::read(folder.path()));
    assert_eq!(found.len(), 9, "{found:#?}");
}
