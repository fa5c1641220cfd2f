//! The node and account that the tools log in with (D14): `--via`, or the account `cli` of the configuration. Never a
//! peer's account, because that would end the peer's session.

use std::fmt;

use super::args::{LoginArguments, TrustArguments};
use super::secret_argument::{SecretArgument, read_secret_argument};
use crate::account::{Relation, TOOL_ACCOUNT};
use crate::client::Login;
use crate::config::{Environment, FileForm, Loaded, NodeConfig};
use crate::console::{
    Failure, NodeAndNetwork, SourceArguments, describe_unknown_port, host_to_dial,
    load_node_and_network, shell_quote,
};
use crate::net::{BtpUrl, TlsTrust, authority, host_of_certificate};
use crate::peers::Token;

const VIA_VARIABLE: &str = "ILP_VIA";
/// A tools' account, for messages about one that is missing or wrong.
const EXAMPLE_ACCOUNT: &str = "{ id: cli, relation: child, authToken: \"<a secret of yours>\" }";

/// The login of a tool at its entry node. Shown without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLogin {
    login: Login,
    /// See [`EntryLogin::flags`].
    flags: String,
}

impl fmt::Display for EntryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.login.fmt(f)
    }
}

impl EntryLogin {
    /// From the command line and the environment.
    pub fn find(arguments: &LoginArguments, environment: &Environment) -> Result<Self, Failure> {
        Self::find_with_network(arguments, environment).map(|(login, _)| login)
    }

    /// The same, with the configuration that the login comes from; `None` with `--via`.
    pub fn find_with_network(
        arguments: &LoginArguments,
        environment: &Environment,
    ) -> Result<(Self, Option<NodeAndNetwork>), Failure> {
        let (login, network) = match Self::read_via(arguments, environment)? {
            Some(via) => {
                let url = via.parse(str::parse::<BtpUrl>)?;
                (Self::from_url(url, via.name, via.repeat_flag)?, None)
            }
            None => {
                let network = load_node_and_network(&arguments.source, environment)?;
                (Self::from_configuration(&network.0, &arguments.source)?, Some(network))
            }
        };
        Ok((login.with_trust(&arguments.trust), network))
    }

    /// The command line overrides the configuration.
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

    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The certificates that are trusted.
    pub fn trust(&self) -> &TlsTrust {
        self.login.trust()
    }

    /// The value of `--via`, or of its variable if no flag names a configuration.
    fn read_via(
        arguments: &LoginArguments,
        environment: &Environment,
    ) -> Result<Option<SecretArgument<'static>>, Failure> {
        let SourceArguments { config, node } = &arguments.source;
        if config.is_some() || node.is_some() {
            return Ok(None);
        }
        read_secret_argument(("--via", arguments.via.as_ref()), VIA_VARIABLE, environment)
    }

    /// `url` contains a token; the others are those of [`SecretArgument`].
    fn from_url(url: BtpUrl, name: &str, repeat_flag: Option<String>) -> Result<Self, Failure> {
        let flags =
            repeat_flag.unwrap_or_else(|| format!(" --via {}", shell_quote(&url.to_string())));
        let login =
            Login::from_url(url).map_err(|error| Failure::Usage(format!("{name} {error}")))?;
        Ok(Self { login, flags })
    }

    /// An account at a node on this machine.
    pub fn on_loopback(port: u16, username: &str, token: Token) -> Result<Self, Failure> {
        let (url, trust) = (btp_url("ws", "127.0.0.1", port)?, TlsTrust::default());
        let login = Login::new(url, username.to_owned(), token, trust);
        Ok(Self { login, flags: String::new() })
    }

    /// The flags with which another tool logs in the same way, for hints; empty if the environment has the login. A URL
    /// is shown without its token; if it came from a file, the flag names the file.
    pub fn flags(&self) -> &str {
        &self.flags
    }

    fn from_configuration(loaded: &Loaded, arguments: &SourceArguments) -> Result<Self, Failure> {
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
        Ok(Self { flags, ..Self::from_node(loaded)? })
    }

    /// The account `cli` of a node on this machine.
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
                "{node_name} has no account for tools; add to its {list}: {EXAMPLE_ACCOUNT}; or give --via \
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
                "the account {TOOL_ACCOUNT} of {node_name} has no authToken, so no tool can log in; write {EXAMPLE_ACCOUNT}"
            ))
        })?;
        if port == 0 {
            let instead = format!(
                "set the variable BTP_SERVER_PORT=PORT for this command, or give --via \
                 btp+ws://{TOOL_ACCOUNT}:token@127.0.0.1:PORT"
            );
            return Err(Failure::Usage(describe_unknown_port(
                &node_name,
                "btpServerPort",
                "BTP",
                &instead,
            )));
        }
        let scheme = if node.settings.tls.is_some() { "wss" } else { "ws" };
        let url = btp_url(scheme, &host_to_dial(&node.settings.btp_server_host), port)?;
        let (username, token) = (account.username.clone(), Token::from(token.expose()));
        let login = Login::new(url, username, token, trust_for_node(node));
        Ok(Self { login, flags: String::new() })
    }
}

/// The trust of a tool on this machine in the node, whose certificate is in the same configuration.
pub fn trust_for_node(node: &NodeConfig) -> TlsTrust {
    let own_certificate = node.settings.tls.as_ref().map(|tls| tls.certificate.clone());
    // Certificates seldom contain the dialled host, which is an address of this machine.
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
    let text = format!("{scheme}://{}", authority(host, port));
    text.parse().map_err(|error| Failure::Usage(format!("cannot log in at {text}: {error}")))
}
