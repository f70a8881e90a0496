//! The work of the pipeline for each token, inside of this process and without a wire: the stages
//! alone, a whole turn, and a turn of a session with its two commits.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anima::{
    access::Claim,
    history::{
        Replaces, SessionSettings,
        embedded::{EmbeddedOptions, EmbeddedStore},
    },
    registry::Registry,
    session::{Directory, Read, Session, Submission},
    settings::{AskSettings, SessionLimits, WhenUnavailable},
    turn::{
        Choice, Context, SessionId, Task, Turn, TurnId, UserText,
        pipeline::{Conversation, Job, Lineup},
        prompt::Prompts,
        stages::Stages,
    },
};
use anima_provider::{LaneId, Line, Playbook, PlaybookProvider, Provider};
use anyhow::ensure;
use tokio::runtime;

use crate::{
    Plan, processor,
    report::{Row, Samples, microseconds, number},
    service::in_memory,
    texts::{ANSWERS, Answer},
};

/// What each token may cost.
const BAR: &str = "< 20 µs";

/// Who answers: a persona that is not cut short.
const PERSONA: &str = "companion";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for answer in &ANSWERS {
        let tokens = answer.pieces().len();
        let name = |what: &str| format!("{what}, each token, {}", answer.language);
        let stages = stages(plan, answer)?;
        let how = format!("a text of {tokens} tokens, one thread");
        rows.push(stages.row(name("stages alone"), &how));
        // One thread does everything, so that no time is lost to waking others.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let turn = runtime.block_on(turns(plan, answer))?;
        rows.push(turn.row(name("a turn"), "prompt, scripted provider, stages, events"));
        let session = runtime.block_on(sessions(plan, answer))?;
        let how = "the same through session, log and store (in memory)";
        rows.push(session.row(name("a turn of a session"), how));
    }
    Ok(rows)
}

/// What each token took, in microseconds, one value for each run.
#[derive(Default)]
struct Cost {
    processor: Samples,
    wall: Samples,
}

impl Cost {
    /// Takes note of a run that began at a [`Mark`].
    fn add(&mut self, mark: &Mark, tokens: usize) -> anyhow::Result<()> {
        let wall = mark.at.elapsed();
        let processor = processor::used()?.saturating_sub(mark.used);
        let share = |duration: Duration| microseconds(duration) / number(tokens);
        self.processor.push(share(processor));
        self.wall.push(share(wall));
        Ok(())
    }

    fn row(&self, what: String, how: &str) -> Row {
        let figure =
            format!("{:.2} µs CPU, {:.2} µs wall", self.processor.median(), self.wall.median());
        Row::new(what, figure, BAR, format!("{how}; median of {} runs", self.wall.len()))
    }
}

/// The beginning of a run.
struct Mark {
    at: Instant,
    used: Duration,
}

impl Mark {
    fn now() -> anyhow::Result<Self> {
        Ok(Self { used: processor::used()?, at: Instant::now() })
    }
}

/// The stages, fed piece by piece.
fn stages(plan: &Plan, answer: &Answer) -> anyhow::Result<Cost> {
    let (pieces, turns) = (answer.pieces(), plan.times(300, 20));
    let mut cost = Cost::default();
    for _ in 0..plan.times(15, 3) {
        let mark = Mark::now()?;
        for _ in 0..turns {
            let mut stages = Stages::new(None, &[]);
            for piece in &pieces {
                black_box(stages.push(piece));
            }
            black_box(stages.finish());
        }
        cost.add(&mark, turns * pieces.len())?;
    }
    Ok(cost)
}

/// Whole turns of no session.
async fn turns(plan: &Plan, answer: &Answer) -> anyhow::Result<Cost> {
    let (conversation, turns) = (conversation(answer)?, plan.times(100, 10));
    let mut cost = Cost::default();
    for _ in 0..plan.times(15, 3) {
        let mark = Mark::now()?;
        for _ in 0..turns {
            let job = Job {
                turn: turn(answer)?,
                earlier: Vec::new(),
                settings: SessionSettings::default(),
                lane: LaneId("bench".to_owned()),
            };
            let mut stream = conversation.run(job, conversation.admit(&Claim::of_the_house())?);
            let mut last = Vec::new();
            while let Some(events) = stream.next().await {
                last = events;
            }
            ensure!(last.iter().any(anima::turn::TurnEvent::is_terminal), "a turn had no end");
        }
        cost.add(&mark, turns * answer.pieces().len())?;
    }
    Ok(cost)
}

/// Turns of one session, followed in its log.
async fn sessions(plan: &Plan, answer: &Answer) -> anyhow::Result<Cost> {
    let folder = in_memory()?;
    let store = EmbeddedStore::open(&folder.path().join("history"), EmbeddedOptions::default())?;
    let limits = SessionLimits { log_bytes: 1 << 20, log_seconds: 120, idle_seconds: 300 };
    let directory =
        Directory::new(Arc::new(store), conversation(answer)?, limits, WhenUnavailable::default());
    let session = directory.open(&SessionId::generate());
    let turns = plan.times(40, 3);
    let mut cost = Cost::default();
    for _ in 0..plan.times(15, 3) {
        let mark = Mark::now()?;
        for _ in 0..turns {
            ask(&session, answer).await?;
        }
        cost.add(&mark, turns * answer.pieces().len())?;
    }
    drop(session);
    directory.drain(Duration::ZERO).await;
    Ok(cost)
}

/// Hands a turn to the session and reads its events to the last one.
async fn ask(session: &Session, answer: &Answer) -> anyhow::Result<()> {
    let mut head = session.log().watch();
    let submission = Submission {
        turn: turn(answer)?,
        replaces: Replaces::Nothing,
        heard: None,
        claim: Ok(Claim::of_the_house()),
    };
    let mut next = session.submit(submission).await?.from;
    loop {
        head.mark_unchanged();
        let Read::Entries(entries) = session.log().read(next, 64) else {
            anyhow::bail!("the log forgot the turn");
        };
        if entries.iter().any(|entry| entry.event.is_terminal()) {
            return Ok(());
        }
        match entries.last() {
            Some(last) => next = last.seq + 1,
            None => head.changed().await?,
        }
    }
}

fn conversation(answer: &Answer) -> anyhow::Result<Arc<Conversation>> {
    let line = Line { says: answer.long(), characters: answer.characters, ..Line::default() };
    let playbook = Playbook { answers: vec![line] };
    let provider: Arc<dyn Provider> = Arc::new(PlaybookProvider::new("scripted", playbook));
    let registry = Registry::of([provider], Duration::from_mins(1));
    let prompts = Prompts::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts"))?;
    let lineup = Lineup::new(registry, Arc::new(prompts), PERSONA, AskSettings::default())?;
    Ok(Arc::new(Conversation::new(lineup)))
}

fn turn(answer: &Answer) -> anyhow::Result<Turn> {
    let said = UserText::parse(answer.question)?;
    Ok(Turn {
        id: TurnId::generate(),
        task: Task::Answer { said, images: Vec::new() },
        context: Context::default(),
        choice: Choice::default(),
    })
}
