//! What the new weight files hold: each tensor of the model, with what the adapter does to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    adapter::{Adapter, Change, Factors, Located},
    settings::Settings,
};
use crate::{ConvertError, checkpoint::Checkpoint, tensor::Tensor, weights::file_name};

/// The output's table of tokens.
const HEAD: &str = "lm_head.weight";

/// A pair of factors that fits its tensor.
pub(crate) struct Update {
    pub(crate) factors: Factors,
    pub(crate) rank: u64,
    pub(crate) scale: f64,
    /// The rows of the tensor are the inputs of the factors.
    pub(crate) by_input: bool,
}

/// One tensor of the new weights.
pub(crate) struct Planned {
    /// Its name, format and shape.
    pub(crate) tensor: Tensor,
    /// Where its values are.
    pub(crate) source: Located,
    /// What is added to them.
    pub(crate) update: Option<Update>,
}

/// One file of the new weights.
pub(crate) struct Shard {
    pub(crate) name: String,
    pub(crate) tensors: Vec<Planned>,
    /// The file that holds exactly these tensors already.
    pub(crate) same_as: Option<PathBuf>,
}

/// The new weights.
pub(crate) struct Plan {
    pub(crate) shards: Vec<Shard>,
    /// The model's output gets a table of its own.
    pub(crate) unties: bool,
    /// Rows of the table of tokens, where the model has one.
    pub(crate) vocabulary: Option<u64>,
    /// Whether the adapter brings a table of another size.
    pub(crate) resizes: bool,
    updated: usize,
    replaced: usize,
}

impl Plan {
    /// Finds the place of every tensor of the adapter.
    ///
    /// `tied` is whether the model's input and output share their table of tokens; `linkable`,
    /// whether its files are safetensors already.
    pub(crate) fn make(
        base: Vec<Checkpoint>,
        adapter: Adapter,
        settings: &Settings,
        (tied, linkable): (bool, bool),
    ) -> Result<Self, ConvertError> {
        let shards = shards(base, linkable)?;
        let mut plan = Self {
            shards,
            unties: false,
            vocabulary: None,
            resizes: false,
            updated: 0,
            replaced: 0,
        };
        let before = plan.rows(&plan.table_name());
        if tied {
            plan.share_or_part(&adapter, settings);
        }
        for (target, change) in adapter.changes {
            plan.apply(&adapter.path, &target, change, settings)?;
        }
        let after = plan.rows(&plan.table_name());
        if let (Some(input), Some(output)) = (after, plan.rows(HEAD))
            && input != output
        {
            let problem = format!(
                "the tables of tokens would have {input} rows at the input and {output} at the \
                 output: the adapter must bring both"
            );
            return Err(ConvertError::malformed(&*adapter.path, problem));
        }
        plan.resizes = before != after;
        plan.vocabulary = after;
        Ok(plan)
    }

    /// How many bytes the weights have.
    pub(crate) fn bytes(&self) -> u64 {
        self.shards.iter().map(Shard::bytes).sum()
    }

    /// What the adapter did, in words.
    pub(crate) fn note(&self) -> String {
        let (updated, replaced) = (self.updated, self.replaced);
        format!("{updated} tensors have the adapter added, {replaced} are replaced by its own")
    }

    /// The name of the input's table of tokens, whether there is one or not.
    fn table_name(&self) -> String {
        let names = self.shards.iter().flat_map(|shard| &shard.tensors);
        let mut names = names.map(|planned| &planned.tensor.name);
        let found = names.find(|name| name.ends_with("embed_tokens.weight"));
        found.map_or_else(|| "model.embed_tokens.weight".to_owned(), Clone::clone)
    }

    fn find(&mut self, name: &str) -> Option<&mut Planned> {
        let mut all = self.shards.iter_mut().flat_map(|shard| &mut shard.tensors);
        all.find(|planned| planned.tensor.name == name)
    }

    fn rows(&self, name: &str) -> Option<u64> {
        let mut all = self.shards.iter().flat_map(|shard| &shard.tensors);
        all.find(|planned| planned.tensor.name == name)?.tensor.shape.first().copied()
    }

    /// Decides whether a shared table of tokens stays shared.
    ///
    /// An adapter changes the input or the output of the model it was trained on, and where only
    /// one of them is changed, they are not the same any more. A table that is only stored beside
    /// the adapter, because it was enlarged before the training, is shared as before.
    fn share_or_part(&mut self, adapter: &Adapter, settings: &Settings) {
        let table = self.table_name();
        let module = table.trim_end_matches(".weight");
        let change = adapter.changes.get(&table);
        let enlarged = change
            .and_then(|change| change.replacement.clone())
            .filter(|_| !settings.saves(module));
        let changes_input = change.is_some_and(|change| {
            change.factors.is_some() || (change.replacement.is_some() && enlarged.is_none())
        });
        let changes_output = adapter.changes.contains_key(HEAD);
        if !changes_output && !changes_input && enlarged.is_none() {
            return;
        }
        for shard in &mut self.shards {
            // What the engine does not read from a model that shares its table.
            let count = shard.tensors.len();
            shard.tensors.retain(|planned| planned.tensor.name != HEAD);
            if shard.tensors.len() != count {
                shard.same_as = None;
            }
        }
        if !changes_output && (!changes_input || settings.keeps_tied) {
            return;
        }
        let shard = self
            .shards
            .iter_mut()
            .find(|shard| shard.tensors.iter().any(|planned| planned.tensor.name == table));
        let Some(shard) = shard else { return };
        let Some(input) = shard.tensors.iter().find(|planned| planned.tensor.name == table) else {
            return;
        };
        let source = enlarged.unwrap_or_else(|| input.source.clone());
        let shape = source.stored.tensor.shape.clone();
        let tensor = Tensor { name: HEAD.to_owned(), dtype: input.tensor.dtype, shape };
        shard.tensors.push(Planned { tensor, source, update: None });
        shard.same_as = None;
        self.unties = true;
    }

