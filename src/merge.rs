//! `anima merge`: adds a LoRA adapter to a model, and shows how that goes and what came of it.

use std::path::PathBuf;

use anima_convert::{MergeRequest, merge};
use clap::Args;

use crate::convert::{Bar, announce};

/// Arguments of `anima merge`.
#[derive(Args)]
pub struct Merge {
    /// The model that the adapter was made for; it stays as it is.
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The adapter: `adapter_config.json` with `adapter_model.safetensors` or `adapter_model.bin`.
    #[arg(value_name = "ADAPTER")]
    adapter: PathBuf,
    /// The new folder; it must not be there yet.
    #[arg(value_name = "OUT")]
    out: PathBuf,
}

impl Merge {
    /// Merges, with a bar on the terminal and the entry for the configuration at the end.
    ///
    /// # Errors
    /// When the adapter cannot be merged, or nobody reads the output.
    pub fn run(self) -> anyhow::Result<()> {
        let request = MergeRequest { base: self.base, adapter: self.adapter, out: self.out };
        let bar = Bar::hidden();
        let outcome = merge(&request, &mut |progress| bar.show(progress));
        bar.clear();
        let report = outcome?;
        announce(&request.out, &report.notes, &report.entry)?;
        Ok(())
    }
}
