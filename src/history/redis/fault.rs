//! What can go wrong with Redis, said without a word of addresses and passwords.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use thiserror::Error;

use crate::history::HistoryError;

/// How the scripts say that a row makes no sense.
const DAMAGED: &str = "DAMAGED ";

/// Codes of answers that concern one command; the next one may be fine.
const OF_THE_COMMAND: [&str; 7] =
    ["WRONGTYPE", "OOM", "MISCONF", "NOREPLICAS", "NOSCRIPT", "CROSSSLOT", "MOVED"];

/// Why Redis did not do its part. Nothing in it may hold a password: an answer of Redis to a command
/// that it does not know repeats the command, so only the answer's code is passed on.
#[derive(Debug, Error)]
pub(super) enum Fault {
    /// No answer came in time.
    #[error("redis did not answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// The connection broke, or nothing came: the operation may have been done all the same.
    #[error("{0}")]
    Unacknowledged(Box<Fault>),
    /// There is no connection.
    #[error("redis cannot be reached: {0}")]
    Unreachable(String),
    /// Redis does not let us in.
    #[error(
        "redis refuses us ({0}); check the user and the password in history.redis.url or \
         history.redis.password_env"
    )]
    Unauthorized(String),
    /// It was not there a moment ago and has not answered since.
    #[error("redis is not available; at last: {0}")]
    Down(String),
    /// Redis refused.
    #[error("redis refused with {code}{hint}")]
    Refused {
        /// The code of the answer.
        code: String,
        /// What is to be done.
        hint: &'static str,
    },
    /// What is stored makes no sense.
    #[error("the history in redis is damaged: {0}; delete the session, or repair it by hand")]
    Damaged(String),
    /// Something else on our side.
    #[error("redis cannot be used: {0}")]
    Unusable(String),
    /// The service ends.
    #[error("the history is closed")]
    Closed,
}

impl Fault {
    /// A reply that is not what the scripts give.
    pub(super) fn reply(what: &str) -> Self {
        Self::Damaged(format!("a reply without {what}"))
    }
}

impl From<Fault> for HistoryError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unacknowledged(fault) => Self::Unacknowledged(fault),
            fault => Self::Unavailable(Box::new(fault)),
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        match error.kind() {
            ErrorKind::Io => Self::Unreachable(error.to_string()),
            ErrorKind::AuthenticationFailed => Self::Unauthorized(error.category().to_owned()),
            _ if matches!(code, "NOAUTH" | "WRONGPASS" | "NOPERM") => {
                Self::Unauthorized(code.to_owned())
            }
            _ if code == "WRONGTYPE" => Self::Damaged("a key is of another type".to_owned()),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                match error.detail().and_then(|detail| detail.split_once(DAMAGED)) {
                    // What follows is Redis' own note of the script.
                    Some((_, what)) => {
                        let what = what.split_once(" script:").map_or(what, |(what, _)| what);
                        Self::Damaged(what.trim_end_matches('.').to_owned())
                    }
                    None => Self::Refused { code: code.to_owned(), hint: hint(code) },
                }
            }
            _ => Self::Unusable(error.category().to_owned()),
        }
    }
}

/// What an operator can do about an answer.
fn hint(code: &str) -> &'static str {
    match code {
        "READONLY" => ": it is a replica; history.redis.url has to name the master",
        "OOM" => ": its memory is full; raise maxmemory, or lower history.ttl_days",
        "MISCONF" => ": it cannot write its snapshot to disk",
        "NOREPLICAS" => ": fewer replicas than min-replicas-to-write follow it",
        "LOADING" => ": it is reading its data",
        "BUSY" => ": a script runs for too long",
        "CROSSSLOT" | "MOVED" | "CLUSTERDOWN" => ": Redis Cluster is not supported",
        _ => "",
    }
}

/// Whether the connection, or who is at its other end, has to be looked at before anything else is
/// sent. Redis also refuses while a connection is made (too many clients, no rights, still loading),
/// and such a connection never gets better by itself.
pub(super) fn is_lost(error: &RedisError) -> bool {
    match (error.kind(), error.code()) {
        (ErrorKind::UnexpectedReturnType, _) => false,
        (_, Some("ERR")) => !error.detail().is_some_and(|detail| detail.contains("script")),
        (_, Some(code)) => !OF_THE_COMMAND.contains(&code),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str, detail: &str) -> String {
        let detail = Some(detail.to_owned());
        Fault::from(redis::make_extension_error(code.to_owned(), detail)).to_string()
    }

    #[test]
    fn an_answer_that_repeats_a_command_is_not_passed_on() {
        let echoed = "unknown command `AUTH`, with args beginning with: `secret`";
        assert_eq!(answered("ERR", echoed), "redis refused with ERR");
    }

    #[test]
    fn an_answer_says_what_is_to_be_done() {
        assert!(answered("OOM", "command not allowed").contains("raise maxmemory"));
        assert!(answered("WRONGPASS", "invalid").contains("history.redis.password_env"));
    }

    #[test]
    fn what_a_script_found_damaged_is_told() {
        let detail = "DAMAGED exchange 3 script: 0123, on @user_script:9.";
        assert!(answered("ERR", detail).contains("is damaged: exchange 3;"));
    }
}
