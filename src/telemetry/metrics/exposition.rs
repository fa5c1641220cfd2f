//! Converts `OpenMetrics`, which our library writes, to the older Prometheus text format, which all clients read. There
//! a counter is described under the name of its samples, and so is an info, as a gauge; there are no units, and no end
//! mark.

/// The text in version 0.0.4. `open_metrics` comes from our library: HELP before TYPE before samples.
pub(super) fn to_prometheus(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text;
        } else if let Some(description) = line.strip_prefix("# TYPE ") {
            put_description(&mut out, description, help);
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn put_description(out: &mut String, description: &str, help: &str) {
    let (name, kind) = description.split_once(' ').unwrap_or((description, "untyped"));
    let (suffix, kind) = match kind {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        other => ("", other),
    };
    let help = help.strip_prefix(name).unwrap_or_default();
    for part in ["# HELP ", name, suffix, help, "\n# TYPE ", name, suffix, " ", kind, "\n"] {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_described_by_the_names_of_their_samples() {
        let open_metrics = "\
# HELP a_b Some help.
# TYPE a_b counter
a_b_total{x=\"# EOF\"} 1
# HELP build Which.
# TYPE build info
build_info{v=\"1\"} 1
# HELP t_seconds How long.
# TYPE t_seconds histogram
# UNIT t_seconds seconds
t_seconds_bucket{le=\"+Inf\"} 0
# EOF
";
        let prometheus = "\
# HELP a_b_total Some help.
# TYPE a_b_total counter
a_b_total{x=\"# EOF\"} 1
# HELP build_info Which.
# TYPE build_info gauge
build_info{v=\"1\"} 1
# HELP t_seconds How long.
# TYPE t_seconds histogram
t_seconds_bucket{le=\"+Inf\"} 0
";
        assert_eq!(to_prometheus(open_metrics), prometheus);
    }
}
