//! The vectors of passages, made batch by batch on a thread that has nothing else to do.

use std::{error::Error, time::Duration};

use anima_knowledge::Embedder;
use anima_provider::ProviderError;
use tokio::time::{sleep, timeout};

use super::Embedding;

/// Texts that a server is given at a time.
const BATCH: usize = 64;

/// Texts that an engine on this machine is given at a time: a question waits behind no more than these.
const LOCAL_BATCH: usize = 8;

/// How long the vectors of a batch may take.
const DEADLINE: Duration = Duration::from_mins(2);

/// How often a batch is tried.
const ATTEMPTS: u32 = 5;

/// The first pause before it is tried again, which doubles from one to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest one, also where a server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// After so many texts in a row that are not taken it is not the texts that are wrong.
const MOST_REFUSED: usize = 16;

/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Makes the vectors of passages until it is to stop.
pub(in crate::knowledge) struct Passages<'a> {
    embedding: &'a Embedding,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
    /// Texts in a row that were not taken.
    refused: usize,
    pause: Duration,
}

impl<'a> Passages<'a> {
    pub(in crate::knowledge) fn new(
        embedding: &'a Embedding,
        is_stopped: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { embedding, is_stopped, refused: 0, pause: PAUSE }
    }

    /// The vectors of a batch; where it is not taken as a whole, those of the texts that are.
    async fn batch_of(
        &mut self,
        texts: Vec<String>,
    ) -> Result<Vec<Option<Vec<f32>>>, ProviderError> {
        match self.asked(&texts).await {
            Ok(vectors) => {
                self.refused = 0;
                return Ok(vectors.into_iter().map(Some).collect());
            }
            Err(error) if is_of_text(&error) => {}
            Err(error) => return Err(error),
        }
        let mut made = Vec::with_capacity(texts.len());
        for text in texts {
            match self.asked(&[text]).await {
                Ok(mut vectors) => {
                    self.refused = 0;
                    made.push(vectors.pop());
                }
                Err(error) if is_of_text(&error) && self.refused < MOST_REFUSED => {
                    self.refused += 1;
                    made.push(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Asks until it is answered, with pauses, a few times.
    async fn asked(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut pause = self.pause;
        for attempt in 1.. {
            let made = tokio::select! {
                made = timeout(DEADLINE, self.embedding.made(texts.to_vec())) => made,
                () = self.stopped() => return Err(stopped()),
            };
            let error = match made {
                Ok(Ok(vectors)) if vectors.len() == texts.len() => return Ok(vectors),
                Ok(Ok(_)) => ProviderError::Protocol("it made too few vectors".into()),
                Ok(Err(error)) => error,
                Err(_) => ProviderError::Timeout(DEADLINE),
            };
            let Some(asked) = may_pass(&error).filter(|_| attempt < ATTEMPTS) else {
                return Err(error);
            };
            tokio::select! {
                () = sleep(pause.max(asked).min(LONGEST_PAUSE)) => {}
                () = self.stopped() => return Err(stopped()),
            }
            pause *= 2;
        }
        Err(stopped())
    }

    /// Ends when it is to stop.
    async fn stopped(&self) {
        while !(self.is_stopped)() {
            sleep(LOOK).await;
        }
    }
}

impl Embedder for Passages<'_> {
    fn batch(&self) -> usize {
        if self.embedding.entry.health.is_local() { LOCAL_BATCH } else { BATCH }
    }

    fn embed(
        &mut self,
        texts: Vec<String>,
    ) -> Result<Vec<Option<Vec<f32>>>, Box<dyn Error + Send + Sync>> {
        let runtime = self.embedding.runtime.clone();
        Ok(runtime.block_on(self.batch_of(texts))?)
    }
}

/// Whether it is the text that is wrong.
fn is_of_text(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::InvalidRequest { .. }
            | ProviderError::ContextOverflow { .. }
            | ProviderError::Refused(_)
    )
}

/// How long the provider asks to be left alone, where a failure may be over after a while.
fn may_pass(error: &ProviderError) -> Option<Duration> {
    match error {
        ProviderError::RateLimited { retry_after } => Some(retry_after.unwrap_or_default()),
        ProviderError::Timeout(_) | ProviderError::Unavailable(_) | ProviderError::Protocol(_) => {
            Some(Duration::ZERO)
        }
        _ => None,
    }
}

fn stopped() -> ProviderError {
    ProviderError::Unavailable("it was stopped".into())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        },
        time::Instant,
    };

    use anima_provider::{Capabilities, Embeddings, EventStream, Provider, Request};
    use async_trait::async_trait;

    use super::{
        super::{Gate, Wish},
        *,
    };
    use crate::{registry::Registry, settings::BreakerSettings};

    /// A model whose answers a test has written.
    struct Scripted {
        capabilities: Capabilities,
        /// What is said to further calls; after these every text gets its length.
        script: Mutex<Vec<ProviderError>>,
        calls: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Provider for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn capabilities(&self) -> &Capabilities {
            &self.capabilities
        }

        fn count_tokens(&self, _: &Request) -> Option<usize> {
            None
        }

        async fn generate(&self, _: Request) -> Result<EventStream, ProviderError> {
            Err(stopped())
        }

        fn embedder(&self) -> Option<&dyn anima_provider::Embedder> {
            Some(self)
        }
    }

    #[async_trait]
    impl anima_provider::Embedder for Scripted {
        async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, ProviderError> {
            self.calls.lock().unwrap().push(texts.len());
            if let Some(error) = self.script.lock().unwrap().pop() {
                return Err(error);
            }
            if texts.iter().any(|text| text.contains("wrong")) {
                return Err(ProviderError::InvalidRequest { message: "wrong".to_owned() });
            }
            let vectors = texts.iter().map(|text| vec![f32::from(text.as_bytes()[0])]).collect();
            Ok(Embeddings { vectors, prompt_tokens: 0 })
        }
    }

    fn model(script: impl IntoIterator<Item = ProviderError>) -> Arc<Scripted> {
        let script = script.into_iter().collect();
        let (capabilities, calls) = (Capabilities::default(), Mutex::default());
        Arc::new(Scripted { capabilities, script: Mutex::new(script), calls })
    }

    fn embedding(model: &Arc<Scripted>) -> Embedding {
        let provider: Arc<dyn Provider> = Arc::clone(model) as _;
        let registry = Registry::of([provider], Duration::from_secs(1));
        let entry = registry.pick(None).unwrap().remove(0);
        Embedding::new(
            Wish::for_tests("scripted"),
            entry,
            Arc::<Gate>::default(),
            BreakerSettings::default(),
        )
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn busy(milliseconds: u64) -> ProviderError {
        ProviderError::RateLimited { retry_after: Some(Duration::from_millis(milliseconds)) }
    }

    /// One with short pauses.
    fn quick<'a>(
        embedding: &'a Embedding,
        is_stopped: &'a (dyn Fn() -> bool + Sync),
    ) -> Passages<'a> {
        Passages { pause: Duration::from_millis(10), ..Passages::new(embedding, is_stopped) }
    }

