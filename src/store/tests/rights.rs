//! What root does with files of other users, and what a user reads who may not use a file.
//!
//! Such a test is run again in a process of its own, by a user without any rights. Only root can do that.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Access, OFlags};

use crate::books::Cut;
use crate::link::CutNumber;
use crate::store::StoreIdentity;
use crate::store::error::OpenError;
use crate::store::file_lock::FileLock;
use crate::store::ownership::{adopt_owner, check_link, explain};
use crate::store::sqlite::SqliteStore;

const ANYONE: StoreIdentity = StoreIdentity { node: None };
/// A user and a group without a name.
const OTHER: u32 = 63_139;
/// Names the folder of a test to the process of the other user.
const FOLDER: &str = "ILP_CONNECTOR_TEST_FOLDER";

/// `prepare` makes files in a folder as root; then the other user runs `body` with that folder.
fn check_as_other<T>(test: &str, prepare: impl FnOnce(&Path) -> T, body: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(Path::new(&folder));
    }
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let _kept = prepare(folder.path());
    // By this name, because the user may not enter the folders above the program.
    let mut again = Command::new("/proc/self/exe");
    again.args(["--exact", &format!("store::tests::rights::{test}")]).env(FOLDER, folder.path());
    let output = again.uid(OTHER).gid(OTHER).current_dir("/").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn is_root() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_ci, "only root can run this test, and with CI=true none may be skipped");
    // On the terminal, where the test runner would hide `println!`.
    let _ =
        writeln!(io::stderr(), "SKIPPED a test of the files of other users: only root can run it");
    false
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A new directory in `folder` with a store that is closed, and their modes.
fn make_store(folder: &Path, name: &str, directory_mode: u32, store_mode: u32) {
    let directory = folder.join(name);
    fs::create_dir(&directory).unwrap();
    let path = directory.join("n.db");
    let (mut store, _) = SqliteStore::open(&path, &ANYONE).unwrap();
    store.write_last(&Cut { number: CutNumber(3), ..Cut::default() }).unwrap();
    drop(store);
    set_mode(&path, store_mode);
    set_mode(&directory, directory_mode);
}

/// What a refusal names: the file, the action, its owner, its mode, and the user.
fn refused(error: OpenError, folder: &Path) -> (String, &'static str, u32, u32, u32) {
    match error {
        OpenError::NotAllowed { path, action, owner, mode, user } => {
            let path = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            (path, action, owner, mode, user)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_names_the_file_its_owner_and_its_mode() {
    let prepare = |folder: &Path| {
        make_store(folder, "secret", 0o777, 0o600);
        make_store(folder, "readable", 0o777, 0o644);
        make_store(folder, "closed", 0o700, 0o644);
        make_store(folder, "fixed", 0o755, 0o666);
    };
    check_as_other("a_refusal_names_the_file_its_owner_and_its_mode", prepare, |folder| {
        let read = |path: &str| SqliteStore::read(&folder.join(path)).map(drop).unwrap_err();
        let open =
            |path: &str| SqliteStore::open(&folder.join(path), &ANYONE).map(drop).unwrap_err();
        let refused = |error| refused(error, folder);
        let secret = |action| ("secret/n.db".to_owned(), action, 0, 0o600, OTHER);
        assert_eq!(refused(read("secret/n.db")), secret("read"));
        assert_eq!(refused(open("secret/n.db")), secret("write"));
        let readable = ("readable/n.db".to_owned(), "write", 0, 0o644, OTHER);
        assert_eq!(refused(open("readable/n.db")), readable);
        assert_eq!(refused(read("closed/n.db")), ("closed".to_owned(), "read", 0, 0o700, OTHER));
        assert_eq!(refused(open("fixed/n.db")), ("fixed".to_owned(), "write", 0, 0o755, OTHER));
        let (store, backup) = (folder.join("secret/n.db"), folder.join("readable/n.db"));
        let restored = SqliteStore::restore(&store, &backup, &ANYONE).unwrap_err();
        assert_eq!(refused(restored), secret("write"));
        // Another error stays, although the file may not be used either.
        let error = OpenError::Io { path: store.clone(), error: io::ErrorKind::NotFound.into() };
        let error = explain(error, &store, Access::READ_OK);
        assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    });
}

#[test]
fn a_store_in_a_directory_that_is_only_readable_is_read_unless_it_is_in_use() {
    let prepare = |folder: &Path| {
        for name in ["closed", "without-lock", "empty-log", "log", "locked"] {
            make_store(folder, name, 0o755, 0o644);
        }
        fs::remove_file(folder.join("without-lock/n.db.lock")).unwrap();
        fs::write(folder.join("empty-log/n.db-wal"), "").unwrap();
        fs::write(folder.join("log/n.db-wal"), "the newest cuts").unwrap();
        FileLock::acquire(&folder.join("locked/n.db")).unwrap()
    };
    let test = "a_store_in_a_directory_that_is_only_readable_is_read_unless_it_is_in_use";
    check_as_other(test, prepare, |folder| {
        let read = |name: &str| SqliteStore::read(&folder.join(name).join("n.db"));
        for name in ["closed", "without-lock", "empty-log"] {
            assert_eq!(read(name).unwrap().cut, CutNumber(3), "{name}");
        }
        for name in ["log", "locked"] {
            let error = read(name).unwrap_err();
            assert!(matches!(error, OpenError::Sqlite { .. }), "{name}: {error:?}");
        }
    });
}

#[test]
fn only_root_gives_files_away_and_each_user_trusts_root_and_itself() {
    let link = |folder: &Path, name: &str| symlink("n.db", folder.join(name)).unwrap();
    let prepare = |folder: &Path| {
        set_mode(folder, 0o777);
        let made = File::create(folder.join("of-root")).unwrap();
        chown(folder, Some(OTHER), Some(OTHER)).unwrap();
        link(folder, "of-other");
        lchown(folder.join("of-other"), Some(OTHER), Some(OTHER)).unwrap();
        link(folder, "link-of-root");
        let [of_other, of_root] = ["", "of-root"].map(|name| fs::metadata(folder.join(name)));
        let (of_other, of_root) = (of_other.unwrap(), of_root.unwrap());
        let owner = || made.metadata().map(|found| (found.uid(), found.gid())).unwrap();
        adopt_owner(&made, &of_root).unwrap();
        assert_eq!(owner(), (0, 0));
        adopt_owner(&made, &of_other).unwrap();
        assert_eq!(owner(), (OTHER, OTHER));
        // A file that is open without any right cannot be given away, and that is not a matter of users.
        let mut options = File::options();
        let options = options.read(true).custom_flags(OFlags::PATH.bits().cast_signed());
        let unusable = options.open(folder.join("of-root")).unwrap();
        adopt_owner(&unusable, &of_root).unwrap_err();
        let refused = check_link(&folder.join("of-other")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        check_link(&folder.join("link-of-root")).unwrap();
        check_link(&folder.join("of-root")).expect("a file of another user is no link");
    };
    let test = "only_root_gives_files_away_and_each_user_trusts_root_and_itself";
    check_as_other(test, prepare, |folder| {
        let made = File::create(folder.join("new")).unwrap();
        adopt_owner(&made, &fs::metadata("/").unwrap()).unwrap();
        assert_eq!(made.metadata().unwrap().uid(), OTHER);
        check_link(&folder.join("of-other")).unwrap();
        check_link(&folder.join("link-of-root")).unwrap();
    });
}
