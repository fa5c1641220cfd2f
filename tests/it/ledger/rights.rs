//! What root does with the store of a node that runs as another user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::{config_with_store, ledger};
use crate::peer::TestNode;
use crate::process::{path_text, temp_folder};
use crate::support::{PROGRAM, combined_output, run, skip};

/// A user and a group without a name.
const NODE_USER: u32 = 63_139;

fn give_away(path: &Path) {
    chown(path, Some(NODE_USER), Some(NODE_USER)).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Owner, group and permissions.
fn rights(path: &Path) -> (u32, u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o777)
}

#[test]
fn what_root_restores_belongs_to_the_user_of_the_node() {
    let folder = temp_folder();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    if chown(&state, Some(NODE_USER), Some(NODE_USER)).is_err() {
        return skip("the store of another user", "only root may give files to other users");
    }
    set_mode(folder.path(), 0o755);
    set_mode(&state, 0o700);
    let program = folder.path().join("ilp-connector");
    fs::copy(PROGRAM, &program).unwrap();
    let as_node = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("ledger").args(arguments).uid(NODE_USER).gid(NODE_USER);
        let output = run(command.current_dir(&state));
        (output.status.success(), combined_output(&output))
    };

    // A node of root makes the books, which are given away then.
    let store = state.join("n.db");
    assert!(TestNode::start(&config_with_store(&store, "strict")).stop("TERM").0.success());
    fs::read_dir(&state).unwrap().for_each(|file| give_away(&file.unwrap().path()));
    set_mode(&store, 0o640);
    let backup = folder.path().join("backup.db");
    let (ok, text) = ledger(&["backup", path_text(&backup), "--store", path_text(&store)]);
    assert!(ok, "{text}");
    assert_eq!(rights(&backup), (0, 0, 0o600));

    let restore = ["restore", path_text(&backup), "--store", path_text(&store)];
    let adjust = ["adjust", "alice", "5", "--reason", "a fee", "--store", path_text(&store)];
    let lock = state.join("n.db.lock");
    // In the place of a store, and where there is none, with or without its lock.
    for (removed, mode) in [(&[][..], 0o640), (&[&store][..], 0o600), (&[&store, &lock][..], 0o600)]
    {
        removed.iter().for_each(|file| fs::remove_file(file).unwrap());
        let (ok, text) = ledger(&restore);
        assert!(ok, "{text}");
        assert_eq!(rights(&store), (NODE_USER, NODE_USER, mode));
        assert_eq!(rights(&lock).0, NODE_USER);
        let (ok, text) = as_node(&adjust);
        assert!(ok, "{text}");
    }

    // Root follows no link of that user: neither in the place of the lock, nor of the store.
    let foreign = folder.path().join("of-root");
    let link = |to: &Path, name: &Path| {
        std::os::unix::fs::symlink(to, name).unwrap();
        std::os::unix::fs::lchown(name, Some(NODE_USER), Some(NODE_USER)).unwrap();
    };
    fs::remove_file(&lock).unwrap();
    link(&foreign, &lock);
    let (ok, text) = ledger(&restore);
    assert!(!ok && text.contains("n.db.lock"), "{text}");
    assert!(!foreign.exists(), "a file was made through a link");
    fs::remove_file(&lock).unwrap();
    fs::write(&foreign, "of root").unwrap();
    let linked = state.join("linked.db");
    link(&foreign, &linked);
    let (ok, text) = ledger(&["restore", path_text(&backup), "--store", path_text(&linked)]);
    assert!(!ok && text.contains("it is a link of user 63139"), "{text}");
    assert_eq!((fs::read(&foreign).unwrap(), rights(&foreign).0), (b"of root".to_vec(), 0));

    // A user who may not use the file reads whose it is, and what to do.
    chown(&store, Some(0), Some(0)).unwrap();
    for (mode, action) in [(0o600, "read"), (0o644, "write")] {
        set_mode(&store, mode);
        let (ok, text) = as_node(&adjust);
        let expected = format!(
            "this process may not {action} {0}: it belongs to user 0 with mode {mode:o}, and this is user {NODE_USER}; \
             run a command as root or as user 0; to give the file to a node, as root: chown {NODE_USER} {0}",
            store.display()
        );
        assert!(!ok && text.contains(&expected), "{text}");
    }
    give_away(&store);
    let (ok, text) = as_node(&adjust);
    assert!(ok, "{text}");
}
