//! Tables and their versions.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::store::StoreError;

/// What a room keeps in the database.
#[derive(Clone, Copy)]
pub struct Schema {
    /// Names the room in the table `versions`.
    pub name: &'static str,
    /// SQL that makes version 1 of nothing, version 2 of version 1, and so on. A released step is never changed.
    pub steps: &'static [&'static str],
    /// Run whenever the database was opened: no other server has it, so what one that died left half done is over.
    pub opened: fn(&Connection) -> Result<(), StoreError>,
}

/// Brings the tables of all rooms to the version this program knows, in one transaction.
pub fn bring_up(connection: &mut Connection, schemas: &[Schema]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
    )?;
    for schema in schemas {
        schema.bring_up(&transaction)?;
        (schema.opened)(&transaction)?;
    }
    transaction.commit()?;
    Ok(())
}

impl Schema {
    fn bring_up(&self, connection: &Connection) -> Result<(), StoreError> {
        let known: Option<i64> = connection
            .query_row("SELECT version FROM versions WHERE name = ?1", [self.name], |row| {
                row.get(0)
            })
            .optional()?;
        let known = usize::try_from(known.unwrap_or(0)).unwrap_or(usize::MAX);
        let Some(missing) = self.steps.get(known..) else {
            return Err(StoreError::Broken(
                "the database of the store was written by a newer version of this server".into(),
            ));
        };
        for step in missing {
            connection.execute_batch(step)?;
        }
        connection.execute(
            "INSERT INTO versions (name, version) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET version = excluded.version",
            (self.name, i64::try_from(self.steps.len()).unwrap_or(i64::MAX)),
        )?;
        Ok(())
    }
}
