use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::writer::Writer;
use super::{Database, Schema};
use crate::store::StoreError;

const NUMBERS: &str = "CREATE TABLE numbers (n INTEGER NOT NULL)";
const SCHEMA: Schema = Schema {
    name: "numbers",
    steps: &[NUMBERS],
    opened: |_| Ok(()),
};

fn insert(connection: &Connection, n: i64) -> Result<(), StoreError> {
    connection.execute("INSERT INTO numbers (n) VALUES (?1)", [n])?;
    Ok(())
}

fn numbers(connection: &Connection) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare("SELECT n FROM numbers ORDER BY n")?;
    let numbers = statement.query_map((), |row| row.get::<_, i64>(0))?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}

fn database(folder: &Path) -> Arc<Database> {
    Database::new(folder, &[SCHEMA])
}

/// Another test may spawn a process just now, which holds a copy of the lock until it runs its program.
fn once_free<T>(mut call: impl FnMut() -> Result<T, StoreError>) -> T {
    let began = Instant::now();
    loop {
        match call() {
            Err(StoreError::Away(_)) if began.elapsed() < Duration::from_secs(20) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done.unwrap(),
        }
    }
}

/// What a process that is killed now leaves behind.
fn copy_as_if_killed(from: &Path, to: &Path) {
    for name in ["hostler.sqlite3", "hostler.sqlite3-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

struct Fixture {
    writer: Writer,
    file: std::path::PathBuf,
    folder: tempfile::TempDir,
}

fn writer() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers.sqlite3");
    let connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute_batch(NUMBERS).unwrap();
    let lock = File::create(folder.path().join("lock")).unwrap();
    Fixture {
        writer: Writer::start(connection, lock).unwrap(),
        file,
        folder,
    }
}

type Work = fn(&Connection) -> Result<(), StoreError>;

#[test]
fn writes_that_wait_share_a_commit_and_are_told_after_it() {
    let Fixture {
        writer,
        file,
        folder: _folder,
    } = writer();
    let (go, gone) = mpsc::channel::<()>();
    writer
        .send(
            move |connection| gone.recv().map_or(Ok(()), |()| insert(connection, 0)),
            |_| (),
        )
        .unwrap();
    let (seen, told) = (Arc::new(Mutex::new(BTreeSet::new())), mpsc::channel());
    for n in 1..=20 {
        let (seen, tell) = (Arc::clone(&seen), told.0.clone());
        let (before, after) = (file.clone(), file.clone());
        let work = move |connection: &Connection| -> Result<(), StoreError> {
            insert(connection, n)?;
            // What another connection sees is what was committed before this transaction.
            let committed = numbers(&Connection::open(&before)?)?.len();
            seen.lock().unwrap().insert(committed);
            Ok(())
        };
        let reply = move |made: Result<(), StoreError>| {
            let there = numbers(&Connection::open(&after).unwrap()).unwrap().contains(&n);
            tell.send(made.is_ok() && there).unwrap();
        };
        writer.send(work, reply).unwrap();
    }
    go.send(()).unwrap();
    for _ in 1..=20 {
        assert!(told.1.recv().unwrap(), "told before it was there");
    }
    assert!(seen.lock().unwrap().len() < 20, "each had a commit of its own");
}

#[test]
fn the_fault_of_one_write_does_not_undo_the_others() {
    let Fixture {
        writer,
        file,
        folder: _folder,
    } = writer();
    let (go, gone) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let works: [Work; 4] = [
        |connection| insert(connection, 1),
        |connection| {
            insert(connection, 2)?;
            Err(StoreError::Refused("no".into()))
        },
        |connection| {
            insert(connection, 3)?;
            panic!("a fault of the server")
        },
        |connection| insert(connection, 4),
    ];
    writer
        .send(move |_| gone.recv().map_or(Ok(()), |()| Ok(())), |_| ())
        .unwrap();
    for work in works {
        let tell = tell.clone();
        writer
            .send(work, move |made: Result<(), StoreError>| tell.send(made).unwrap())
            .unwrap();
    }
    go.send(()).unwrap();
    assert!(told.recv().unwrap().is_ok());
    assert!(matches!(told.recv().unwrap(), Err(StoreError::Refused(_))));
    assert!(matches!(told.recv().unwrap(), Err(StoreError::Broken(_))));
    assert!(told.recv().unwrap().is_ok());
    drop(writer);
    assert_eq!(numbers(&Connection::open(file).unwrap()).unwrap(), [1, 4]);
}

#[test]
fn a_transaction_that_sqlite_undoes_fails_and_the_next_one_works() {
    let Fixture {
        writer,
        file,
        folder: _folder,
    } = writer();
    let (tell, told) = mpsc::channel();
    let undone = |connection: &Connection| -> Result<(), StoreError> {
        insert(connection, 1)?;
        // As SQLite does by itself where a disk is full.
        connection.execute_batch("ROLLBACK")?;
        Ok(())
    };
    let reply = tell.clone();
    writer.send(undone, move |made| reply.send(made).unwrap()).unwrap();
    assert!(told.recv().unwrap().is_err());
    writer
        .send(|connection| insert(connection, 2), move |made| tell.send(made).unwrap())
        .unwrap();
    assert!(told.recv().unwrap().is_ok());
    drop(writer);
    assert_eq!(numbers(&Connection::open(file).unwrap()).unwrap(), [2]);
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = database(folder.path());
    for n in 0..50 {
        first
            .write(move |connection| insert(connection, n), |()| ())
            .await
            .unwrap();
    }
    copy_as_if_killed(folder.path(), copy.path());
    let second = database(copy.path());
    let kept = second.read(numbers).await.unwrap().unwrap();
    assert_eq!(kept, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_commit_is_on_disk_before_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let pragmas = |connection: &Connection| -> Result<(String, i64), StoreError> {
        let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        Ok((journal, synchronous))
    };
    let (journal, synchronous) = database(folder.path()).blocking_write(pragmas).unwrap();
    // FULL.
    assert_eq!((journal.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn a_write_is_made_and_noted_though_its_caller_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path());
    database
        .write(|connection| insert(connection, 1), |()| ())
        .await
        .unwrap();
    let (note, noted) = tokio::sync::oneshot::channel();
    let left = database.write(|connection| insert(connection, 2), move |()| note.send(()).unwrap());
    // Polled once, which sends it, and dropped.
    let _ = tokio::time::timeout(Duration::ZERO, left).await;
    noted.await.unwrap();
    assert_eq!(database.read(numbers).await.unwrap(), Some(vec![1, 2]));
}

#[tokio::test]
async fn looking_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder.path().join("data"));
    assert_eq!(database.read(numbers).await.unwrap(), None);
    let changed = database
        .write_if_there(|connection| insert(connection, 1), |()| ())
        .await;
    assert_eq!(changed.unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    database
        .write(|connection| insert(connection, 1), |()| ())
        .await
        .unwrap();
    assert_eq!(database.read(numbers).await.unwrap(), Some(vec![1]));
}

#[test]
fn a_folder_has_one_server_until_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = database(folder.path());
    first.blocking_write(|connection| insert(connection, 1)).unwrap();
    let second = database(folder.path());
    for _ in 0..2 {
        let refused = second.blocking_write(|connection| insert(connection, 2));
        let Err(StoreError::Away(told)) = refused else {
            panic!("{refused:?}")
        };
        assert!(told.contains("another server holds the folder"), "{told}");
    }
    drop(first);
    assert_eq!(once_free(|| second.blocking_read(numbers)), Some(vec![1]));
}

#[test]
fn what_keeps_a_folder_from_being_made_is_told_without_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let database = database(&file.join("data"));
    let refused = database.blocking_write(|connection| insert(connection, 1));
    let Err(StoreError::Away(told)) = refused else {
        panic!("{refused:?}")
    };
    assert!(told.contains("SERVER_STORE_URL"), "{told}");
    assert!(!told.contains(folder.path().to_str().unwrap()), "{told}");
}

