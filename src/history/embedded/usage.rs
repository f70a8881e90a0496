//! What was used in a day.

use super::fault::Failure;
use super::tables::Tables;
use crate::history::Used;

/// Does [`crate::history::HistoryStore::count`].
pub(super) fn count(
    tables: &mut Tables<'_>,
    day: i64,
    name: &str,
    used: Used,
) -> Result<Used, Failure> {
    let before = tables.usage(day, name)?;
    if used == Used::default() {
        return Ok(before);
    }
    let sum = Used {
        turns: before.turns.saturating_add(used.turns),
        tokens: before.tokens.saturating_add(used.tokens),
    };
    tables.put_usage(day, name, sum)?;
    Ok(sum)
}
