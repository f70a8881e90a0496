//! Tests of the store in Redis. Those that need a Redis start one; `make quick` leaves them out.

mod needs_redis;
#[path = "../../../tests/redis/server.rs"]
mod server;
