//! What is given up: the oldest exchanges, unused sessions, what a person wants forgotten, and
//! turns that a crash left running.

use std::time::Duration;

use jiff::SignedDuration;

use super::fault::Failure;
use super::finish::end;
use super::schema::SessionRow;
use super::tables::Tables;
use crate::history::Answer;
use crate::turn::SessionId;

/// How many sessions one [`sweep`] forgets at most, so that nobody waits for long.
const SWEPT_AT_ONCE: usize = 64;

/// Drops the oldest exchanges of a session that has more than `max_exchanges`; the newest stays.
pub(super) fn trim(
    tables: &mut Tables<'_>,
    row: &mut SessionRow,
    max_exchanges: u64,
) -> Result<(), Failure> {
    let session = row.record.id.clone();
    while row.record.exchanges > max_exchanges.max(1) {
        let oldest = tables.oldest(&session)?.ok_or_else(|| Failure::missing("oldest exchange"))?;
        tables.forget_place(&session, oldest)?;
        row.record.exchanges -= 1;
    }
    Ok(())
}

/// Forgets sessions that were not used for `ttl`; `false` when there may be more of them.
pub(super) fn sweep(tables: &mut Tables<'_>, ttl: Duration) -> Result<bool, Failure> {
    let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
    let Ok(time) = tables.now.checked_sub(ttl) else { return Ok(true) };
    let unused = tables.unused_since(time, SWEPT_AT_ONCE)?;
    for (used, session) in &unused {
        tables.forget_session(session, *used)?;
    }
    Ok(unused.len() < SWEPT_AT_ONCE)
}

/// Does [`crate::history::HistoryStore::clear`].
pub(super) fn clear(tables: &mut Tables<'_>, session: &SessionId) -> Result<(), Failure> {
    let mut row = tables.known_session(session)?;
    tables.forget_exchanges(session.key())?;
    row.record.exchanges = 0;
    row.attempt = None;
    row.fence = tables.next_fence()?;
    tables.put_used_session(&mut row)
}

/// Does [`crate::history::HistoryStore::delete`].
pub(super) fn delete(tables: &mut Tables<'_>, session: &SessionId) -> Result<(), Failure> {
    let row = tables.known_session(session)?;
    tables.forget_session(session.key(), row.record.updated_at.as_microsecond())
}

/// Marks as incomplete what was left running by whoever was given a fence after `fence`: nobody
/// is answering it.
pub(super) fn recover(tables: &mut Tables<'_>, fence: u64) -> Result<(), Failure> {
    for mut row in tables.all_sessions()? {
        let left = row.attempt.take_if(|attempt| attempt.running && row.fence > fence);
        if let Some(attempt) = left {
            let session = row.record.id.clone();
            end(tables, &session, attempt, &Answer::default(), None)?;
            tables.put_session(&row)?;
        }
    }
    Ok(())
}
