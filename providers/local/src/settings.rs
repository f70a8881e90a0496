//! What an operator writes about a local model.

use std::path::PathBuf;

use anima_provider::Sampling;
use mistralrs::{IsqType, ModelDType};
use serde::Deserialize;

use crate::{LoadError, inspect::is_embedding, paging::Paging};

/// Settings of one local model, `[providers.<name>]` with `kind = "local"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    /// A folder with safetensors weights, `config.json` and `tokenizer.json`, or a `.gguf` file
    /// with its `tokenizer.json` beside it. Never a name on a model hub: nothing is downloaded.
    pub model: PathBuf,
    /// What the model is for; default: `embed` for a folder with a `modules.json`, else `answer`.
    #[serde(default)]
    pub task: Option<Task>,
    /// Quantizes the weights of a folder while they load; default: keep them as they are.
    #[serde(default)]
    pub isq: Option<Quantization>,
    /// Number format of the activations of a folder; default: `auto`.
    #[serde(default)]
    pub dtype: Precision,
    /// Where the model runs; default: `cpu`.
    #[serde(default)]
    pub device: Device,
    /// Caps the tokens of prompt and answer together; default: what the model was made for. vLLM's
    /// name for it, `max_model_len`, is understood, too.
    #[serde(default, alias = "max_model_len")]
    pub context_length: Option<usize>,
    /// Turns on PagedAttention, which gets what the weights leave of this share of the GPU's
    /// memory; not on a CPU. Default: no PagedAttention.
    #[serde(default)]
    pub gpu_memory_utilization: Option<f32>,
    /// Tokens in a block of PagedAttention: 8, 16 or 32; not on a CPU. Default: the engine's.
    #[serde(default)]
    pub block_size: Option<usize>,
    /// Turns answered at once: 1, the only legal value so far; not on a CPU.
    #[serde(default)]
    pub max_num_seqs: Option<usize>,
    /// A jinja file that replaces the model's own chat template.
    #[serde(default)]
    pub chat_template: Option<PathBuf>,
    /// Accepts a model that has no chat template; it then takes finished prompts only. Default: false.
    #[serde(default)]
    pub text_only: bool,
    /// How answers are drawn where a request does not say.
    #[serde(default)]
    pub sampling: Sampling,
    /// Requests that may wait for the engine; one more is refused. Default: 32.
    #[serde(default = "default_queue")]
    pub queue: usize,
}

fn default_queue() -> usize {
    32
}

impl LocalSettings {
    /// Settings with every default, for the model at `model`.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            task: None,
            isq: None,
            dtype: Precision::Auto,
            device: Device::Cpu,
            context_length: None,
            gpu_memory_utilization: None,
            block_size: None,
            max_num_seqs: None,
            chat_template: None,
            text_only: false,
            sampling: Sampling::default(),
            queue: default_queue(),
        }
    }

    /// Whether the model turns texts into vectors.
    pub(crate) fn embeds(&self) -> bool {
        self.task.map_or_else(|| is_embedding(&self.model), |task| task == Task::Embed)
    }

    /// Checks what can be checked without looking at the model.
    pub(crate) fn validate(&self) -> Result<(), LoadError> {
        let wrong = |key: &str, legal: &str| {
            Err(LoadError::Setting { key: key.to_owned(), legal: legal.to_owned() })
        };
        if self.embeds() {
            for (key, is_set) in [
                ("chat_template", self.chat_template.is_some()),
                ("text_only", self.text_only),
                ("sampling", self.sampling != Sampling::default()),
                ("gpu_memory_utilization", self.gpu_memory_utilization.is_some()),
                ("block_size", self.block_size.is_some()),
                ("max_num_seqs", self.max_num_seqs.is_some()),
            ] {
                if is_set {
                    return wrong(key, "left out for an embedding model");
                }
            }
        }
        if let Err((key, legal)) = self.sampling.validate() {
            return wrong(&format!("sampling.{key}"), legal);
        }
        if self.queue == 0 {
            return wrong("queue", "at least 1");
        }
        if self.context_length.is_some_and(|length| length < 2) {
            return wrong("context_length", "at least 2");
        }
        Paging::of(self)?;
        let compiled = match self.device {
            Device::Cpu => true,
            Device::Cuda => cfg!(feature = "cuda"),
            Device::Metal => cfg!(feature = "metal"),
        };
        if !compiled {
            return Err(LoadError::Device { device: self.device.name() });
        }
        if self.device == Device::Cpu && self.dtype == Precision::Bf16 {
            return wrong("dtype", "auto, f32 or f16 on a CPU, which cannot multiply bf16");
        }
        if self.device == Device::Cpu && self.isq.is_some_and(|isq| !isq.runs_on_cpu()) {
            return wrong(
                "isq",
                "one of Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q8_1 Q2K Q3K Q4K Q5K Q6K Q8K HQQ4 HQQ8 on a CPU",
            );
        }
        Ok(())
    }
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// It answers.
    Answer,
    /// It turns texts into vectors.
    Embed,
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The first visible NVIDIA GPU; needs the cargo feature `cuda`.
    Cuda,
    /// The Apple GPU; needs the cargo feature `metal`.
    Metal,
}

