//! At which node `ping` and `send` log in, and as whom (D14): `--via`, or the `cli` account of the configuration; never a
//! peer's account, whose session would be replaced.

use std::fmt;

use super::args::{LoginArguments, SourceArguments, TrustArguments};
use super::local_node;
use super::local_node::host_to_dial;
use super::secret_argument::{SecretArgument, read_secret_argument};
use crate::account::Relation;
use crate::client::Login;
use crate::config::{Environment, FileForm, Loaded, NodeConfig};
use crate::console::Failure;
use crate::console::shell_quote;
use crate::net::{BtpUrl, TlsTrust, host_of_certificate};
use crate::peers::Token;

/// The account of the configuration that the tools log in as.
pub const TOOL_ACCOUNT: &str = "cli";
/// The variable for `--via`.
const VIA_VARIABLE: &str = "ILP_VIA";
/// What somebody who has no such account must add.
const EXAMPLE_ACCOUNT: &str = "{ id: cli, relation: child, authToken: \"<a secret of yours>\" }";

/// Where to log in, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLogin {
    login: Login,
    flags: String,
}

/// Without the token.
impl fmt::Display for EntryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.login.fmt(f)
    }
}

impl EntryLogin {
    /// From the command line and the environment.
    pub fn find(arguments: &LoginArguments, environment: &Environment) -> Result<Self, Failure> {
        match Self::read_via(arguments, environment)? {
            Some(via) => {
                Self::from_url(via.parse(str::parse::<BtpUrl>)?, via.name, via.repeat_flag)
            }
            None => Self::from_configuration(&arguments.source, environment),
        }
        .map(|login| login.with_trust(&arguments.trust))
    }

    /// What the command line says wins over what the configuration says.
    fn with_trust(mut self, arguments: &TrustArguments) -> Self {
        let TrustArguments { ca_file, server_name } = arguments;
        if let Some(file) = ca_file {
            self.login = self.login.with_ca_file(file.clone());
            self.flags
                .push_str(&format!(" --ca-file {}", shell_quote(&file.display().to_string())));
        }
        if let Some(name) = server_name {
            self.login = self.login.with_server_name(name.clone());
            self.flags.push_str(&format!(" --server-name {name}"));
        }
        self
    }

    /// The same, for the client.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Which certificates of the node are trusted.
    pub fn trust(&self) -> &TlsTrust {
        self.login.trust()
    }

