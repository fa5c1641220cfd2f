//! The page: its files are in `src/ui`, as they are served. It holds no data, so it needs no token; its data do.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::get;

use super::pages::error;

/// Everything comes from this server, and no text becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";
const INDEX: &str = "index.html";

/// One file of the page.
struct PageFile {
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal)*) => {
        &[$(PageFile { path: $path, bytes: include_bytes!(concat!("../ui/", $path)) },)*]
    };
}

/// All files, in order. A test compares them with the folder.
const FILES: &[PageFile] = files! {
    "active.js"
    "animate.js"
    "app.css"
    "ask.js"
    "camera.js"
    "chart.js"
    "codes.js"
    "connect.js"
    "dots.js"
    "draw_graph.js"
    "earlier.js"
    "ends.js"
    "filter.js"
    "format.js"
    "graph.js"
    "graph_parts.js"
    "history.js"
    "icon.svg"
    "income.js"
    "index.html"
    "keys.js"
    "lab.js"
    "ladder.js"
    "layout.js"
    "main.js"
    "money_words.js"
    "packet_table.js"
    "parts.js"
    "paths.js"
    "place.js"
    "pointer.js"
    "probes.js"
    "rates.js"
    "recent.js"
    "reconciled.js"
    "saved_events.js"
    "say.js"
    "settlements.js"
    "shapes.js"
    "shell.js"
    "store.js"
    "theme.js"
    "theme_switch.js"
    "totals.js"
    "ui_state.js"
    "vendor/lit-html/LICENSE"
    "vendor/lit-html/directive-helpers.js"
    "vendor/lit-html/directive.js"
    "vendor/lit-html/directives/live.js"
    "vendor/lit-html/directives/repeat.js"
    "vendor/lit-html/lit-html.js"
    "vendor/uplot/LICENSE"
    "vendor/uplot/uPlot.iife.min.js"
    "verbs.js"
    "view_config.js"
    "view_events.js"
    "view_link.js"
    "view_money.js"
    "view_network.js"
    "view_node.js"
    "view_packet.js"
    "view_packets.js"
    "view_routes.js"
    "views.js"
    "wire.js"
    "words.js"
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(redirect))
        .route("/ui", get(redirect))
        .route("/ui/", get(index))
        .route("/ui/{*path}", get(file))
}

async fn redirect() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/ui/"));
    response
}

async fn index(headers: HeaderMap) -> Response<Body> {
    serve(INDEX, &headers)
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response<Body> {
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Response<Body> {
    let found = FILES.binary_search_by(|file| file.path.cmp(path)).ok();
    let Some(file) = found.and_then(|index| FILES.get(index)) else {
        return error(StatusCode::NOT_FOUND, "the page has no such file; it is at /ui/");
    };
    let tag = entity_tag(file.bytes);
    let is_known = |known: &HeaderValue| {
        known.to_str().is_ok_and(|known| known.split(',').any(|one| one.trim() == tag))
    };
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(is_known);
    let mut response = match is_known {
        true => Response::new(Body::empty()),
        false => Response::new(Body::from(file.bytes)),
    };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, content_type(file.path)),
        // Another version of the program has other files.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn entity_tag(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let short: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("ico") => "image/x-icon",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path as FilePath, PathBuf};

    use super::*;

    /// Bytes of all files together: the page stays small.
    const PAGE_BYTES_MAX: usize = 350 * 1024;
    /// Not served: what only the tools of developers read.
    const NOT_SERVED: [&str; 3] = [".d.ts", "package.json", "packages.json"];

    fn files_below(folder: &FilePath, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files_below(&path, found),
                false => drop(found.insert(path)),
            }
        }
    }

    #[test]
    fn each_file_of_the_folder_is_served() {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
        let mut found = BTreeSet::new();
        files_below(&folder, &mut found);
        let names = found.iter().map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap());
        let is_served = |name: &&str| !NOT_SERVED.iter().any(|end| name.ends_with(end));
        let expected: BTreeSet<&str> = names.filter(is_served).collect();
        let served: Vec<&str> = FILES.iter().map(|file| file.path).collect();
        assert!(served.is_sorted(), "the table is searched in order: {served:?}");
        assert_eq!(served.into_iter().collect::<BTreeSet<_>>(), expected);
        let bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(bytes <= PAGE_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn files_have_a_type_a_tag_and_the_policy() {
        let answer = serve(INDEX, &HeaderMap::new());
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
        let tag = answer.headers()[ETAG].clone();
        let with = |tag: HeaderValue| HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
        assert_eq!(serve(INDEX, &with(tag)).status(), StatusCode::NOT_MODIFIED);
        let other = HeaderValue::from_static("\"other\"");
        assert_eq!(serve(INDEX, &with(other)).status(), StatusCode::OK);
        for unknown in ["", "x", "../ui/index.html", "index.html/", "vendor/"] {
            assert_eq!(serve(unknown, &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        }
    }
}
