//! What the store does, each operation by the writer or in a view of what has been committed.

use async_trait::async_trait;

use super::EmbeddedStore;
use super::begin::{begin, new_session};
use super::finish::{amend, finish};
use super::load;
use super::retention::{clear, delete};
use super::schema::{EXCHANGES, LISTED, SESSIONS, SessionRow, TURNS};
use super::tables::probe;
use super::usage::count;
use crate::history::{
    Addition, Amendment, Answer, Begun, Exchange, ExchangeState, Fence, HistoryError, HistoryStore,
    NewTurn, SessionRecord, SessionSettings, Used,
};
use crate::turn::{SessionId, Tenant, TurnId};

#[async_trait]
impl HistoryStore for EmbeddedStore {
    async fn begin(&self, session: &SessionId, turn: &NewTurn) -> Result<Begun, HistoryError> {
        let (session, turn, max_exchanges) = (session.clone(), turn.clone(), self.max_exchanges);
        self.write(move |tables| begin(tables, &session, &turn, max_exchanges)).await
    }

    async fn finish(
        &self,
        fence: &Fence,
        turn: &TurnId,
        answer: &Answer,
    ) -> Result<(), HistoryError> {
        let (fence, turn, answer) = (fence.clone(), turn.clone(), answer.clone());
        self.write(move |tables| finish(tables, &fence, &turn, &answer)).await
    }

    async fn amend(
        &self,
        fence: &Fence,
        turn: &TurnId,
        change: &Amendment,
    ) -> Result<(), HistoryError> {
        let (fence, turn, change) = (fence.clone(), turn.clone(), change.clone());
        self.write(move |tables| amend(tables, &fence, &turn, &change)).await
    }

    async fn recent(
        &self,
        session: &SessionId,
        limit: usize,
    ) -> Result<Vec<Exchange>, HistoryError> {
        let session = session.clone();
        self.read(move |transaction| {
            if load::session(&transaction.open_table(SESSIONS)?, session.key())?.is_none() {
                return Err(HistoryError::SessionNotFound.into());
            }
            let (exchanges, turns) =
                (transaction.open_table(EXCHANGES)?, transaction.open_table(TURNS)?);
            load::newest(&exchanges, &turns, &session, u64::MAX, limit, |_| true)
        })
        .await
    }

    async fn exchange(
        &self,
        session: &SessionId,
        turn: &TurnId,
    ) -> Result<Option<Exchange>, HistoryError> {
        let (session, turn) = (session.clone(), turn.clone());
        self.read(move |transaction| {
            let (exchanges, turns) =
                (transaction.open_table(EXCHANGES)?, transaction.open_table(TURNS)?);
            let Some(asked) = load::turn(&turns, &session, &turn)? else { return Ok(None) };
            load::standing(&exchanges, &turns, &session, &turn, asked.position)
        })
        .await
    }

    async fn last(&self, session: &SessionId) -> Result<Option<(Exchange, Fence)>, HistoryError> {
        let session = session.clone();
        self.read(move |transaction| {
            let row = load::session(&transaction.open_table(SESSIONS)?, session.key())?;
            let Some(SessionRow { fence: number, attempt: Some(attempt), .. }) = row else {
                return Ok(None);
            };
            let (exchanges, turns) =
                (transaction.open_table(EXCHANGES)?, transaction.open_table(TURNS)?);
            let exchange =
                load::standing(&exchanges, &turns, &session, &attempt.turn, attempt.position)?;
            Ok(exchange
                .filter(|exchange| exchange.state != ExchangeState::Running)
                .map(|exchange| (exchange, Fence { session, number })))
        })
        .await
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, HistoryError> {
        let session = session.clone();
        self.read(move |transaction| {
            let row = load::session(&transaction.open_table(SESSIONS)?, session.key())?;
            Ok(row.map(|row| row.record))
        })
        .await
    }

    async fn create(
        &self,
        session: &SessionId,
        settings: &SessionSettings,
    ) -> Result<SessionRecord, HistoryError> {
        let (session, settings) = (session.clone(), settings.clone());
        self.write(move |tables| {
            if let Some(row) = tables.session(&session)? {
                return Ok(row.record);
            }
            let mut row = new_session(tables, &session, &settings);
            tables.put_used_session(&mut row)?;
            Ok(row.record)
        })
        .await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, HistoryError> {
        let tenant = tenant.clone();
        self.read(move |transaction| {
            load::last_used(
                &transaction.open_table(LISTED)?,
                &transaction.open_table(SESSIONS)?,
                &tenant,
                skip,
                limit,
            )
        })
        .await
    }

    async fn rename(
        &self,
        session: &SessionId,
        title: &str,
    ) -> Result<SessionRecord, HistoryError> {
        let (session, title) = (session.clone(), title.to_owned());
        self.write(move |tables| {
            let mut row = tables.known_session(&session)?;
            row.record.title.clone_from(&title);
            tables.put_session(&row)?;
            Ok(row.record)
        })
        .await
    }

    async fn configure(
        &self,
        session: &SessionId,
        settings: &SessionSettings,
    ) -> Result<SessionRecord, HistoryError> {
        let (session, settings) = (session.clone(), settings.clone());
        self.write(move |tables| {
            let mut row = tables.known_session(&session)?;
            row.record.settings.clone_from(&settings);
            tables.put_used_session(&mut row)?;
            Ok(row.record)
        })
        .await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let session = session.clone();
        self.write(move |tables| clear(tables, &session)).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let session = session.clone();
        self.write(move |tables| delete(tables, &session)).await
    }

    async fn count(&self, day: i64, name: &str, addition: Addition) -> Result<Used, HistoryError> {
        let name = name.to_owned();
        self.write(move |tables| count(tables, day, &name, addition)).await
    }

    async fn health(&self) -> Result<(), HistoryError> {
        self.write(probe).await
    }
}
