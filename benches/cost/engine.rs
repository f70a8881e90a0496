//! The engine inside of the service against the engine alone: the same model, the same question,
//! the same tokens, greedily, the three arms by turns in one process.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anima::{
    access::Claim,
    history::SessionSettings,
    registry::Registry,
    settings::AskSettings,
    turn::{
        Choice, Context as TurnContext, Task, Turn, TurnEvent, TurnId, UserText,
        pipeline::{Conversation, Job, Lineup},
        prompt::Prompts,
    },
};
use anima_local::{
    LocalProvider, LocalSettings, Quantization,
    mistralrs::{
        IsqType, Model, ModelDType, RequestBuilder, Response, SamplingParams, TextMessageRole,
        TextModelBuilder, TokenSource,
    },
};
use anima_provider::{
    Input, LaneId, Message, Provider, ProviderEvent, Request, Role, Sampling, Usage,
};
use anyhow::{Context, anyhow, bail, ensure};
use futures::StreamExt;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    Plan,
    report::{Row, Samples},
};

/// Most tokens of an answer; the persona says the same.
const MAX_TOKENS: usize = 96;
/// Questions of a round.
const QUESTIONS: usize = 8;
/// Rounds, after one that warms up.
const ROUNDS: usize = 21;
/// What is measured, each with its own copy of the model.
const ARMS: [&str; 3] = ["the engine alone", "the provider", "a whole turn"];

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, quantization) in [("F32", None), ("Q8_0", Some(Quantization::Q8_0))] {
        // As many threads as the service has.
        let runtime = Runtime::new()?;
        let rates = runtime.block_on(compare(plan, quantization))?;
        let [alone, provider, turn] = rates.map(|samples| samples.median());
        let rounds = plan.times(ROUNDS, 2);
        let how = format!("median of {rounds} rounds of {QUESTIONS} questions, by turns, greedy");
        rows.push(Row::new(
            format!("engine in the service over engine alone, {name}"),
            format!("{:.3}", turn / alone),
            "≥ 0.95",
            format!("tokens/s of a whole turn over bare mistralrs; {how}"),
        ));
        rows.push(Row::new(
            format!("tokens/s, {name}"),
            format!("alone {alone:.0}, provider {provider:.0}, turn {turn:.0}"),
            "",
            "from the question to the last token, prefill included",
        ));
    }
    Ok(rows)
}

/// An answer and what it took.
struct Answered {
    text: String,
    tokens: u32,
    took: Duration,
}

/// The arms, ready to be asked.
struct Arms {
    alone: Model,
    provider: LocalProvider,
    conversation: Arc<Conversation>,
}

/// Tokens per second of each arm, one value for each round.
async fn compare(
    plan: &Plan,
    quantization: Option<Quantization>,
) -> anyhow::Result<[Samples; ARMS.len()]> {
    let arms = Arms::build(quantization).await?;
    let questions = questions()?;
    let mut rates: [Samples; ARMS.len()] = Default::default();
    // The first round warms up.
    for round in 0..=plan.times(ROUNDS, 2) {
        let (mut tokens, mut took) = ([0; ARMS.len()], [Duration::ZERO; ARMS.len()]);
        for (number, question) in questions.iter().enumerate() {
            let mut answers = BTreeMap::new();
            for step in 0..ARMS.len() {
                // Another one begins each time.
                let arm = (round + number + step) % ARMS.len();
                let answered = arms.ask(arm, question).await.context(ARMS[arm])?;
                tokens[arm] += answered.tokens;
                took[arm] += answered.took;
                answers.insert(answered.text, ARMS[arm]);
            }
            ensure!(answers.len() == 1, "the arms answered differently: {answers:?}");
        }
        if round > 0 {
            for arm in 0..ARMS.len() {
                rates[arm].push(f64::from(tokens[arm]) / took[arm].as_secs_f64());
            }
            ensure!(
                tokens.iter().all(|count| *count == tokens[0]),
                "token counts differ: {tokens:?}"
            );
        }
    }
    Ok(rates)
}

impl Arms {
    async fn build(quantization: Option<Quantization>) -> anyhow::Result<Self> {
        let settings = || {
            let mut settings = LocalSettings::new(model());
            settings.isq = quantization;
            settings
        };
        let provider = LocalProvider::load("provider", settings()).await?;
        let inside: Arc<dyn Provider> = Arc::new(LocalProvider::load("demo", settings()).await?);
        let registry = Registry::of([inside], Duration::from_mins(1));
        let prompts = Prompts::load(&root().join("prompts"))?;
        let asking = AskSettings::default();
        let lineup = Lineup::new(registry, Arc::new(prompts), "lingxi", asking)?;
        let conversation = Arc::new(Conversation::new(lineup));
        // The engine wants to be built outside of a runtime, as the provider does it.
        let built = thread::spawn(move || Runtime::new()?.block_on(alone(quantization)));
        let alone = built.join().map_err(|_| anyhow!("building the engine panicked"))??;
        Ok(Self { alone, provider, conversation })
    }

