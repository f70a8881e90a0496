//! Loads an embedding model and prints the vector of each text, one JSON list a line.
//!
//! `embed <model> <text>...`
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::error::Error;

use anima_local::{LocalEmbedder, LocalSettings};
use anima_provider::Embedder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let settings = LocalSettings::new(arguments.next().ok_or("embed <model> <text>...")?);
    let embedder = LocalEmbedder::load("embedder", settings).await?;
    for vector in embedder.embed(arguments.collect()).await?.vectors {
        println!("{}", serde_json::to_string(&vector)?);
    }
    Ok(())
}