    /// Applies one change to its tensor.
    fn apply(
        &mut self,
        path: &Path,
        target: &str,
        change: Change,
        settings: &Settings,
    ) -> Result<(), ConvertError> {
        let is_table = target == HEAD || target == self.table_name();
        let name = change.name().to_owned();
        let wrong =
            |problem: String| ConvertError::malformed(path, format!("tensor {name}: {problem}"));
        let Some(shard) = self
            .shards
            .iter_mut()
            .find(|shard| shard.tensors.iter().any(|planned| planned.tensor.name == target))
        else {
            return Err(wrong(format!("the model has no {target}")));
        };
        shard.same_as = None;
        let (mut replaced, mut updated) = (0, 0);
        if let Some(planned) = self.find(target) {
            if !planned.tensor.dtype.is_float() {
                let dtype = planned.tensor.dtype.name();
                return Err(wrong(format!("the model has {target} as {dtype}, a quantized form")));
            }
            if let Some(replacement) = change.replacement {
                planned.replace(replacement, is_table).map_err(&wrong)?;
                replaced = 1;
            }
            if let Some(factors) = change.factors {
                let module = target.trim_end_matches(".weight");
                planned.update =
                    Some(update(factors, &planned.tensor, module, settings).map_err(wrong)?);
                updated = 1;
            }
        }
        self.replaced += replaced;
        self.updated += updated;
        Ok(())
    }
}

impl Shard {
    pub(crate) fn bytes(&self) -> u64 {
        self.tensors.iter().map(|planned| planned.tensor.bytes()).sum()
    }
}

impl Planned {
    /// Takes the values of the adapter; only tables of tokens may have another number of rows.
    fn replace(&mut self, replacement: Located, is_table: bool) -> Result<(), String> {
        let (old, new) = (&self.tensor.shape, &replacement.stored.tensor.shape);
        let fits = match (old.as_slice(), new.as_slice()) {
            ([_, width], [rows, new_width]) if is_table => width == new_width && *rows > 0,
            (old, new) => old == new,
        };
        if !fits {
            return Err(format!("it is {new:?}, and the model's own is {old:?}"));
        }
        self.tensor.shape.clone_from(new);
        self.source = replacement;
        Ok(())
    }
}

impl Change {
    /// The name of a tensor that it consists of.
    fn name(&self) -> &str {
        let located = self.factors.as_ref().map(|factors| &factors.down);
        located.or(self.replacement.as_ref()).map_or("", |located| &located.stored.tensor.name)
    }
}

/// Checks that two factors fit `tensor`.
fn update(
    factors: Factors,
    tensor: &Tensor,
    module: &str,
    settings: &Settings,
) -> Result<Update, String> {
    let by_input = factors.of_table || settings.inputs_in_rows;
    let (down, up) = (&factors.down.stored.tensor.shape, &factors.up.stored.tensor.shape);
    let fits = match (down.as_slice(), up.as_slice(), tensor.shape.as_slice()) {
        ([rank, inputs], [outputs, other], shape) if rank == other => {
            let product = if by_input { [*inputs, *outputs] } else { [*outputs, *inputs] };
            shape == product && *rank > 0
        }
        _ => false,
    };
    if !fits {
        return Err(format!("{down:?} and {up:?} make nothing of the form {:?}", tensor.shape));
    }
    let rank = down[0];
    let scale = settings.scale(module, rank)?;
    Ok(Update { factors, rank, scale, by_input })
}

/// The files of the model as they are.
fn shards(base: Vec<Checkpoint>, linkable: bool) -> Result<Vec<Shard>, ConvertError> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let count = base.len();
    let mut shards = Vec::new();
    for (number, Checkpoint { path, tensors }) in base.into_iter().enumerate() {
        let file: Rc<Path> = path.clone().into();
        let mut planned = Vec::new();
        for stored in tensors {
            if !seen.insert(stored.tensor.name.clone()) {
                let problem = format!("another file has tensor {}, too", stored.tensor.name);
                return Err(ConvertError::malformed(path, problem));
            }
            planned.push(Planned {
                tensor: stored.tensor.clone(),
                source: Located { file: Rc::clone(&file), stored },
                update: None,
            });
        }
        let own = path.file_name().filter(|_| linkable);
        let name = own
            .map_or_else(|| file_name(number, count), |name| name.to_string_lossy().into_owned());
        shards.push(Shard { name, tensors: planned, same_as: linkable.then_some(path) });
    }
    Ok(shards)
}

/// Which tensor is in which file.
pub(crate) fn index(shards: &[Shard]) -> BTreeMap<String, String> {
    let of = |shard: &Shard| {
        let names = shard.tensors.iter().map(|planned| planned.tensor.name.clone());
        names.map(|name| (name, shard.name.clone())).collect::<Vec<_>>()
    };
    shards.iter().flat_map(of).collect()
}