    /// What `--via` says; its variable only where no configuration is named.
    fn read_via(
        arguments: &LoginArguments,
        environment: &Environment,
    ) -> Result<Option<SecretArgument<'static>>, Failure> {
        let SourceArguments { config, node, .. } = &arguments.source;
        if config.is_some() || node.is_some() {
            return Ok(None);
        }
        read_secret_argument(("--via", arguments.via.as_ref()), VIA_VARIABLE, environment)
    }

    /// Whether it says anything. Standard input can be read only once.
    pub fn has_via(arguments: &LoginArguments, environment: &Environment) -> bool {
        let SourceArguments { config, node, .. } = &arguments.source;
        let variable = environment.get(VIA_VARIABLE).is_some_and(|text| !text.is_empty());
        arguments.via.is_some() || (variable && config.is_none() && node.is_none())
    }

    /// A URL with a token in it, what gave it, and what gives it to another tool ([`SecretArgument::repeat_flag`]).
    fn from_url(url: BtpUrl, name: &str, repeat_flag: Option<String>) -> Result<Self, Failure> {
        let flags =
            repeat_flag.unwrap_or_else(|| format!(" --via {}", shell_quote(&url.to_string())));
        let login =
            Login::from_url(url).map_err(|error| Failure::Usage(format!("{name} {error}")))?;
        Ok(EntryLogin { login, flags })
    }

    /// An account at a port of this machine.
    pub fn on_loopback(port: u16, username: &str, token: Token) -> Result<Self, Failure> {
        let (url, trust) = (btp_url("ws", "127.0.0.1", port)?, TlsTrust::default());
        let login = Login::new(url, username.to_owned(), token, trust);
        Ok(EntryLogin { login, flags: String::new() })
    }

    /// What a hint puts behind another tool's command, so that it logs in at the same place: nothing where the
    /// environment says it. A URL is shown without its token, unless it came from a file: then the file is named.
    pub fn flags(&self) -> &str {
        &self.flags
    }

    fn from_configuration(
        arguments: &SourceArguments,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let loaded = local_node::load_local_node(arguments, environment)?;
        if loaded.form == FileForm::NoFile && loaded.config.peer(TOOL_ACCOUNT).is_none() {
            return Err(Failure::Usage(
                "which node? Give --via btp+ws://user:token@host:port, or --config FILE (and --node ID for a topology \
                 file), or set CONFIG_FILE"
                    .to_owned(),
            ));
        }
        let config = arguments.config.as_ref().map(|file| ("config", file.display().to_string()));
        let node = arguments.node.as_ref().map(|node| ("node", node.clone()));
        let given = [config, node].into_iter().flatten();
        let flags =
            given.map(|(flag, value)| format!(" --{flag} {}", shell_quote(&value))).collect();
        Ok(EntryLogin { flags, ..Self::from_node(&loaded)? })
    }

    /// The `cli` account of a node, on this machine.
    pub fn from_node(loaded: &Loaded) -> Result<Self, Failure> {
        let node = &loaded.config;
        let port = node.settings.btp_server_port;
        let node_name = describe_node(loaded);
        let account = node.peer(TOOL_ACCOUNT).ok_or_else(|| {
            let list = match loaded.form {
                FileForm::Topology => "defaults.peers",
                _ => "peers",
            };
            Failure::Usage(format!(
                "{node_name} has no account for ping and send; add to its {list}: {EXAMPLE_ACCOUNT}; or give --via \
                 btp+ws://user:token@host:port"
            ))
        })?;
        if account.account.relation != Relation::Child {
            return Err(Failure::Usage(format!(
                "the account {TOOL_ACCOUNT} of {node_name} is a {}, not a child; write {EXAMPLE_ACCOUNT}",
                account.account.relation
            )));
        }
        let token = account.auth_token.as_ref().ok_or_else(|| {
            Failure::Usage(format!(
                "the account {TOOL_ACCOUNT} of {node_name} has no authToken, so nobody can log in; write {EXAMPLE_ACCOUNT}"
            ))
        })?;
        if port == 0 {
            return Err(Failure::Usage(format!(
                "{node_name} has btpServerPort 0, so the port is only in the node's log; give --via \
                 btp+ws://{TOOL_ACCOUNT}:token@127.0.0.1:port"
            )));
        }
        let scheme = if node.settings.tls.is_some() { "wss" } else { "ws" };
        let url = btp_url(scheme, &host_to_dial(&node.settings.btp_server_host), port)?;
        let (username, token) = (account.username.clone(), Token::from(token.expose()));
        let login = Login::new(url, username, token, trust_for_node(node));
        Ok(EntryLogin { login, flags: String::new() })
    }
}

/// Whom a program of this machine believes that a server is this node: its certificate is in the same configuration.
pub fn trust_for_node(node: &NodeConfig) -> TlsTrust {
    let own_certificate = node.settings.tls.as_ref().map(|tls| tls.certificate.clone());
    // The host that is dialled is an address of this machine, and certificates seldom bear it.
    let name = own_certificate.as_deref().and_then(host_of_certificate);
    let server_name = name.and_then(|name| name.parse().ok());
    TlsTrust { ca_file: node.settings.ca_file.clone(), own_certificate, server_name }
}

fn describe_node(loaded: &Loaded) -> String {
    let node_id = &loaded.config.settings.node_id;
    match &loaded.file {
        Some(file) => format!("node {node_id} in {}", file.display()),
        None => format!("node {node_id}"),
    }
}

fn btp_url(scheme: &str, host: &str, port: u16) -> Result<BtpUrl, Failure> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let text = format!("{scheme}://{host}:{port}");
    text.parse().map_err(|error| Failure::Usage(format!("cannot log in at {text}: {error}")))
}
