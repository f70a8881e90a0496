//! `adapter_config.json`: how an adapter is to be added, and whether it can be.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{ConvertError, files::read_json};

/// What an adapter's configuration says.
#[derive(Debug)]
pub(crate) struct Settings {
    rank: u64,
    alpha: f64,
    /// Divides by the root of the rank (rsLoRA).
    by_root: bool,
    /// The weights of the model have their inputs in rows, as those of GPT-2.
    pub(crate) inputs_in_rows: bool,
    rank_pattern: Vec<(String, u64)>,
    alpha_pattern: Vec<(String, f64)>,
    modules_to_save: Vec<String>,
    /// What changes the table of tokens changes a shared output, too.
    pub(crate) keeps_tied: bool,
    /// The name of the model that the adapter was made for.
    pub(crate) made_for: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// Keys that change what an adapter means, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("use_dora", "merge it with PEFT's merge_and_unload, or train without DoRA"),
    ("lora_bias", "merge it with PEFT's merge_and_unload"),
    ("use_qalora", "merge it with PEFT's merge_and_unload"),
    ("use_bdlora", "merge it with PEFT's merge_and_unload"),
    ("trainable_token_indices", "merge it with PEFT's merge_and_unload"),
    ("target_parameters", "merge it with PEFT's merge_and_unload"),
    ("layer_replication", "merge it with PEFT's merge_and_unload"),
    ("alora_invocation_tokens", "it works only beside its model: a compatible server runs it"),
    ("arrow_config", "it works only beside others: a compatible server runs it"),
    ("kasa_config", "merge it with PEFT's merge_and_unload"),
    ("monteclora_config", "merge it with PEFT's merge_and_unload"),
];

/// Keys that say how the adapter was trained, or what its tensors say themselves.
const LEFT_ASIDE: &[&str] = &[
    "auto_mapping",
    "bias",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "merge_weights",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "velora_config",
];

/// First weights that leave the model's own as they are.
const PLAIN_STARTS: &[&str] = &["gaussian", "eva", "orthogonal", "true", "false"];

impl Settings {
    /// Reads the configuration in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, ConvertError> {
        let path = &folder.join("adapter_config.json");
        let config: Map<String, Value> = read_json(path)?.ok_or_else(|| ConvertError::Missing {
            path: path.clone(),
            hint: "a PEFT folder has it beside adapter_model.safetensors",
        })?;
        refuse(path, &config)?;
        let wrong =
            |key: &str, what: &str| ConvertError::malformed(path, format!("{key} must be {what}"));
        let flag = |key: &str| config.get(key).is_some_and(is_said);
        let rank = config.get("r").and_then(Value::as_u64).filter(|rank| *rank > 0);
        let alpha = config.get("lora_alpha").and_then(Value::as_f64);
        let modules_to_save = match config.get("modules_to_save") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|_| wrong("modules_to_save", "a list of names"))?,
        };
        Ok(Self {
            rank: rank.ok_or_else(|| wrong("r", "a number of at least 1"))?,
            alpha: alpha.ok_or_else(|| wrong("lora_alpha", "a number"))?,
            by_root: flag("use_rslora"),
            inputs_in_rows: flag("fan_in_fan_out"),
            rank_pattern: pattern(path, &config, "rank_pattern", Value::as_u64)?,
            alpha_pattern: pattern(path, &config, "alpha_pattern", Value::as_f64)?,
            modules_to_save,
            keeps_tied: flag("ensure_weight_tying"),
            made_for: config
                .get("base_model_name_or_path")
                .and_then(Value::as_str)
                .map(str::to_owned),
            notes: notes(&config),
        })
    }

    /// What the product of the two factors of `module` is multiplied by.
    ///
    /// # Errors
    /// When the configuration says another rank than the tensors have.
    pub(crate) fn scale(&self, module: &str, rank: u64) -> Result<f64, String> {
        let said = matching(&self.rank_pattern, module).unwrap_or(self.rank);
        if said != rank {
            return Err(format!("its rank is {rank}, and adapter_config.json says {said}"));
        }
        let alpha = matching(&self.alpha_pattern, module).unwrap_or(self.alpha);
        #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
        let rank = rank as f64;
        Ok(alpha / if self.by_root { rank.sqrt() } else { rank })
    }

    /// Whether the adapter has a whole copy of this module that it alone uses.
    pub(crate) fn saves(&self, module: &str) -> bool {
        self.modules_to_save.iter().any(|name| is_end(name, module))
    }
}

