//! Files that are damaged, and copies of them.

use super::*;

/// Overwrites the first page of a table.
fn damage_page_of(fixture: &Fixture, table: &str) {
    fixture.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let page = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let store = Connection::open(fixture.path()).unwrap();
    let page: u16 = store.query_row(page, [table], |row| row.get(0)).unwrap();
    let end = usize::from(page) * 4096;
    drop(store);
    let mut bytes = fs::read(fixture.path()).unwrap();
    bytes[end - 4096..end].fill(0xff);
    fs::write(fixture.path(), bytes).unwrap();
}

#[test]
fn damaged_files_are_refused() {
    let garbage = Fixture::with_books();
    fs::write(garbage.path(), [b'x'; 8192]).unwrap();
    assert!(
        garbage.refusal().contains("is damaged (file is not a database"),
        "{}",
        garbage.refusal()
    );
    let zeroed = Fixture::with_books();
    let len = fs::metadata(zeroed.path()).unwrap().len();
    fs::write(zeroed.path(), vec![0; usize::try_from(len).unwrap()]).unwrap();
    assert!(zeroed.refusal().contains("is damaged"), "{}", zeroed.refusal());
    let truncated = Fixture::with_books();
    truncated.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let bytes = fs::read(truncated.path()).unwrap();
    fs::write(truncated.path(), &bytes[..bytes.len() - 4096]).unwrap();
    assert!(truncated.refusal().contains("is damaged"), "{}", truncated.refusal());
    let text = Fixture::with_books();
    text.execute("UPDATE account SET held_out = '1.5'");
    assert!(text.refusal().contains("is damaged (the account c has a wrong held_out)"));
}

#[test]
fn damage_of_what_no_start_reads_is_found() {
    let fixture = Fixture::with_books();
    damage_page_of(&fixture, "event");
    SqliteStore::read(&fixture.path()).expect("nothing of these pages is read");
    let refusal = fixture.refusal();
    assert!(refusal.contains("is damaged"), "{refusal}");
    let error = SqliteStore::verify(&fixture.path(), &identity()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let backup = fixture.directory.path().join("backup.db");
    let error = SqliteStore::backup(&fixture.path(), &backup).unwrap_err();
    assert!(
        matches!(&error, OpenError::Damaged { path, .. } if *path == fixture.path()),
        "{error}"
    );
    assert!(!backup.exists());
}

#[test]
fn a_backup_that_fails_leaves_no_file() {
    let fixture = Fixture::with_books();
    damage_page_of(&fixture, "adjustment");
    let backup = fixture.directory.path().join("backup.db");
    let error = SqliteStore::backup(&fixture.path(), &backup).unwrap_err().to_string();
    assert!(error.contains("b.db is damaged") && !error.contains("backup.db"), "{error}");
    assert!(!backup.exists());
    let fixture = Fixture::with_books();
    fs::write(&backup, "of another program").unwrap();
    let error = SqliteStore::backup(&fixture.path(), &backup).unwrap_err().to_string();
    assert!(error.ends_with("backup.db exists already; name a new file"), "{error}");
    assert_eq!(fs::read(&backup).unwrap(), b"of another program");
}
