//! Reading rows, alike inside a write and outside of it.

use std::ops::RangeInclusive;

use redb::{AccessGuard, ReadableTable};
use serde::de::DeserializeOwned;

use super::fault::Failure;
use super::schema::{ExchangeRow, SessionRow, TurnRow};
use crate::history::{Exchange, SessionRecord};
use crate::turn::{SessionId, Task, Tenant, TurnId};

/// Greater than every identifier.
pub(super) const AFTER_ANY_ID: &str = "\u{7f}";

/// Key of [`super::schema::TURNS`].
pub(super) type TurnKey = (&'static str, &'static str);

/// Key of [`super::schema::EXCHANGES`].
pub(super) type PlaceKey = (&'static str, u64);

/// Key of [`super::schema::USED`].
pub(super) type UseKey = (i64, &'static str);

/// Key of [`super::schema::LISTED`].
pub(super) type ListKey = (&'static str, i64, &'static str);

/// Key of [`super::schema::USAGE`].
pub(super) type DayKey = (i64, &'static str);

/// Key of [`super::schema::ADDED`].
pub(super) type AddedKey = (i64, &'static str, u64);

/// A row as it is stored.
pub(super) type Json = &'static [u8];

fn decode<T: DeserializeOwned>(bytes: Option<AccessGuard<'_, Json>>) -> Result<Option<T>, Failure> {
    Ok(bytes.map(|bytes| serde_json::from_slice(bytes.value())).transpose()?)
}

/// Every place of a session.
pub(super) fn places(session: &str) -> RangeInclusive<(&str, u64)> {
    (session, 0)..=(session, u64::MAX)
}

/// The row of a session.
pub(super) fn session(
    sessions: &impl ReadableTable<&'static str, Json>,
    session: &str,
) -> Result<Option<SessionRow>, Failure> {
    let row = decode::<SessionRow>(sessions.get(session)?)?;
    row.map(|row| named(row, session)).transpose()
}

/// A row with the whole name of its session, of which it holds only the id.
pub(super) fn named(mut row: SessionRow, key: &str) -> Result<SessionRow, Failure> {
    let id = SessionId::stored(key).map_err(|_| Failure::missing("name of a session"))?;
    row.record.id = id;
    Ok(row)
}

/// The row of a turn.
pub(super) fn turn(
    turns: &impl ReadableTable<TurnKey, Json>,
    session: &SessionId,
    turn: &TurnId,
) -> Result<Option<TurnRow>, Failure> {
    decode(turns.get((session.key(), turn.as_str()))?)
}

/// The row of a place.
pub(super) fn exchange(
    exchanges: &impl ReadableTable<PlaceKey, Json>,
    session: &SessionId,
    position: u64,
) -> Result<Option<ExchangeRow>, Failure> {
    decode(exchanges.get((session.key(), position))?)
}

/// What a turn is to do, be it by another's words.
pub(super) fn task(
    turns: &impl ReadableTable<TurnKey, Json>,
    session: &SessionId,
    row: TurnRow,
) -> Result<Task, Failure> {
    if let Some(task) = row.task {
        return Ok(task);
    }
    let original = match &row.task_of {
        Some(original) => turn(turns, session, original)?,
        None => None,
    };
    original.and_then(|original| original.task).ok_or_else(|| Failure::missing("task of a turn"))
}

/// Joins what was asked and what was answered.
pub(super) fn whole(
    turns: &impl ReadableTable<TurnKey, Json>,
    session: &SessionId,
    position: u64,
    row: ExchangeRow,
) -> Result<Exchange, Failure> {
    let asked =
        turn(turns, session, &row.turn)?.ok_or_else(|| Failure::missing("turn of an exchange"))?;
    Ok(Exchange {
        position,
        options: asked.options.clone(),
        task: task(turns, session, asked)?,
        turn: row.turn,
        state: row.state,
        asked_at: row.asked_at,
        answer: row.answer,
        heard: row.heard,
    })
}

/// The exchange of a turn at its position, unless another turn's answer is there.
pub(super) fn standing(
    exchanges: &impl ReadableTable<PlaceKey, Json>,
    turns: &impl ReadableTable<TurnKey, Json>,
    session: &SessionId,
    turn: &TurnId,
    position: u64,
) -> Result<Option<Exchange>, Failure> {
    let row = exchange(exchanges, session, position)?.filter(|row| row.turn == *turn);
    row.map(|row| whole(turns, session, position, row)).transpose()
}

/// The newest exchanges in `places` that `wanted` takes, oldest first.
pub(super) fn newest(
    exchanges: &impl ReadableTable<PlaceKey, Json>,
    turns: &impl ReadableTable<TurnKey, Json>,
    session: &SessionId,
    before: u64,
    limit: usize,
    wanted: impl Fn(&ExchangeRow) -> bool,
) -> Result<Vec<Exchange>, Failure> {
    let mut newest = Vec::new();
    for entry in exchanges.range((session.key(), 0)..(session.key(), before))?.rev() {
        if newest.len() >= limit {
            break;
        }
        let (key, row) = entry?;
        let row: ExchangeRow = serde_json::from_slice(row.value())?;
        if wanted(&row) {
            newest.push(whole(turns, session, key.value().1, row)?);
        }
    }
    newest.reverse();
    Ok(newest)
}

/// Where the session of a key that was last used at `used`, in microseconds, stands in the list of its
/// tenant.
pub(super) fn place_in_list(session: &str, used: i64) -> (&str, i64, &str) {
    (Tenant::name_in(session).unwrap_or_default(), used, session)
}

/// The sessions of a tenant, the one last used first; without those whose row makes no sense. Those of
/// others are not looked at.
pub(super) fn last_used(
    listed: &impl ReadableTable<ListKey, ()>,
    sessions: &impl ReadableTable<&'static str, Json>,
    tenant: &Tenant,
    skip: usize,
    limit: usize,
) -> Result<Vec<SessionRecord>, Failure> {
    let mut records = Vec::new();
    let name = tenant.name().unwrap_or_default();
    let its = listed.range((name, i64::MIN, "")..=(name, i64::MAX, AFTER_ANY_ID))?;
    for entry in its.rev().skip(skip).take(limit) {
        let (key, _) = entry?;
        match session(sessions, key.value().2) {
            Ok(row) => records.extend(row.map(|row| row.record)),
            Err(Failure::Damaged(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(records)
}
