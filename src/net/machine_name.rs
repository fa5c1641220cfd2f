//! The name of this machine.

/// The name of this machine, as its users know it; in a container, the id of the container.
pub fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
