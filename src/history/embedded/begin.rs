//! Opening a turn.

use super::fault::Failure;
use super::finish::settle;
use super::retention::trim;
use super::schema::{Attempt, ExchangeRow, SessionRow, Stands, TurnRow};
use super::tables::Tables;
use crate::history::rules::title_of;
use crate::history::{
    Begun, Exchange, ExchangeState, Fence, NewTurn, Opened, Replaces, SessionRecord,
    SessionSettings,
};
use crate::turn::{SessionId, Task};

/// Does [`crate::history::HistoryStore::begin`].
pub(super) fn begin(
    tables: &mut Tables<'_>,
    session: &SessionId,
    turn: &NewTurn,
    max_exchanges: u64,
) -> Result<Begun, Failure> {
    let row = tables.session(session)?;
    if let Some(row) = &row
        && let Some(known) = tables.turn(session, &turn.id)?
    {
        return again(tables, row.clone(), &known, turn);
    }
    if !has_something_to_do(tables, session, turn)? {
        return Ok(Begun::NothingToReplace);
    }
    let mut row = row.unwrap_or_else(|| new_session(tables, session, &turn.settings));
    settle(tables, &mut row, turn.settles.as_ref())?;
    match turn.replaces {
        Replaces::Nothing => open_in_place(tables, &mut row, turn, max_exchanges)?,
        Replaces::Last => open_beside(tables, &mut row, turn)?,
    }
    opened(tables, row, turn)
}

/// A session in which nothing has happened yet.
pub(super) fn new_session(
    tables: &Tables<'_>,
    session: &SessionId,
    settings: &SessionSettings,
) -> SessionRow {
    SessionRow {
        record: SessionRecord {
            id: session.clone(),
            title: String::new(),
            created_at: tables.now,
            updated_at: tables.now,
            exchanges: 0,
            settings: settings.clone(),
        },
        next: 0,
        fence: 0,
        attempt: None,
    }
}

/// What becomes of a turn whose id is known.
fn again(
    tables: &mut Tables<'_>,
    mut row: SessionRow,
    known: &TurnRow,
    turn: &NewTurn,
) -> Result<Begun, Failure> {
    let session = row.record.id.clone();
    if !known.is_for(turn) {
        return Ok(Begun::Conflict);
    }
    let running =
        row.attempt.as_ref().is_some_and(|attempt| attempt.running && attempt.turn == turn.id);
    if running && turn.running_here {
        return Ok(Begun::Running);
    }
    if !known.waiting {
        let exchange = tables.exchange(&session, known.position)?;
        if exchange.state == ExchangeState::Finished {
            let exchange: Exchange = tables.whole(&session, known.position, exchange)?;
            return Ok(Begun::Replay(Box::new(exchange)));
        }
    }
    settle(tables, &mut row, turn.settles.as_ref())?;
    reopen(tables, &mut row, known, turn)?;
    opened(tables, row, turn)
}

/// Opens a turn that was not answered again, in its old position.
fn reopen(
    tables: &mut Tables<'_>,
    row: &mut SessionRow,
    known: &TurnRow,
    turn: &NewTurn,
) -> Result<(), Failure> {
    let session = row.record.id.clone();
    let exchange = tables.exchange(&session, known.position)?;
    let stands = if exchange.turn == turn.id { Stands::InPlace } else { Stands::Beside };
    match stands {
        Stands::InPlace => {
            let running = ExchangeRow {
                others: exchange.others,
                ..ExchangeRow::running(turn.id.clone(), exchange.asked_at)
            };
            tables.put_exchange(&session, known.position, &running)?;
        }
        // Another answer may have taken the place a moment ago, as it was settled.
        Stands::Beside => {
            tables.put_turn(&session, &turn.id, &TurnRow { waiting: true, ..known.clone() })?;
        }
    }
    attempt(tables, row, turn, known.position, stands);
    Ok(())
}

/// Whether a new turn has words of its own, or others' to answer again.
fn has_something_to_do(
    tables: &Tables<'_>,
    session: &SessionId,
    turn: &NewTurn,
) -> Result<bool, Failure> {
    if turn.replaces == Replaces::Nothing {
        return Ok(turn.task.is_some());
    }
    let Some(position) = tables.newest(session)? else { return Ok(false) };
    let last = tables.exchange(session, position)?;
    let last = tables.whole(session, position, last)?;
    Ok(matches!(last.task, Task::Answer { .. }))
}

/// Gives a turn the next position.
fn open_in_place(
    tables: &mut Tables<'_>,
    row: &mut SessionRow,
    turn: &NewTurn,
    max_exchanges: u64,
) -> Result<(), Failure> {
    let session = row.record.id.clone();
    let position = row.next;
    row.next += 1;
    row.record.exchanges += 1;
    tables.put_turn(
        &session,
        &turn.id,
        &TurnRow {
            position,
            task: turn.task.clone(),
            task_of: None,
            options: turn.options.clone(),
            replaces: turn.replaces,
            waiting: false,
        },
    )?;
    tables.put_exchange(&session, position, &ExchangeRow::running(turn.id.clone(), tables.now))?;
    attempt(tables, row, turn, position, Stands::InPlace);
    trim(tables, row, max_exchanges)
}

/// Lets a turn wait beside the last exchange.
fn open_beside(
    tables: &mut Tables<'_>,
    row: &mut SessionRow,
    turn: &NewTurn,
) -> Result<(), Failure> {
    let session = row.record.id.clone();
    let position =
        tables.newest(&session)?.ok_or_else(|| Failure::missing("exchange to replace"))?;
    let mut last = tables.exchange(&session, position)?;
    let asked = tables
        .turn(&session, &last.turn)?
        .ok_or_else(|| Failure::missing("turn of an exchange"))?;
    let task_of = turn.task.is_none().then(|| asked.task_of.unwrap_or_else(|| last.turn.clone()));
    tables.put_turn(
        &session,
        &turn.id,
        &TurnRow {
            position,
            task: turn.task.clone(),
            task_of,
            options: turn.options.clone(),
            replaces: turn.replaces,
            waiting: true,
        },
    )?;
    last.others.push(turn.id.clone());
    tables.put_exchange(&session, position, &last)?;
    attempt(tables, row, turn, position, Stands::Beside);
    Ok(())
}

fn attempt(
    tables: &Tables<'_>,
    row: &mut SessionRow,
    turn: &NewTurn,
    position: u64,
    stands: Stands,
) {
    row.attempt = Some(Attempt {
        turn: turn.id.clone(),
        position,
        stands,
        begun_at: tables.now,
        running: true,
    });
}

/// Makes earlier fences void, stores the session, and tells what the turn needs.
fn opened(tables: &mut Tables<'_>, mut row: SessionRow, turn: &NewTurn) -> Result<Begun, Failure> {
    let session = row.record.id.clone();
    let asked =
        tables.turn(&session, &turn.id)?.ok_or_else(|| Failure::missing("turn that was opened"))?;
    let position = asked.position;
    let task = tables.task(&session, asked)?;
    if row.record.title.is_empty() {
        row.record.title = title_of(task.text());
    }
    row.fence = tables.next_fence()?;
    tables.put_used_session(&mut row)?;
    Ok(Begun::New(Box::new(Opened {
        position,
        task,
        recent: tables.finished_before(&session, position, turn.recent)?,
        settings: row.record.settings,
        fence: Fence { session, number: row.fence },
    })))
}
