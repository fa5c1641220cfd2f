//! The text of the docker-compose.yml. No serializer writes its comments, anchors and merges, and people edit the file.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use super::{Compose, PAGE, PAGE_PORT, PublishedPorts, Service, Variable};
use crate::config::variable_of_peer;

/// The mount point of the topology file's directory.
const MOUNTED_AT: &str = "/etc/ilp-connector";
/// The mount point of the volume for a node's balances. The image has it, and it belongs to the user of the image.
const BOOKS_AT: &str = "/var/lib/ilp-connector";
/// Printed for every node, unless the topology file reads it itself. Empty is like not set.
const API_TOKEN: &str = "API_TOKEN";

impl Compose {
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let file = self.file.display();
        writeln!(
            out,
            "# A container for every node of {file}. `docker-compose up` starts them (Compose 1.29 or 2).\n\
             # Printed by `ilp-connector compose`. The network is described in that file, which every node reads\n\
             # and watches: edit it and the running network changes.\n"
        )?;
        self.print_node(out)?;
        self.print_environment(out)?;
        writeln!(out, "services:")?;
        for (number, service) in self.services.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            let build = self.build.as_deref().filter(|_| number == 0);
            self.print_service(service, build, out)?;
        }
        if self.offers_page() {
            self.print_page(out)?;
        }
        if self.offers_database() {
            out.write_all(DATABASE_SERVICE.as_bytes())?;
        }
        writeln!(out, "\nnetworks:\n  ilp: {{}}")?;
        self.print_volumes(out)
    }

    fn print_volumes(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut with_volume = self.services.iter().filter(|service| service.has_volume).peekable();
        if with_volume.peek().is_none() {
            return Ok(());
        }
        writeln!(
            out,
            "\n# The balances of each node. `down` keeps them, and `down --volumes` deletes them.\nvolumes:"
        )?;
        for service in with_volume {
            writeln!(out, "  {}: {{}}", scalar(&books_of(&service.id)))?;
        }
        if self.offers_database() {
            writeln!(out, "  {DATABASE_VOLUME}: {{}}")?;
        }
        Ok(())
    }

    /// Where the topology file is mounted from and to.
    fn configuration_volume(&self) -> String {
        quoted(&format!("{}:{MOUNTED_AT}:ro", directory(&self.file)))
    }

    fn print_node(&self, out: &mut dyn Write) -> io::Result<()> {
        let volume = self.configuration_volume();
        writeln!(
            out,
            "x-node: &node\n  \
               image: {}\n  \
               networks: [ilp]\n  \
               # The directory, not the file: editors replace the file, and a mounted file would stay the old one.\n  \
               volumes: [{volume}]\n  \
               healthcheck:\n    \
                 test: [\"CMD\", \"ilp-connector\", \"healthcheck\"]\n    \
                 interval: 5s\n    \
                 timeout: 3s\n    \
                 retries: 3\n    \
                 start_period: 30s\n  \
               restart: unless-stopped\n  \
               read_only: true\n  \
               cap_drop: [ALL]\n  \
               security_opt: [\"no-new-privileges:true\"]\n  \
               logging:\n    \
                 driver: json-file\n    \
                 options: {{ max-size: 10m, max-file: \"3\" }}\n",
            scalar(&self.image),
        )
    }

    fn print_environment(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = self.file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        writeln!(
            out,
            "# The same for every node. Set your own secrets in the environment or in a file .env beside this one."
        )?;
        writeln!(out, "x-environment: &environment")?;
        writeln!(out, "  CONFIG_FILE: {}", scalar(&format!("{MOUNTED_AT}/{name}")))?;
        if let Some((btp, health)) = self.common_ports() {
            writeln!(out, "  BTP_SERVER_PORT: \"{btp}\"\n  HEALTH_CHECK_PORT: \"{health}\"")?;
        }
        if self.offers_database() {
            writeln!(
                out,
                "  # The directory of the node's volume, or the database below, whatever `store` of the file says.\n  \
                 STORE: ${{STORE_URL:-{BOOKS_AT}/}}"
            )?;
        } else if self.all_have_volumes() {
            writeln!(
                out,
                "  # The directory of the node's volume, whatever `store` of the file says."
            )?;
            writeln!(out, "  STORE: {BOOKS_AT}/")?;
        }
        writeln!(out, "  LOG_LEVEL: ${{LOG_LEVEL:-}}")?;
        if !self.variables.iter().any(|variable| variable.name == API_TOKEN) {
            writeln!(
                out,
                "  # Protects the pages of the nodes, and lets `ledger adjust` and `ledger resolve` change balances.\n  \
                 {API_TOKEN}: ${{{API_TOKEN}:-}}"
            )?;
        }
        for Variable { name, default } in &self.variables {
            let value = match default {
                Some(default) => format!("${{{name}:-{default}}}"),
                None => format!("${{{name}:?set it in the environment or in .env}}"),
            };
            writeln!(out, "  {name}: {}", scalar(&value))?;
        }
        writeln!(out)
    }

    fn print_service(
        &self,
        service: &Service,
        build: Option<&str>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Service { id, prefix, btp_port, health_port, http_port, published, .. } = service;
        writeln!(out, "  {}:\n    <<: *node", scalar(id))?;
        if let Some(build) = build {
            writeln!(
                out,
                "    # Only one service builds it: some Compose versions would build it for all of them at once, and fail.\n    \
                 build: {}",
                scalar(build)
            )?;
        }
        for comment in &service.engines {
            writeln!(out, "    # {comment}")?;
        }
        writeln!(out, "    container_name: ilp-connector-{id}")?;
        if let Some(alias) = &service.alias {
            writeln!(out, "    networks: {{ ilp: {{ aliases: [{}] }} }}", quoted(alias))?;
        }
        if service.has_volume {
            let books = quoted(&format!("{}:{BOOKS_AT}", books_of(id)));
            writeln!(out, "    volumes: [{}, {books}]", self.configuration_volume())?;
        }
        writeln!(out, "    environment:\n      <<: *environment\n      NODE_ID: {}", scalar(id))?;
        if service.has_volume && !self.all_have_volumes() {
            writeln!(out, "      STORE: {BOOKS_AT}/")?;
        }
        if self.common_ports().is_none() {
            writeln!(
                out,
                "      BTP_SERVER_PORT: \"{btp_port}\"\n      HEALTH_CHECK_PORT: \"{health_port}\""
            )?;
        }
        for other in &service.linked {
            let variable = format!("{}_URL", variable_of_peer(other));
            writeln!(out, "      {variable}: ${{{prefix}_{variable}:-}}")?;
        }
        let PublishedPorts { btp, http, health } = published;
        let http_port =
            http.zip(*http_port).map(|(http, port)| format!(", \"127.0.0.1:{http}:{port}\""));
        writeln!(
            out,
            "    ports: [\"127.0.0.1:{btp}:{btp_port}\", \"127.0.0.1:{health}:{health_port}\"{}]",
            http_port.unwrap_or_default()
        )
    }
}

