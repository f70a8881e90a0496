//! The tensors of an adapter, each with the tensor of the model that it changes.

use std::{collections::BTreeMap, path::Path, rc::Rc};

use crate::{
    ConvertError,
    checkpoint::{Checkpoint, Stored},
    safetensors,
};

/// A tensor and the file that it lies in.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) file: Rc<Path>,
    pub(crate) stored: Stored,
}

/// Two factors whose product is added.
#[derive(Debug)]
pub(crate) struct Factors {
    /// From the inputs to the rank: [rank, inputs].
    pub(crate) down: Located,
    /// From the rank to the outputs: [outputs, rank].
    pub(crate) up: Located,
    /// They belong to a table of tokens, whose rows are its inputs.
    pub(crate) of_table: bool,
}

/// What an adapter does to one tensor of the model.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Takes its place.
    pub(crate) replacement: Option<Located>,
    /// Is added, to the replacement if there is one.
    pub(crate) factors: Option<Factors>,
}

/// What an adapter does, by the names of the model's tensors.
pub(crate) struct Adapter {
    pub(crate) path: Rc<Path>,
    pub(crate) changes: BTreeMap<String, Change>,
}

/// What a tensor of an adapter is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Down,
    Up,
    DownOfTable,
    UpOfTable,
    Whole,
}

/// How the names of factors end.
const ENDINGS: [(&str, Part); 4] = [
    (".lora_A.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora_embedding_A", Part::DownOfTable),
    (".lora_embedding_B", Part::UpOfTable),
];

impl Adapter {
    /// Reads what the tensors in `folder` are for; safetensors are taken before a pickle.
    pub(crate) fn read(folder: &Path) -> Result<Self, ConvertError> {
        let (new, old) =
            (folder.join("adapter_model.safetensors"), folder.join("adapter_model.bin"));
        let Checkpoint { path, tensors } = if new.is_file() {
            safetensors::open(&new)?
        } else if old.is_file() {
            Checkpoint::open(&old)?
        } else {
            return Err(ConvertError::Missing {
                path: new,
                hint: "there is no adapter_model.bin either, so this is no adapter in PEFT's form",
            });
        };
        let path: Rc<Path> = path.into();
        let mut parts: BTreeMap<(String, Part), Located> = BTreeMap::new();
        for stored in tensors {
            let name = stored.tensor.name.clone();
            let wrong = |problem: &str| {
                ConvertError::malformed(&*path, format!("tensor {name}: {problem}"))
            };
            if !stored.tensor.dtype.is_float() {
                return Err(wrong("its numbers are not F16, BF16 or F32"));
            }
            let place = place(&name).map_err(wrong)?;
            if parts.insert(place, Located { file: Rc::clone(&path), stored }).is_some() {
                return Err(wrong("another tensor has its place"));
            }
        }
        Ok(Self { changes: pair(&path, parts)?, path })
    }
}

/// The tensor of the model that the tensor of this name changes, and how.
fn place(name: &str) -> Result<(String, Part), &'static str> {
    let path = name.strip_prefix("base_model.model.").unwrap_or(name);
    // Checkpoints of a training have the name of the adapter in the names of its tensors.
    let path = path.replace(".default", "");
    for (ending, part) in ENDINGS {
        if let Some(module) = path.strip_suffix(ending) {
            return Ok((format!("{module}.weight"), part));
        }
    }
    if path.contains("lora_magnitude_vector") {
        return Err("it belongs to DoRA, which cannot be merged");
    }
    if path.contains(".lora_") {
        return Err("its form is not known");
    }
    Ok((path.replace(".modules_to_save", "").replace(".base_layer", ""), Part::Whole))
}

/// Joins the factors that belong together.
fn pair(
    path: &Path,
    mut parts: BTreeMap<(String, Part), Located>,
) -> Result<BTreeMap<String, Change>, ConvertError> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    while let Some(((target, part), located)) = parts.pop_first() {
        let name = located.stored.tensor.name.clone();
        let change = changes.entry(target.clone()).or_default();
        let (other, of_table) = match part {
            Part::Whole => {
                change.replacement = Some(located);
                continue;
            }
            Part::Down => (Part::Up, false),
            Part::DownOfTable => (Part::UpOfTable, true),
            Part::Up | Part::UpOfTable => {
                let problem = format!("tensor {name} has no counterpart of A");
                return Err(ConvertError::malformed(path, problem));
            }
        };
        let Some(up) = parts.remove(&(target, other)) else {
            let problem = format!("tensor {name} has no counterpart of B");
            return Err(ConvertError::malformed(path, problem));
        };
        if change.factors.is_some() {
            let problem = format!("tensor {name}: another pair has its place");
            return Err(ConvertError::malformed(path, problem));
        }
        change.factors = Some(Factors { down: located, up, of_table });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_name_has_its_place() {
        let q = "model.layers.0.self_attn.q_proj";
        for (name, target, part) in [
            (format!("base_model.model.{q}.lora_A.weight"), format!("{q}.weight"), Part::Down),
            (
                format!("base_model.model.{q}.lora_B.default.weight"),
                format!("{q}.weight"),
                Part::Up,
            ),
            (format!("{q}.lora_B.weight"), format!("{q}.weight"), Part::Up),
            (format!("base_model.model.{q}.base_layer.bias"), format!("{q}.bias"), Part::Whole),
            (
                "base_model.model.model.embed_tokens.lora_embedding_A".to_owned(),
                "model.embed_tokens.weight".to_owned(),
                Part::DownOfTable,
            ),
            (
                "base_model.model.lm_head.modules_to_save.default.weight".to_owned(),
                "lm_head.weight".to_owned(),
                Part::Whole,
            ),
        ] {
            assert!(place(&name) == Ok((target, part)), "{name}");
        }
        assert!(place("base_model.model.a.lora_magnitude_vector.weight").is_err());
        assert!(place("base_model.model.a.lora_C.weight").is_err());
    }
}
