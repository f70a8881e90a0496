//! The list of arms, and who of them is here.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{Arm, anima, hop, python};
use crate::{
    client::Speech,
    machine::Pinning,
    mock::Mock,
    redis::{Redis, Sync},
};

/// What is measured side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Name {
    /// The mock itself.
    Direct,
    /// A hop that looks at nothing.
    Hop,
    /// Anima's chat completions: text passed through.
    Anima,
    /// `LiteLLM`'s proxy.
    Litellm,
    /// `FastAPI` that hands bytes on with httpx.
    Httpx,
    /// `FastAPI` that hands bytes on with aiohttp.
    Aiohttp,
    /// A server like Linly-Talker's, with its blocking call moved off the loop, and streaming.
    Linly,
    /// A whole turn of Anima: WebSocket, Redis, prompt, sentences.
    Turn,
    /// The same where Redis writes to the disk before it acknowledges.
    TurnDurable,
    /// The same turn by `FastAPI`, aiohttp and redis.asyncio.
    TurnFastapi,
}

impl Name {
    /// Whether it is the program that this benchmark is for.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Anima | Self::Turn | Self::TurnDurable)
    }

    /// Whether it answers turns of the native WebSocket.
    pub(crate) fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::TurnDurable | Self::TurnFastapi)
    }

    fn sync(self) -> Sync {
        if self == Self::TurnDurable { Sync::Always } else { Sync::EverySecond }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Direct => "direct",
            Self::Hop => "a hop that looks at nothing",
            Self::Anima => "Anima, pass-through",
            Self::Litellm => "LiteLLM proxy",
            Self::Httpx => "FastAPI + httpx",
            Self::Aiohttp => "FastAPI + aiohttp",
            Self::Linly => "Linly-style, repaired",
            Self::Turn => "Anima, full turn",
            Self::TurnDurable => "Anima, full turn, fsync",
            Self::TurnFastapi => "FastAPI, full turn",
        })
    }
}

/// What arms are started with.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) anima: PathBuf,
    /// The repository, for Anima's configuration.
    pub(crate) root: PathBuf,
    pub(crate) python: PathBuf,
    /// Where configurations, stores and logs are.
    pub(crate) home: PathBuf,
    pub(crate) pinning: Pinning,
    pub(crate) upstream: String,
}

/// The arms that are here.
#[derive(Debug)]
pub(crate) struct Roll {
    pub(crate) arms: Vec<Arm>,
    /// Who is not here, and why.
    pub(crate) absent: Vec<String>,
    redis: Vec<Redis>,
}

impl Roll {
    /// Starts everybody who is here, one after the other, and waits until each has answered.
    ///
    /// # Errors
    /// When Anima or somebody whose parts are all here does not answer.
    pub(crate) async fn call(
        ground: &Ground,
        mock: &Mock,
        without: &[Name],
    ) -> anyhow::Result<Self> {
        let mut roll = Self { arms: Vec::new(), absent: Vec::new(), redis: Vec::new() };
        for name in Name::value_variants().iter().copied().filter(|name| !without.contains(name)) {
            match roll.start(name, ground, mock)? {
                Ok(mut arm) => {
                    eprintln!("starting: {name} …");
                    arm.await_answer(mock).await?;
                    roll.arms.push(arm);
                }
                Err(reason) => roll.absent.push(format!("{name}: {reason}")),
            }
        }
        Ok(roll)
    }

    /// The arm of this name, where it is here.
    pub(crate) fn find(&self, name: Name) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.name == name)
    }

    fn start(
        &mut self,
        name: Name,
        ground: &Ground,
        mock: &Mock,
    ) -> anyhow::Result<Result<Arm, String>> {
        if name == Name::Direct {
            return Ok(Ok(Arm {
                name,
                speech: Speech::Completions,
                address: mock.address,
                made_of: "the mock of this program".to_owned(),
                group: None,
                log: PathBuf::new(),
            }));
        }
        if name == Name::Hop {
            return hop::start(ground, mock.address).map(Ok);
        }
        let mut redis = None;
        if name.is_turn() {
            if Redis::version().is_none() {
                return Ok(Err("redis-server is missing: apt-get install redis-server".to_owned()));
            }
            redis = Some(self.redis(&ground.home, name.sync())?);
        }
        if name.is_ours() {
            return anima::start(name, ground, redis.as_deref()).map(Ok);
        }
        match python::missing(name, ground) {
            Some(missing) => Ok(Err(missing)),
            None => python::start(name, ground, redis.as_deref()).map(Ok),
        }
    }

    /// The address of the Redis that writes like this, started where it does not run yet.
    fn redis(&mut self, home: &Path, sync: Sync) -> anyhow::Result<String> {
        if let Some(redis) = self.redis.iter().find(|redis| redis.sync == sync) {
            return Ok(redis.url());
        }
        let redis = Redis::start(home, sync)?;
        let url = redis.url();
        self.redis.push(redis);
        Ok(url)
    }
}
