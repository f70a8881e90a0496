//! Does what the check of an answer asks for: the judge, the repair, further answers.
//!
//! What runs here belongs to its attempt and is dropped with it. Every call has the deadline of the
//! check; one that fails says so, and nothing of the answer is lost by it.

mod call;

use std::{future::pending, sync::Arc, time::Duration};

use anima_check::JudgePrompt;
use anima_provider::{Input, LaneId, Message, Output, Request, Role, Sampling};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::Lineup;
use crate::{
    registry::{Entry, health::Health},
    settings::{BreakerSettings, SameEngine},
    turn::check::{Effect, Failure, Help, Patience, Reply},
};
use call::Call;

/// Tokens of a judge's answer, and of a sentence that is mended.
const ANSWER_TOKENS: u32 = 192;

/// Those who help to check, as a whole: whoever does not answer in time again and again is left alone
/// for a while, apart from how it does with turns.
#[derive(Debug, Clone)]
pub(super) struct Gates {
    judge: Arc<Health>,
    repair: Arc<Health>,
    samples: Arc<Health>,
}

impl Default for Gates {
    fn default() -> Self {
        let gate = |name| Arc::new(Health::new(name, "check", None));
        Self {
            judge: gate("check:judge"),
            repair: gate("check:repair"),
            samples: gate("check:samples"),
        }
    }
}

/// Someone who helps.
#[derive(Clone)]
struct Helper {
    /// What it is to do, for metrics.
    role: &'static str,
    /// `None` while it is not there: its model is being loaded.
    entry: Option<Entry>,
    gate: Arc<Health>,
    /// It is the engine that answers, and serves one after the other.
    is_answering: bool,
}

/// Those who help with one answer, and what they are doing.
pub(super) struct Checking {
    judge: Option<Helper>,
    repair: Option<Helper>,
    sampler: Option<(Helper, Request)>,
    samples: usize,
    patience: Patience,
    breaker: BreakerSettings,
    lane: LaneId,
    running: FuturesUnordered<BoxFuture<'static, Reply>>,
}

impl Checking {
    /// Nobody helps, and nothing is asked.
    pub(super) fn none() -> Self {
        Self {
            judge: None,
            repair: None,
            sampler: None,
            samples: 0,
            patience: Patience::default(),
            breaker: BreakerSettings::default(),
            lane: LaneId(String::new()),
            running: FuturesUnordered::new(),
        }
    }

    /// Those who help with an answer of `answering`.
    pub(super) fn new(
        lineup: &Lineup,
        answering: &Entry,
        lane: &LaneId,
        sampler: Option<(Entry, Request)>,
    ) -> Self {
        let (settings, gates) = (lineup.check(), lineup.gates());
        let find = |role, name: &Option<String>, gate: &Arc<Health>| {
            let name = name.as_deref()?;
            let entry = lineup.registry().pick(Some(name)).ok();
            let entry = entry.and_then(|picked| picked.into_iter().next());
            let is_answering = entry.as_ref().is_some_and(|entry| is_same(entry, answering));
            let refused = is_answering && settings.same_engine == SameEngine::Refuse;
            (!refused).then(|| Helper { role, entry, gate: Arc::clone(gate), is_answering })
        };
        let sampler = sampler.map(|(entry, request)| {
            let gate = Arc::clone(&gates.samples);
            let is_answering = false;
            (Helper { role: "samples", entry: Some(entry), gate, is_answering }, request)
        });
        Self {
            judge: find("judge", &settings.judge, &gates.judge),
            repair: find("repair", &settings.repair, &gates.repair),
            sampler,
            samples: usize::try_from(settings.samples).unwrap_or(0),
            patience: Patience {
                first: Duration::from_millis(settings.hold_first_ms),
                deadline: Duration::from_millis(settings.deadline_ms),
            },
            breaker: lineup.asking().breaker,
            lane: lane.clone(),
            running: FuturesUnordered::new(),
        }
    }

    /// Who helps.
    pub(super) fn help(&self) -> Help {
        Help {
            judge: self.judge.is_some(),
            repair: self.repair.is_some(),
            samples: self.sampler.is_some(),
        }
    }

    /// How long sentences wait.
    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Begins to do what the check asks for.
    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let running = match effect {
                Effect::Judge { call, prompt, claims } => self.judge(call, prompt, claims),
                Effect::Repair { sentence, prompt } => self.repair(sentence, prompt),
                Effect::Sample => self.sample(),
            };
            self.running.push(running);
        }
    }

    /// What comes back next. Waits for ever when nothing is asked; giving up waiting loses nothing.
    pub(super) async fn next(&mut self) -> Reply {
        match self.running.next().await {
            Some(reply) => reply,
            None => pending().await,
        }
    }

    /// Stops everything that is asked.
    pub(super) fn stop(&mut self) {
        self.running.clear();
    }

    fn judge(&self, call: usize, prompt: JudgePrompt, claims: usize) -> BoxFuture<'static, Reply> {
        let claims = u32::try_from(claims).unwrap_or(u32::MAX);
        let tokens = ANSWER_TOKENS.saturating_mul(claims.saturating_add(1));
        let asked = self.judge.clone().map(|helper| self.call(helper, prompt, tokens));
        async move { Reply::Judge { call, answer: answer(asked).await } }.boxed()
    }

    fn repair(&self, sentence: usize, prompt: JudgePrompt) -> BoxFuture<'static, Reply> {
        let tokens = 2 * ANSWER_TOKENS;
        let asked = self.repair.clone().map(|helper| self.call(helper, prompt, tokens));
        async move { Reply::Repair { sentence, answer: answer(asked).await } }.boxed()
    }

    fn sample(&self) -> BoxFuture<'static, Reply> {
        let calls: Vec<_> = self
            .sampler
            .iter()
            .flat_map(|(helper, request)| {
                std::iter::repeat_with(|| self.asking(helper.clone(), request.clone()))
                    .take(self.samples)
            })
            .collect();
        async move {
            let answers = futures::future::join_all(calls.into_iter().map(Call::answer)).await;
            let failure = answers.iter().find_map(|answer| answer.as_ref().err().copied());
            let texts: Vec<String> = answers.into_iter().filter_map(Result::ok).collect();
            Reply::Sample(match (texts.is_empty(), failure) {
                (true, Some(failure)) => Err(failure),
                _ => Ok(texts),
            })
        }
        .boxed()
    }

    fn call(&self, helper: Helper, prompt: JudgePrompt, tokens: u32) -> Call {
        let input = Input::Chat {
            system: Some(prompt.system),
            messages: vec![Message::new(Role::User, prompt.user)],
        };
        let sampling = Sampling {
            temperature: Some(0.0),
            max_tokens: Some(tokens.min(4096)),
            ..Sampling::default()
        };
        let mut request = Request::new(input, sampling, self.lane.clone());
        let binds = |entry: &Entry| entry.provider.capabilities().outputs.json_object;
        if helper.entry.as_ref().is_some_and(binds) {
            request.output = Output::JsonObject;
        }
        self.asking(helper, request)
    }

    fn asking(&self, helper: Helper, request: Request) -> Call {
        let (deadline, breaker) = (self.patience.deadline, self.breaker);
        Call { helper, request, deadline, breaker }
    }
}

async fn answer(call: Option<Call>) -> Result<String, Failure> {
    match call {
        Some(call) => call.answer().await,
        None => Err(Failure::Unavailable),
    }
}

/// Whether somebody who helps is the local engine that answers.
fn is_same(helper: &Entry, answering: &Entry) -> bool {
    helper.health.is_local() && helper.provider.name() == answering.provider.name()
}