    #[tokio::test]
    async fn a_batch_is_tried_again_after_a_pause_and_not_for_ever() {
        let model = model([busy(200), busy(0), stopped()]);
        let embedding = embedding(&model);
        let began = Instant::now();
        let made = quick(&embedding, &|| false).batch_of(texts(&["a", "b"])).await;
        assert_eq!(made.unwrap(), [Some(vec![97.0]), Some(vec![98.0])]);
        // Ten milliseconds, twenty, and as many as were asked for.
        assert!(began.elapsed() >= Duration::from_millis(230));
        *model.script.lock().unwrap() = (0..9).map(|_| stopped()).collect();
        model.calls.lock().unwrap().clear();
        let failed = quick(&embedding, &|| false).batch_of(texts(&["a"])).await;
        assert!(matches!(failed, Err(ProviderError::Unavailable(_))), "{failed:?}");
        assert_eq!(model.calls.lock().unwrap().len(), 5);
        // A key that is refused is refused again.
        *model.script.lock().unwrap() = vec![ProviderError::Unauthorized];
        model.calls.lock().unwrap().clear();
        let failed = quick(&embedding, &|| false).batch_of(texts(&["a"])).await;
        assert!(matches!(failed, Err(ProviderError::Unauthorized)), "{failed:?}");
        assert_eq!(model.calls.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_text_that_is_not_taken_costs_only_itself_and_many_in_a_row_end_it() {
        let model = model([]);
        let embedding = embedding(&model);
        let mut passages = quick(&embedding, &|| false);
        let made = passages.batch_of(texts(&["a", "wrong", "b"])).await.unwrap();
        assert_eq!(made, [Some(vec![97.0]), None, Some(vec![98.0])]);
        assert_eq!(*model.calls.lock().unwrap(), [3, 1, 1, 1]);
        let wrong = vec!["wrong"; MOST_REFUSED];
        assert!(passages.batch_of(texts(&wrong)).await.unwrap().iter().all(Option::is_none));
        let failed = passages.batch_of(texts(&["wrong"])).await;
        assert!(matches!(failed, Err(ProviderError::InvalidRequest { .. })), "{failed:?}");
    }

    #[tokio::test]
    async fn a_pause_ends_when_it_is_to_stop() {
        let model = model([busy(60_000)]);
        let embedding = embedding(&model);
        let stop = AtomicBool::new(false);
        let is_stopped = || stop.load(Ordering::Relaxed);
        let began = Instant::now();
        let mut passages = Passages::new(&embedding, &is_stopped);
        let (made, ()) = tokio::join!(passages.batch_of(texts(&["a"])), async {
            sleep(Duration::from_millis(50)).await;
            stop.store(true, Ordering::Relaxed);
        });
        assert!(made.is_err() && began.elapsed() < Duration::from_secs(10));
    }
}
