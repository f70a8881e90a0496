//! PagedAttention: how a GPU's memory is kept for what the model has read.

use mistralrs::{MemoryGpuConfig, PagedAttentionConfig, PagedAttentionMetaBuilder};

use crate::{LoadError, LocalSettings, settings::Device};

/// Block sizes that the engine has kernels for.
const BLOCK_SIZES: [usize; 3] = [8, 16, 32];

/// How PagedAttention is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Paging {
    block_size: Option<usize>,
    memory: Memory,
}

/// How much memory it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Memory {
    /// What the weights leave of this share of the GPU.
    Share(f32),
    /// Enough for so many tokens.
    Tokens(usize),
}

impl Paging {
    /// What `settings` ask for; `None` where they do not ask for PagedAttention.
    ///
    /// # Errors
    /// When a key has a value that it cannot have, or has any value on a CPU.
    pub(crate) fn of(settings: &LocalSettings) -> Result<Option<Self>, LoadError> {
        let wrong = |key: &str, legal: &str| {
            Err(LoadError::Setting { key: key.to_owned(), legal: legal.to_owned() })
        };
        let (share, block_size) = (settings.gpu_memory_utilization, settings.block_size);
        if settings.device == Device::Cpu {
            for (key, is_set) in
                [("gpu_memory_utilization", share.is_some()), ("block_size", block_size.is_some())]
            {
                if is_set {
                    return wrong(key, "left out on a CPU, where PagedAttention does not exist");
                }
            }
            if settings.max_num_seqs.is_some() {
                return wrong(
                    "max_num_seqs",
                    "left out on a CPU, which answers one turn at a time",
                );
            }
        }
        if settings.max_num_seqs.is_some_and(|most| most != 1) {
            return wrong(
                "max_num_seqs",
                "1: answering several turns at once is off until a test on a GPU shows it right",
            );
        }
        if share.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
            return wrong("gpu_memory_utilization", "above 0 and at most 1");
        }
        if block_size.is_some_and(|size| !BLOCK_SIZES.contains(&size)) {
            return wrong("block_size", "8, 16 or 32");
        }
        let memory = match (share, block_size, settings.context_length) {
            (None, None, _) => return Ok(None),
            (Some(share), _, _) => Memory::Share(share),
            (None, Some(_), Some(tokens)) => Memory::Tokens(tokens),
            (None, Some(_), None) => {
                return wrong(
                    "block_size",
                    "set together with gpu_memory_utilization or context_length",
                );
            }
        };
        Ok(Some(Self { block_size, memory }))
    }

    /// The same for the engine.
    pub(crate) fn config(self) -> Result<PagedAttentionConfig, String> {
        let memory = match self.memory {
            Memory::Share(share) => MemoryGpuConfig::Utilization(share),
            Memory::Tokens(tokens) => MemoryGpuConfig::ContextSize(tokens),
        };
        let mut builder = PagedAttentionMetaBuilder::default().with_gpu_memory(memory);
        if let Some(size) = self.block_size {
            builder = builder.with_block_size(size);
        }
        builder.build().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(change: impl FnOnce(&mut LocalSettings)) -> Result<Option<Paging>, String> {
        let mut settings = LocalSettings::new("model");
        settings.device = Device::Cuda;
        change(&mut settings);
        Paging::of(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn memory_is_a_share_or_follows_from_the_context() {
        assert_eq!(paging(|_| {}), Ok(None));
        assert_eq!(paging(|settings| settings.max_num_seqs = Some(1)), Ok(None));
        assert_eq!(paging(|settings| settings.context_length = Some(512)), Ok(None));
        let share = paging(|settings| {
            settings.gpu_memory_utilization = Some(0.9);
            settings.context_length = Some(512);
        });
        assert_eq!(share, Ok(Some(Paging { block_size: None, memory: Memory::Share(0.9) })));
        let tokens = paging(|settings| {
            settings.block_size = Some(16);
            settings.context_length = Some(512);
        });
        assert_eq!(tokens, Ok(Some(Paging { block_size: Some(16), memory: Memory::Tokens(512) })));
        assert!(tokens.unwrap().unwrap().config().is_ok());
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_with_its_key() {
        let refused: [(fn(&mut LocalSettings), &str); 8] = [
            (
                |settings| settings.max_num_seqs = Some(16),
                "max_num_seqs must be 1: answering several turns at once is off until a test on a GPU shows it right",
            ),
            (
                |settings| settings.max_num_seqs = Some(0),
                "max_num_seqs must be 1: answering several turns at once is off until a test on a GPU shows it right",
            ),
            (
                |settings| settings.gpu_memory_utilization = Some(0.0),
                "gpu_memory_utilization must be above 0 and at most 1",
            ),
            (
                |settings| settings.gpu_memory_utilization = Some(1.1),
                "gpu_memory_utilization must be above 0 and at most 1",
            ),
            (
                |settings| settings.gpu_memory_utilization = Some(f32::NAN),
                "gpu_memory_utilization must be above 0 and at most 1",
            ),
            (|settings| settings.block_size = Some(64), "block_size must be 8, 16 or 32"),
            (
                |settings| settings.block_size = Some(16),
                "block_size must be set together with gpu_memory_utilization or context_length",
            ),
            (
                |settings| {
                    settings.device = Device::Cpu;
                    settings.max_num_seqs = Some(1);
                },
                "max_num_seqs must be left out on a CPU, which answers one turn at a time",
            ),
        ];
        for (change, expected) in refused {
            assert_eq!(paging(change).unwrap_err(), expected);
        }
    }
}
