//! What a process runs, and its configuration, read and validated.

use crate::config::{Diagnostics, FileContent, Loaded, Source};
use crate::topology::{self, PortAssignments, PortReplacement, Topology};

#[derive(Clone, Debug)]
pub enum Plan {
    /// One node, as `run` does.
    One(Source),
    /// Every node of a topology file, on loopback, as `up` does; with the first port of BTP servers, if it is not 3000.
    Network(Source, Option<u16>),
}

/// A plan with its validated configuration.
#[derive(Debug)]
pub struct LoadedPlan {
    pub(super) plan: Plan,
    pub(super) nodes: Vec<Loaded>,
    pub(super) file: Option<FileContent>,
    /// The nodes of a network keep their ports when the file changes.
    pub(super) ports: PortAssignments,
    port_notes: Vec<PortReplacement>,
    /// Nodes and links can be broken on purpose.
    pub(super) has_lab: bool,
}

impl Plan {
    /// Reads and validates everything; nothing is started.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(self) -> Result<LoadedPlan, Diagnostics> {
        let ports = match self {
            Self::Network(_, base_port) => PortAssignments::from(base_port),
            Self::One(_) => PortAssignments::default(),
        };
        self.load_with_ports(ports)
    }

    /// The same for a reload: nodes keep the ports that they have.
    pub(super) fn load_with_ports(
        self,
        mut ports: PortAssignments,
    ) -> Result<LoadedPlan, Diagnostics> {
        let (Self::One(source) | Self::Network(source, _)) = &self;
        let file = source.read()?;
        let mut port_notes = Vec::new();
        let nodes = match &self {
            Self::One(_) => vec![topology::load_content(source, file.as_ref())?],
            Self::Network(..) => match &file {
                Some(content) => Topology::load_all_on_loopback(source, content, |topology| {
                    port_notes = ports.assign(topology, probe_port);
                })?,
                // The error says that a file is necessary.
                None => Topology::load(source).map(|_| Vec::new())?,
            },
        };
        Ok(LoadedPlan { plan: self, nodes, file, ports, port_notes, has_lab: false })
    }
}

impl LoadedPlan {
    /// The same with a lab.
    #[must_use]
    pub fn with_lab(self, has_lab: bool) -> Self {
        Self { has_lab, ..self }
    }

    /// The nodes, with the ports that they will have.
    pub fn nodes(&self) -> &[Loaded] {
        &self.nodes
    }

    /// The ports that are in use, and their replacements.
    pub fn port_notes(&self) -> &[PortReplacement] {
        &self.port_notes
    }

    pub(super) fn log_port_notes(&self) {
        for PortReplacement { node, key, wanted, instead } in &self.port_notes {
            tracing::warn!(%node, key, port = wanted, instead, "a port is in use; another one is taken");
        }
    }

    /// Threads that move packets, by the first node: a process has one runtime.
    pub fn worker_threads(&self) -> usize {
        self.nodes.first().map_or(1, |node| node.config.settings.worker_threads)
    }
}

/// The port if it is free on this machine; for 0, any free one.
fn probe_port(port: u16) -> Option<u16> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(listener.local_addr().ok()?.port())
}
