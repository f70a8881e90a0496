//! Tests of the store in Redis. Those that need a Redis start one; `make quick` leaves them out.

mod needs_redis;
#[expect(dead_code, reason = "other tests do more with a server than these")]
#[path = "../../../tests/redis/server.rs"]
mod server;
