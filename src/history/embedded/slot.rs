//! The open database, shared by one writer and any number of readers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};
use tracing::warn;

use super::clock::Clock;
use super::fault::{Failure, Fault};
use super::retention::{recover, sweep};
use super::schema::{META, SCHEMA, SCHEMA_KEY};
use super::tables::Tables;

/// How long readers may take to let go of a database that is to be opened again.
const LETTING_GO: Duration = Duration::from_secs(2);

/// Opens the database.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, Fault> + Send + Sync>;

/// Where the open database is.
pub(super) struct Slot {
    opener: Opener,
    database: ArcSwapOption<Database>,
}

impl Slot {
    /// Opens the database for the first time: checks its schema, ends what a crash left running,
    /// and forgets what is too old.
    pub(super) fn open(
        opener: Opener,
        path: &str,
        clock: &mut Clock,
        ttl: Duration,
    ) -> Result<Self, Fault> {
        let damaged = |failure| match failure {
            Failure::Refused(error) => {
                Fault::Damaged { path: path.to_owned(), reason: error.to_string() }
            }
            Failure::Damaged(error) | Failure::Storage(error) => {
                Fault::Damaged { path: path.to_owned(), reason: error.to_string() }
            }
        };
        let database = opener()?;
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            let found = schema(&database).map_err(damaged)?;
            if found > SCHEMA {
                return Err(Fault::Newer { path: path.to_owned(), found, known: SCHEMA });
            }
            tidy(&database, 0).map_err(damaged)?;
            while !forget_unused(&database, clock, ttl).map_err(damaged)? {}
            Ok(())
        }));
        let prepared =
            prepared.unwrap_or_else(|_| Err(damaged(Failure::missing("sense in its pages"))));
        if let Err(fault) = prepared {
            let_go(database);
            return Err(fault);
        }
        Ok(Self { opener, database: ArcSwapOption::from_pointee(database) })
    }

    /// The database, unless it is being opened again.
    pub(super) fn database(&self) -> Option<Arc<Database>> {
        self.database.load_full()
    }

    /// A view of what has been committed.
    pub(super) fn read(&self) -> Result<ReadTransaction, Failure> {
        let database =
            self.database().ok_or_else(|| Failure::Storage(Box::new(Fault::Reopening)))?;
        Ok(database.begin_read()?)
    }

    /// Lets go of the database, as soon as nobody reads from it.
    pub(super) fn close(&self) {
        if let Some(database) = self.database.swap(None) {
            let deadline = Instant::now() + LETTING_GO;
            while Arc::strong_count(&database) > 1 && Instant::now() < deadline {
                thread::park_timeout(Duration::from_millis(1));
            }
            let_go(database);
        }
    }

    /// Opens the database again after an error. Turns that were given a fence after `fence` were
    /// never acknowledged, and are ended.
    pub(super) fn reopen(&self, fence: u64) -> Result<(), Failure> {
        self.close();
        let database = (self.opener)().map_err(|fault| Failure::Storage(Box::new(fault)))?;
        tidy(&database, fence)?;
        self.database.store(Some(Arc::new(database)));
        Ok(())
    }
}

/// Closes a database. One whose file is damaged may panic as it tidies up, and that ends nothing here.
fn let_go(database: impl Sized) {
    if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
        warn!("The file of the history is damaged, and could not be closed as it should");
    }
}

/// The schema version of a database; that of this version when the database is new.
fn schema(database: &Database) -> Result<u64, Failure> {
    let transaction = database.begin_write()?;
    let is_new = transaction.list_tables()?.next().is_none();
    let found = {
        let mut meta = transaction.open_table(META)?;
        if is_new {
            meta.insert(SCHEMA_KEY, SCHEMA)?;
        }
        let found = meta.get(SCHEMA_KEY)?.map(|version| version.value());
        found.ok_or_else(|| Failure::missing("schema version"))?
    };
    end(transaction, is_new)?;
    Ok(found)
}

/// Makes what tables and lists are missing and ends turns that nobody is answering.
fn tidy(database: &Database, fence: u64) -> Result<(), Failure> {
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        recover(&mut tables, fence)?;
        tables.mend_lists()?;
    }
    Ok(transaction.commit()?)
}

/// Forgets some of the sessions that are too old; `false` when there may be more of them.
fn forget_unused(database: &Database, clock: &mut Clock, ttl: Duration) -> Result<bool, Failure> {
    let transaction = database.begin_write()?;
    let (all, changed) = {
        let mut tables = Tables::open(&transaction)?;
        tables.now = clock.tick();
        (sweep(&mut tables, ttl)?, tables.changed)
    };
    end(transaction, changed)?;
    Ok(all)
}

/// Commits a transaction, if there is something in it.
fn end(transaction: WriteTransaction, changed: bool) -> Result<(), Failure> {
    if changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(())
}