impl Device {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

/// Number format of the activations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `f32` on a CPU, the best that the device has elsewhere.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits, small range: some models overflow.
    F16,
    /// 16 bits, large range; not on a CPU.
    Bf16,
}

impl Precision {
    pub(crate) fn on(self, device: Device) -> ModelDType {
        match self {
            Self::Auto if device == Device::Cpu => ModelDType::F32,
            Self::Auto => ModelDType::Auto,
            Self::F32 => ModelDType::F32,
            Self::F16 => ModelDType::F16,
            Self::Bf16 => ModelDType::BF16,
        }
    }
}

/// Weight formats of in-situ quantization, spelled as mistral.rs spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the formats")]
pub enum Quantization {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
    #[serde(rename = "HQQ4")]
    Hqq4,
    #[serde(rename = "HQQ8")]
    Hqq8,
    #[serde(rename = "AFQ2")]
    Afq2,
    #[serde(rename = "AFQ3")]
    Afq3,
    #[serde(rename = "AFQ4")]
    Afq4,
    #[serde(rename = "AFQ6")]
    Afq6,
    #[serde(rename = "AFQ8")]
    Afq8,
    #[serde(rename = "F8E4M3")]
    F8e4m3,
    #[serde(rename = "F8Q8")]
    F8q8,
    #[serde(rename = "MXFP4")]
    Mxfp4,
}

impl Quantization {
    fn runs_on_cpu(self) -> bool {
        !matches!(
            self,
            Self::Afq2
                | Self::Afq3
                | Self::Afq4
                | Self::Afq6
                | Self::Afq8
                | Self::F8e4m3
                | Self::F8q8
                | Self::Mxfp4
        )
    }

    pub(crate) fn engine_type(self) -> IsqType {
        match self {
            Self::Q4_0 => IsqType::Q4_0,
            Self::Q4_1 => IsqType::Q4_1,
            Self::Q5_0 => IsqType::Q5_0,
            Self::Q5_1 => IsqType::Q5_1,
            Self::Q8_0 => IsqType::Q8_0,
            Self::Q8_1 => IsqType::Q8_1,
            Self::Q2K => IsqType::Q2K,
            Self::Q3K => IsqType::Q3K,
            Self::Q4K => IsqType::Q4K,
            Self::Q5K => IsqType::Q5K,
            Self::Q6K => IsqType::Q6K,
            Self::Q8K => IsqType::Q8K,
            Self::Hqq4 => IsqType::HQQ4,
            Self::Hqq8 => IsqType::HQQ8,
            Self::Afq2 => IsqType::AFQ2,
            Self::Afq3 => IsqType::AFQ3,
            Self::Afq4 => IsqType::AFQ4,
            Self::Afq6 => IsqType::AFQ6,
            Self::Afq8 => IsqType::AFQ8,
            Self::F8e4m3 => IsqType::F8E4M3,
            Self::F8q8 => IsqType::F8Q8,
            Self::Mxfp4 => IsqType::MXFP4,
        }
    }
}