/// Says no to adapters that are more than a sum.
fn refuse(path: &Path, config: &Map<String, Value>) -> Result<(), ConvertError> {
    let no = |what: String, way_out| {
        Err(ConvertError::NotMergeable { path: path.to_owned(), what, way_out })
    };
    match config.get("peft_type").and_then(Value::as_str) {
        Some("LORA") => {}
        kind => {
            let what = format!("an adapter of type {}", kind.unwrap_or("unknown"));
            return no(what, "only LoRA adapters of PEFT are");
        }
    }
    for (key, way_out) in REFUSED {
        if config.get(*key).is_some_and(is_said) {
            return no(format!("an adapter with {key}"), way_out);
        }
    }
    match config.get("init_lora_weights") {
        Some(Value::String(start)) if !PLAIN_STARTS.contains(&start.to_lowercase().as_str()) => no(
            format!("an adapter whose training changed the model (init_lora_weights = {start:?})"),
            "save it again with path_initial_model_for_weight_conversion",
        ),
        _ => Ok(()),
    }
}

/// Keys that nobody here knows.
fn notes(config: &Map<String, Value>) -> Vec<String> {
    const READ: &[&str] = &[
        "alpha_pattern",
        "base_model_name_or_path",
        "ensure_weight_tying",
        "fan_in_fan_out",
        "init_lora_weights",
        "lora_alpha",
        "modules_to_save",
        "peft_type",
        "r",
        "rank_pattern",
        "use_rslora",
    ];
    let is_known = |key: &str| READ.contains(&key) || LEFT_ASIDE.contains(&key);
    let unknown = config.iter().filter(|(key, value)| !is_known(key) && is_said(value));
    unknown
        .map(|(key, value)| format!("adapter_config.json: {key} is {value}, which is left aside"))
        .collect()
}

/// Whether a value says more than nothing.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(said) => *said,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Number(_) | Value::String(_) => true,
    }
}

/// A table from names of modules to values, in its order.
fn pattern<T>(
    path: &Path,
    config: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<(String, T)>, ConvertError> {
    let entries = match config.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(ConvertError::malformed(path, format!("{key} must be a table"))),
    };
    let entry = |(module, value): (&String, &Value)| {
        let wrong =
            |problem: &str| ConvertError::malformed(path, format!("{key}: {module:?} {problem}"));
        let plain = |letter: char| letter.is_alphanumeric() || "._-^$\\".contains(letter);
        if !module.chars().all(plain) {
            return Err(wrong("is an expression; only names of modules are understood"));
        }
        let value = read(value).ok_or_else(|| wrong("must have a number"))?;
        Ok((module.replace('\\', ""), value))
    };
    entries.iter().map(entry).collect()
}

/// The value of the first name that is the end of `module`, as PEFT looks it up.
fn matching<T: Copy>(pattern: &[(String, T)], module: &str) -> Option<T> {
    pattern.iter().find(|(name, _)| is_end(name, module)).map(|(_, value)| *value)
}

/// Whether `module` is `name`, or ends with it after a dot.
fn is_end(name: &str, module: &str) -> bool {
    let name = name.strip_suffix('$').unwrap_or(name);
    if let Some(whole) = name.strip_prefix('^') {
        return whole == module;
    }
    module.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_the_end_of_a_module() {
        for (name, module, expected) in [
            ("q_proj", "model.layers.0.self_attn.q_proj", true),
            ("layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj", true),
            ("proj", "model.layers.0.self_attn.q_proj", false),
            ("0.self_attn.q_proj", "model.layers.10.self_attn.q_proj", false),
            ("^model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj", true),
            ("^layers.0.mlp.up_proj$", "model.layers.0.mlp.up_proj", false),
            ("up_proj$", "model.layers.0.mlp.up_proj", true),
        ] {
            assert_eq!(is_end(name, module), expected, "{name} in {module}");
        }
    }
}
