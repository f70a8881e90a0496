//! The functions that run in Redis, and calls of them.

use std::sync::LazyLock;

use redis::{Script, ScriptInvocation, ToRedisArgs};

use super::keys::Keys;
use crate::turn::SessionId;

/// Names the functions of sessions; each begins with what all of them share.
macro_rules! functions {
    ($($name:ident $file:literal)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                include_str!("lua/session.lua"),
                include_str!(concat!("lua/", $file)),
            ))
        });)*
    };
}

functions! {
    AMEND "amend.lua"
    BEGIN "begin.lua"
    CLEAR "clear.lua"
    CONFIGURE "configure.lua"
    CREATE "create.lua"
    DELETE "delete.lua"
    EXCHANGE "exchange.lua"
    FINISH "finish.lua"
    RECENT "recent.lua"
    RENAME "rename.lua"
    RENEW "renew.lua"
}

/// The one function that reads the index.
pub(super) static LIST: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/list.lua")));

/// The one function that counts what was used.
pub(super) static COUNT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/count.lua")));

/// A call of a function on a session, with named arguments.
pub(super) struct Call(ScriptInvocation<'static>);

impl Call {
    pub(super) fn new(script: &'static Script, keys: &Keys, session: &SessionId) -> Self {
        let mut invocation = script.prepare_invoke();
        for key in keys.session(session) {
            invocation.key(key);
        }
        Self(invocation)
    }

    /// Adds an argument.
    pub(super) fn with(mut self, name: &str, value: impl ToRedisArgs) -> Self {
        self.0.arg(name).arg(value);
        self
    }

    /// Adds an argument that is 1 or 0.
    pub(super) fn flag(self, name: &str, value: bool) -> Self {
        self.with(name, u8::from(value))
    }
}

impl From<Call> for ScriptInvocation<'static> {
    fn from(call: Call) -> Self {
        call.0
    }
}
