//! Loads a model, asks one question greedily and tells how fast the answer came.
//!
//! `measure <model> <question> [quantization]`
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::{error::Error, time::Instant};

use anima_local::{LocalProvider, LocalSettings};
use anima_provider::{Input, LaneId, Message, Provider, ProviderEvent, Request, Role, Sampling};
use futures::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut settings =
        LocalSettings::new(arguments.next().ok_or("measure <model> <question> [quantization]")?);
    let question = arguments.next().ok_or("no question")?;
    settings.isq = arguments.next().map(|name| serde_json::from_value(name.into())).transpose()?;
    let started = Instant::now();
    let provider = LocalProvider::load("measured", settings).await?;
    println!("loaded in {:.2?}, {:?}", started.elapsed(), provider.capabilities());
    for _ in 0..3 {
        let messages = vec![Message::new(Role::User, &*question)];
        let sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
        let input = Input::Chat { system: None, messages };
        let request = Request::new(input, sampling, LaneId("measure".to_owned()));
        let asked = Instant::now();
        let mut events = provider.generate(request).await?;
        let (mut first, mut answer) = (None, String::new());
        while let Some(event) = events.next().await {
            match event? {
                ProviderEvent::Text(piece) => {
                    first.get_or_insert_with(|| asked.elapsed());
                    answer.push_str(&piece);
                }
                ProviderEvent::Done { reason, usage } => {
                    let (usage, whole) = (usage.unwrap_or_default(), asked.elapsed());
                    let rate = f64::from(usage.completion_tokens) / whole.as_secs_f64();
                    println!(
                        "first text after {:.1?}, {rate:.1} tokens/s, {reason:?}, {usage:?}",
                        first.unwrap_or(whole)
                    );
                }
                _ => {}
            }
        }
        println!("{answer}");
    }
    Ok(())
}