/// The page of all nodes.
impl Compose {
    fn print_page(&self, out: &mut dyn Write) -> io::Result<()> {
        let token = self.variables.iter().find(|variable| variable.name == API_TOKEN);
        let token = token.and_then(|token| token.default.as_deref()).unwrap_or_default();
        let token = scalar(&format!("${{{API_TOKEN}:-{token}}}"));
        write!(
            out,
            "
  # The page of all nodes: http://127.0.0.1:{PAGE_PORT}/. If {API_TOKEN} is set, the page needs it too.
  {PAGE}:
    <<: *node
    container_name: ilp-connector-{PAGE}
    command: [\"watch\", \"--host\", \"0.0.0.0\"]
    environment:
      <<: *environment
      # No node has this id, so that each one is asked at its host.
      NODE_ID: {PAGE}
      PAGE_TOKEN: {token}
    healthcheck:
      test: [\"CMD\", \"ilp-connector\", \"healthcheck\", \"--port\", \"{PAGE_PORT}\"]
      interval: 5s
      timeout: 3s
      retries: 3
      start_period: 30s
    ports: [\"127.0.0.1:{PAGE_PORT}:{PAGE_PORT}\"]
"
        )
    }
}

/// The database, for those who want one. It has its own volume; everything else is as for the nodes.
const DATABASE_SERVICE: &str = "
  # Keeps the balances of all nodes, instead of their volumes, if you start it:
  #   STORE_URL=postgres://ilp:demo-postgres@postgres/ilp docker-compose --profile postgres up
  # Set a POSTGRES_PASSWORD of your own before its first start, in .env; and STORE_URL, for each later command.
  postgres:
    <<: *node
    image: postgres:15-bookworm
    profiles: [postgres]
    container_name: ilp-connector-postgres
    # The user `postgres` of the image.
    user: \"999:999\"
    volumes: [\"books-of-all:/var/lib/postgresql/data\"]
    tmpfs: [\"/tmp\", \"/run/postgresql:uid=999,gid=999\"]
    environment:
      POSTGRES_USER: ilp
      POSTGRES_DB: ilp
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-demo-postgres}
    healthcheck:
      test: [\"CMD\", \"pg_isready\", \"--host=127.0.0.1\", \"--username=ilp\", \"--dbname=ilp\"]
      interval: 5s
      timeout: 3s
      retries: 3
      start_period: 30s
";
/// Its volume.
const DATABASE_VOLUME: &str = "books-of-all";

/// The volume of a node. It begins with a letter, so that it is not taken for a path.
fn books_of(id: &str) -> String {
    format!("books-{id}")
}

/// The directory of a file as Compose needs it: with `./` before a relative path, which else names a volume.
fn directory(file: &Path) -> String {
    let directory =
        file.parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default();
    match directory.as_str() {
        "" => ".".to_owned(),
        relative if !relative.starts_with(['/', '.']) => format!("./{relative}"),
        _ => directory,
    }
}

/// A text as a YAML scalar: without quotes if YAML reads back the same text.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./${}:?* ".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || "$/.".contains(c));
    let reads_back = serde_yaml::from_str::<serde_yaml::Value>(text);
    let same = matches!(&reads_back, Ok(serde_yaml::Value::String(read)) if read == text);
    // YAML 1.1, which Compose 1 reads, has more words for true and false.
    let is_boolean =
        ["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if text.chars().all(plain) && starts_well && same && !is_boolean && !text.contains(": ") {
        return text.to_owned();
    }
    quoted(text)
}

/// A text in double quotes, escaped for YAML and JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_read_back_as_they_are() {
        for text in [
            "a",
            "1",
            "007",
            "y",
            "No",
            "true",
            "null",
            "~",
            "",
            " a",
            "a ",
            "a: b",
            "a #b",
            "#a",
            "- a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "{a}",
            "[a]",
            "'a'",
            "\"a\"",
            "a\\b",
            "a\tb",
            "1e3",
            "1:30",
            "${A:-b}",
            "${A:-b: 'c' #d}",
            "a,b",
            "ü",
            "=",
            "<<",
        ] {
            for written in [scalar(text), quoted(text)] {
                let line = format!("key: {written}\nnext: 1\n");
                let read: serde_yaml::Value = serde_yaml::from_str(&line).unwrap();
                assert_eq!(read["key"].as_str(), Some(text), "{line}");
            }
        }
        assert_eq!(scalar("${SECRET_A_B:-demo-secret-a-b}"), "${SECRET_A_B:-demo-secret-a-b}");
        assert_eq!(scalar("y"), "\"y\"");
    }

    #[test]
    fn a_relative_directory_is_no_volume() {
        fn check(file: &str, expected: &str) {
            assert_eq!(directory(Path::new(file)), expected, "{file}");
        }
        check("docker/config/config.yaml", "./docker/config");
        check("config.yaml", ".");
        check("./config.yaml", ".");
        check("../x/config.yaml", "../x");
        check("/srv/ilp/config.yaml", "/srv/ilp");
    }
}
