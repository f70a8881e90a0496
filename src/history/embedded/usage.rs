//! What was used in a day.

use super::fault::Failure;
use super::tables::Tables;
use crate::history::{Addition, Used};

/// Does [`crate::history::HistoryStore::count`].
pub(super) fn count(
    tables: &mut Tables<'_>,
    day: i64,
    name: &str,
    addition: Addition,
) -> Result<Used, Failure> {
    let before = tables.usage(day, name)?;
    let Addition { by, number, used } = addition;
    let is_known = tables.last_added(day, name, by)?.is_some_and(|last| last >= number);
    if used == Used::default() || is_known {
        return Ok(before);
    }
    let sum = before.plus(used);
    tables.put_usage(day, name, sum)?;
    tables.put_added(day, name, by, number)?;
    Ok(sum)
}
