//! A node as a service of systemd: what it says to its manager.

use std::os::unix::net::UnixDatagram;

use crate::process::{Process, TIMEOUT, path_text, temp_folder, write_file};

#[test]
fn systemd_is_notified_that_a_node_is_ready_lives_and_stops() {
    let folder = temp_folder();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let wait_for_notice = |wanted: &str| {
        let mut buffer = [0; 512];
        loop {
            let length =
                manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            if text.lines().any(|line| line == wanted) {
                return;
            }
        }
    };
    let file = write_file(
        &folder,
        "node.yaml",
        "nodeId: n\nbtpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n",
    );
    let environment = [("NOTIFY_SOCKET", path_text(&path)), ("WATCHDOG_USEC", "20000")];
    let node = Process::start(&["run", "--config", path_text(&file)], environment);
    wait_for_notice("READY=1");
    // It listens by then.
    let port = node.wait_for_log("health server listening", "port");
    assert!(
        std::net::TcpStream::connect(("127.0.0.1", u16::try_from(port.as_u64().unwrap()).unwrap()))
            .is_ok()
    );
    wait_for_notice("WATCHDOG=1");
    wait_for_notice("WATCHDOG=1");
    node.signal("TERM");
    wait_for_notice("STOPPING=1");
    assert!(node.wait_exit().0.success());
}
