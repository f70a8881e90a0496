//! How an answer is kept: by the turn that gave it, or by the next one that settles it.

use super::fault::Failure;
use super::schema::{Attempt, ExchangeRow, SessionRow, Stands, TurnRow};
use super::tables::Tables;
use crate::history::rules::{judge, state_after, takes_the_place};
use crate::history::{Amendment, Answer, ExchangeState, Fence, HistoryError, Settlement};
use crate::turn::{SessionId, TurnId};

/// Does [`crate::history::HistoryStore::finish`].
pub(super) fn finish(
    tables: &mut Tables<'_>,
    fence: &Fence,
    turn: &TurnId,
    answer: &Answer,
) -> Result<(), Failure> {
    let mut row = fenced(tables, fence)?;
    let attempt = row
        .attempt
        .take()
        .filter(|attempt| attempt.turn == *turn)
        .ok_or(HistoryError::TurnNotFound)?;
    let heard = answer.outcome.as_ref().and_then(|outcome| outcome.heard.clone());
    row.attempt = Some(end(tables, &fence.session, attempt, answer, heard)?);
    tables.put_used_session(&mut row)
}

/// Does [`crate::history::HistoryStore::amend`].
pub(super) fn amend(
    tables: &mut Tables<'_>,
    fence: &Fence,
    turn: &TurnId,
    change: &Amendment,
) -> Result<(), Failure> {
    fenced(tables, fence)?;
    let session = &fence.session;
    let (position, mut exchange) =
        answered(tables, session, turn)?.ok_or(HistoryError::TurnNotFound)?;
    match change {
        Amendment::Heard(heard) => exchange.heard.clone_from(heard),
        Amendment::Verdicts(late) => judge(&mut exchange.answer, late),
    }
    tables.put_exchange(session, position, &exchange)
}

/// Ends what is running and notes what was heard, before another turn is opened.
pub(super) fn settle(
    tables: &mut Tables<'_>,
    row: &mut SessionRow,
    settlement: Option<&Settlement>,
) -> Result<(), Failure> {
    let session = row.record.id.clone();
    let valid = |settlement: &&Settlement| settlement.fence.is_none_or(|fence| fence == row.fence);
    let settlement = settlement.filter(valid);
    let running = row.attempt.take_if(|attempt| attempt.running);
    let Some(running) = running else {
        return match settlement {
            Some(settlement) => hear(tables, &session, settlement),
            None => Ok(()),
        };
    };
    match settlement {
        Some(Settlement { turn, heard, running: Some(answer), .. }) if *turn == running.turn => {
            end(tables, &session, running, answer, heard.clone())?;
        }
        other => {
            end(tables, &session, running, &Answer::default(), None)?;
            if let Some(settlement) = other {
                hear(tables, &session, settlement)?;
            }
        }
    }
    Ok(())
}

/// Ends an attempt: its answer is kept, where it has one that may stand.
pub(super) fn end(
    tables: &mut Tables<'_>,
    session: &SessionId,
    attempt: Attempt,
    answer: &Answer,
    heard: Option<String>,
) -> Result<Attempt, Failure> {
    let ended = Attempt { running: false, ..attempt };
    match ended.stands {
        Stands::InPlace => {
            let exchange = tables.exchange(session, ended.position)?;
            let state = state_after(answer);
            tables.put_exchange(
                session,
                ended.position,
                &ExchangeRow { state, answer: answer.clone(), heard, ..exchange },
            )?;
            Ok(ended)
        }
        Stands::Beside if takes_the_place(answer) => {
            replace(tables, session, &ended, answer, heard)?;
            Ok(Attempt { stands: Stands::InPlace, ..ended })
        }
        Stands::Beside => Ok(ended),
    }
}

/// Puts the answer of an attempt where an older one was.
fn replace(
    tables: &mut Tables<'_>,
    session: &SessionId,
    attempt: &Attempt,
    answer: &Answer,
    heard: Option<String>,
) -> Result<(), Failure> {
    let old = tables.exchange(session, attempt.position)?;
    let asked = tables
        .turn(session, &attempt.turn)?
        .ok_or_else(|| Failure::missing("turn of an attempt"))?;
    let mut others = old.others;
    others.retain(|other| *other != attempt.turn);
    others.push(old.turn);
    tables.put_turn(session, &attempt.turn, &TurnRow { waiting: false, ..asked })?;
    tables.put_exchange(
        session,
        attempt.position,
        &ExchangeRow {
            turn: attempt.turn.clone(),
            state: state_after(answer),
            asked_at: attempt.begun_at,
            answer: answer.clone(),
            heard,
            others,
        },
    )
}

/// Notes what was heard of an answer, if it is there.
fn hear(
    tables: &mut Tables<'_>,
    session: &SessionId,
    settlement: &Settlement,
) -> Result<(), Failure> {
    if let Some((position, mut exchange)) = answered(tables, session, &settlement.turn)?
        && exchange.state == ExchangeState::Finished
    {
        exchange.heard.clone_from(&settlement.heard);
        tables.put_exchange(session, position, &exchange)?;
    }
    Ok(())
}

/// The exchange of a turn that is not being answered, and where it is.
fn answered(
    tables: &Tables<'_>,
    session: &SessionId,
    turn: &TurnId,
) -> Result<Option<(u64, ExchangeRow)>, Failure> {
    let Some(asked) = tables.turn(session, turn)? else { return Ok(None) };
    let exchange = tables.exchange(session, asked.position)?;
    let is_it = exchange.turn == *turn && exchange.state != ExchangeState::Running;
    Ok(is_it.then_some((asked.position, exchange)))
}

/// The session of a fence, while that is valid.
fn fenced(tables: &Tables<'_>, fence: &Fence) -> Result<SessionRow, Failure> {
    let row = tables.known_session(&fence.session)?;
    if row.fence == fence.number { Ok(row) } else { Err(HistoryError::Fenced.into()) }
}