#[test]
fn what_is_no_database_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hostler.sqlite3"), "no database at all".repeat(100)).unwrap();
    let refused = database(folder.path()).blocking_read(numbers);
    let Err(StoreError::Broken(told)) = refused else {
        panic!("{refused:?}")
    };
    assert!(told.contains("damaged"), "{told}");
}

#[test]
fn tables_are_brought_up_and_never_down() {
    let folder = tempfile::tempdir().unwrap();
    let newer = Schema {
        steps: &[NUMBERS, "INSERT INTO numbers (n) VALUES (7)"],
        ..SCHEMA
    };
    let opened = |schema: Schema| once_free(|| Database::new(folder.path(), &[schema]).blocking_write(numbers));
    assert!(opened(SCHEMA).is_empty());
    assert_eq!(opened(newer), [7]);
    assert_eq!(opened(newer), [7]);
    let refused = once_free(|| match database(folder.path()).blocking_read(numbers) {
        Err(StoreError::Broken(told)) => Ok(told),
        Err(error) => Err(error),
        Ok(read) => panic!("{read:?}"),
    });
    assert!(refused.contains("newer version"), "{refused}");
}

#[test]
fn a_room_is_told_of_each_opening() {
    const OPENED: Schema = Schema {
        opened: |connection| insert(connection, 1),
        ..SCHEMA
    };
    let folder = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        let kept = once_free(|| Database::new(folder.path(), &[OPENED]).blocking_write(numbers));
        assert_eq!(kept.len(), n);
    }
}

#[test]
fn many_read_beside_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path());
    database.blocking_write(|connection| insert(connection, 1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(!database.blocking_read(numbers).unwrap().unwrap().is_empty());
                }
            });
        }
        for n in 2..20 {
            database
                .blocking_write(move |connection| insert(connection, n))
                .unwrap();
        }
    });
    // A reader that fails gives its connection back.
    for _ in 0..10 {
        let failed = database.blocking_read(|_| Err::<(), _>(StoreError::Refused("no".into())));
        assert!(failed.is_err());
    }
    assert_eq!(database.blocking_read(numbers).unwrap().unwrap().len(), 19);
}