    async fn ask(&self, arm: usize, question: &str) -> anyhow::Result<Answered> {
        match arm {
            0 => self.ask_alone(question).await,
            1 => self.ask_provider(question).await,
            _ => self.ask_turn(question).await,
        }
    }

    /// As the engine's own documentation asks it.
    async fn ask_alone(&self, question: &str) -> anyhow::Result<Answered> {
        let sampling =
            SamplingParams { max_len: Some(MAX_TOKENS), ..SamplingParams::deterministic() };
        let began = Instant::now();
        let request = RequestBuilder::new()
            .add_message(TextMessageRole::User, question)
            .set_sampling(sampling);
        let mut stream = self.alone.stream_chat_request(request).await?;
        let (mut text, mut usage) = (String::new(), None);
        while let Some(response) = stream.next().await {
            let Response::Chunk(chunk) = response else { bail!("no chunk came") };
            let pieces = chunk.choices.iter().filter_map(|choice| choice.delta.content.as_deref());
            text.extend(pieces);
            usage = chunk.usage.or(usage);
        }
        let took = began.elapsed();
        let tokens = usage.context("no usage")?.completion_tokens;
        Ok(Answered { text: shown(&text), tokens: u32::try_from(tokens)?, took })
    }

    async fn ask_provider(&self, question: &str) -> anyhow::Result<Answered> {
        let began = Instant::now();
        let messages = vec![Message::new(Role::User, question)];
        let sampling = Sampling {
            temperature: Some(0.0),
            max_tokens: u32::try_from(MAX_TOKENS).ok(),
            ..Sampling::default()
        };
        let input = Input::Chat { system: None, messages };
        let request = Request::new(input, sampling, LaneId("bench".to_owned()));
        let mut events = self.provider.generate(request).await?;
        let (mut text, mut tokens) = (String::new(), None);
        while let Some(event) = events.next().await {
            match event? {
                ProviderEvent::Text(piece) => text.push_str(&piece),
                ProviderEvent::Done { usage, .. } => tokens = usage.map(completed),
                _ => {}
            }
        }
        Ok(Answered {
            text: shown(&text),
            tokens: tokens.context("no usage")?,
            took: began.elapsed(),
        })
    }

    async fn ask_turn(&self, question: &str) -> anyhow::Result<Answered> {
        let began = Instant::now();
        let said = UserText::parse(question)?;
        let turn = Turn {
            id: TurnId::generate(),
            task: Task::Answer { said, images: Vec::new() },
            context: TurnContext::default(),
            choice: Choice::default(),
        };
        let job = Job {
            turn,
            earlier: Vec::new(),
            settings: SessionSettings::default(),
            lane: LaneId("bench".to_owned()),
        };
        let mut stream =
            self.conversation.run(job, self.conversation.admit(&Claim::of_the_house())?);
        while let Some(events) = stream.next().await {
            match events.into_iter().last() {
                Some(TurnEvent::Finished(outcome)) => {
                    let tokens = outcome.usage.map(completed).context("no usage")?;
                    return Ok(Answered { text: outcome.text, tokens, took: began.elapsed() });
                }
                Some(TurnEvent::Failed(error)) => return Err(error.into()),
                _ => {}
            }
        }
        bail!("the turn had no end")
    }
}

fn completed(usage: Usage) -> u32 {
    usage.completion_tokens
}

/// The model's text without the tag that a turn takes out.
fn shown(text: &str) -> String {
    let tagless = text.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    tagless.map_or(text, |(_, rest)| rest).trim_start().to_owned()
}

/// The engine with the settings that the provider gives it.
async fn alone(quantization: Option<Quantization>) -> anyhow::Result<Model> {
    let mut builder = TextModelBuilder::new(model().display())
        .with_dtype(ModelDType::F32)
        .with_token_source(TokenSource::None)
        .with_prefix_cache_n(None)
        .with_max_num_seqs(1)
        .with_force_cpu();
    if quantization == Some(Quantization::Q8_0) {
        builder = builder.with_isq(IsqType::Q8_0);
    }
    Ok(Box::pin(builder.build()).await?)
}

/// Questions of the corpus whose answers are the longest.
fn questions() -> anyhow::Result<Vec<String>> {
    let corpus = fs::read_to_string(model().join("corpus/d_seed.jsonl"))?;
    let mut records = Vec::new();
    for line in corpus.lines() {
        let record: Value = serde_json::from_str(line)?;
        let question = record["q"][0].as_str().context("no question")?.to_owned();
        records.push((record["a"].as_str().map_or(0, str::len), question));
    }
    records.sort_unstable();
    Ok(records.into_iter().rev().take(QUESTIONS).map(|(_, question)| question).collect())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model() -> PathBuf {
    root().join("models/demo")
}
