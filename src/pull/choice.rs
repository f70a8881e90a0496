//! Which of a model's files the engine needs.

use indicatif::HumanBytes;

use super::{PullError, glob, listing::RemoteFile};

/// What a person wants of a model.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// What the engine needs.
    Model,
    /// One GGUF file, by its name or a pattern.
    Gguf(&'a str),
    /// What matches one of these patterns.
    Matching(&'a [String]),
}

/// The form in which the chosen weights come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weights {
    /// The engine reads the folder.
    Safetensors,
    /// The engine reads this file, which has the tokenizer beside it or not.
    Gguf { path: String, tokenizer: bool },
    /// To be converted first: pickles, or a tokenizer without `tokenizer.json`.
    Old,
    /// There are none among the chosen files.
    None,
}

/// The small files that the engine reads beside the weights.
const COMPANIONS: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
];
/// What a `tokenizer.json` can be made from.
const TOKENIZER_SOURCES: &[&str] = &["tokenizer.model", "vocab.json", "merges.txt"];

/// Chooses from `files`, and says in which form the weights come.
pub(super) fn choose(
    files: Vec<RemoteFile>,
    wanted: Wanted<'_>,
) -> Result<(Vec<RemoteFile>, Weights), PullError> {
    let weights: Vec<&RemoteFile> = match wanted {
        Wanted::Model => weights(&files)?,
        Wanted::Gguf(pattern) => vec![gguf(&files, pattern)?],
        Wanted::Matching(patterns) => matching(&files, patterns)?,
    };
    let old = weights.iter().any(|file| is_pickle(file));
    let gguf = weights.iter().find(|file| is_gguf(file)).map(|file| file.path.to_string());
    let safetensors = weights.iter().any(|file| file.path.extension() == Some("safetensors"));
    let tokenizer = files.iter().any(|file| file.path.as_str() == "tokenizer.json");
    let chosen: Vec<String> = weights.iter().map(|file| file.path.to_string()).collect();
    let alone = matches!(wanted, Wanted::Matching(_)) && gguf.is_none();
    let needed = |file: &RemoteFile| {
        let path = file.path.as_str();
        let companion = COMPANIONS.contains(&path)
            || (is_module(path) && safetensors)
            || (TOKENIZER_SOURCES.contains(&path) && gguf.is_none() && (old || !tokenizer));
        chosen.iter().any(|chosen| chosen == path) || (companion && !alone)
    };
    let files: Vec<RemoteFile> = files.into_iter().filter(needed).collect();
    let form = match gguf {
        Some(path) => Weights::Gguf { path, tokenizer },
        None if old || (safetensors && !tokenizer) => Weights::Old,
        None if safetensors => Weights::Safetensors,
        None => Weights::None,
    };
    Ok((files, form))
}

/// The weights of the model in one form: the best one that the engine reads or can be made to read.
fn weights(files: &[RemoteFile]) -> Result<Vec<&RemoteFile>, PullError> {
    let named = |name: &str| files.iter().find(|file| file.path.as_str() == name);
    let parts = |stem: &str, extension: &str| -> Vec<&RemoteFile> {
        let part = |file: &&RemoteFile| is_part(file.path.as_str(), stem, extension);
        files.iter().filter(part).collect()
    };
    for (whole, stem, extension) in [
        ("model.safetensors", "model", ".safetensors"),
        ("consolidated.safetensors", "consolidated", ".safetensors"),
        ("pytorch_model.bin", "pytorch_model", ".bin"),
    ] {
        let mut parts = parts(stem, extension);
        let index = named(&format!("{whole}.index.json"));
        match named(whole) {
            // Both are the same weights; the index says that the parts are the current ones.
            Some(whole) if parts.is_empty() || index.is_none() => return Ok(vec![whole]),
            _ if !parts.is_empty() => {
                parts.extend(index);
                return Ok(parts);
            }
            _ => {}
        }
    }
    let ggufs: Vec<&RemoteFile> = files.iter().filter(|file| is_gguf(file)).collect();
    match ggufs.as_slice() {
        [] => Err(PullError::Choice(format!(
            "there are no weights in a form that the engine reads (safetensors, GGUF) or that can \
             be converted (pytorch_model.bin); --include GLOB fetches any of: {}",
            shown(&files.iter().filter(|file| file.path.is_top()).collect::<Vec<_>>())
        ))),
        [only] => Ok(vec![only]),
        several => Err(PullError::Choice(format!(
            "there are several GGUF files; choose one with --gguf FILE: {}",
            shown(several)
        ))),
    }
}

/// The one GGUF file that `pattern` names.
fn gguf<'a>(files: &'a [RemoteFile], pattern: &str) -> Result<&'a RemoteFile, PullError> {
    let ggufs = || files.iter().filter(|file| is_gguf(file));
    let named = |file: &&RemoteFile| {
        let path = file.path.as_str();
        glob::matches(pattern, if pattern.contains('/') { path } else { file.path.name() })
    };
    match ggufs().filter(named).collect::<Vec<_>>().as_slice() {
        [only] if in_parts(only) => Err(PullError::Choice(format!(
            "{} is one part of several, and the engine reads whole files; choose another, or fetch \
             all parts with --include and merge them with llama-gguf-split",
            only.path
        ))),
        [only] => Ok(only),
        [] => Err(PullError::Choice(format!(
            "there is no GGUF file {pattern:?}; there are: {}",
            shown(&ggufs().collect::<Vec<_>>())
        ))),
        several => Err(PullError::Choice(format!(
            "{pattern:?} fits several GGUF files; choose one: {}",
            shown(several)
        ))),
    }
}

fn matching<'a>(
    files: &'a [RemoteFile],
    patterns: &[String],
) -> Result<Vec<&'a RemoteFile>, PullError> {
    let fits = |pattern: &String, file: &RemoteFile| glob::matches(pattern, file.path.as_str());
    if let Some(idle) =
        patterns.iter().find(|pattern| !files.iter().any(|file| fits(pattern, file)))
    {
        return Err(PullError::Choice(format!(
            "--include {idle:?} fits no file; there are: {}",
            shown(&files.iter().collect::<Vec<_>>())
        )));
    }
    Ok(files.iter().filter(|file| patterns.iter().any(|pattern| fits(pattern, file))).collect())
}

fn is_gguf(file: &RemoteFile) -> bool {
    file.path.extension() == Some("gguf")
}

fn is_pickle(file: &RemoteFile) -> bool {
    file.path.name().starts_with("pytorch_model") && file.path.extension() == Some("bin")
}

/// Whether a GGUF file ends in `-00001-of-00003.gguf`.
fn in_parts(file: &RemoteFile) -> bool {
    let name = file.path.name();
    let mut stems = name.match_indices('-').map(|(end, _)| &name[..end]);
    stems.any(|stem| is_part(name, stem, ".gguf"))
}

/// Whether a file describes how an embedding model makes one vector of many: `modules.json` and the
/// folders that it names, such as `1_Pooling`.
fn is_module(path: &str) -> bool {
    let Some((folder, name)) = path.split_once('/') else { return path == "modules.json" };
    let number = folder.split_once('_').map_or("", |(number, _)| number);
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    numbered && matches!(name, "config.json" | "model.safetensors")
}

/// Whether `name` is `STEM-00001-of-00003.EXTENSION`.
fn is_part(name: &str, stem: &str, extension: &str) -> bool {
    let numbers = |name: &str| {
        let rest = name.strip_suffix(extension)?.strip_prefix(stem)?.strip_prefix('-')?;
        let (part, of) = rest.split_once("-of-")?;
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        Some(number(part) && number(of))
    };
    numbers(name).unwrap_or(false)
}

/// Names with sizes, for a message of one line.
fn shown(files: &[&RemoteFile]) -> String {
    const MOST: usize = 40;
    let mut names: Vec<String> = files
        .iter()
        .take(MOST)
        .map(|file| format!("{} ({})", file.path, HumanBytes(file.size)))
        .collect();
    match files.len() {
        0 => names.push("none".to_owned()),
        count if count > MOST => names.push(format!("and {} more", count - MOST)),
        _ => {}
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::path::FilePath;

    fn files(names: &str) -> Vec<RemoteFile> {
        let file = |name: &str| RemoteFile {
            path: FilePath::parse(name).unwrap(),
            size: 1,
            checksum: None,
        };
        names.split_whitespace().map(file).collect()
    }

    fn chosen(names: &str, wanted: Wanted<'_>) -> (String, Weights) {
        let (files, weights) = choose(files(names), wanted).unwrap();
        let names: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
        (names.join(" "), weights)
    }

    fn refused(names: &str, wanted: Wanted<'_>) -> String {
        choose(files(names), wanted).unwrap_err().to_string()
    }

    #[test]
    fn a_usual_folder_comes_without_what_the_engine_does_not_read() {
        let (names, weights) = chosen(
            ".gitattributes LICENSE README.md config.json flax_model.msgpack generation_config.json \
             merges.txt model.safetensors onnx/model.onnx original/consolidated.00.pth \
             pytorch_model.bin rust_model.ot tf_model.h5 tokenizer.json tokenizer.model \
             tokenizer_config.json vocab.json",
            Wanted::Model,
        );
        assert_eq!(
            names,
            "config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json"
        );
        assert_eq!(weights, Weights::Safetensors);
    }

    #[test]
    fn an_embedding_model_comes_with_its_modules() {
        let (names, weights) = chosen(
            "1_Pooling/config.json 2_Dense/config.json 2_Dense/model.safetensors 2_Dense/pytorch_model.bin \
             README.md config.json config_sentence_transformers.json model.safetensors modules.json \
             onnx/config.json tokenizer.json",
            Wanted::Model,
        );
        assert_eq!(
            names,
            "1_Pooling/config.json 2_Dense/config.json 2_Dense/model.safetensors config.json \
             model.safetensors modules.json tokenizer.json"
        );
        assert_eq!(weights, Weights::Safetensors);
    }

    #[test]
    fn weights_come_in_one_form_only() {
        let parts = "model-00001-of-00002.safetensors model-00002-of-00002.safetensors";
        let index = "model.safetensors.index.json";
        let some = "config.json consolidated.safetensors tokenizer.json";
        for (listed, expected) in [
            (format!("{some} {parts} {index}"), format!("{parts} {index}")),
            (format!("{some} {parts}"), parts.to_owned()),
            (format!("{some} {parts} model.safetensors"), "model.safetensors".to_owned()),
            (format!("{some} {parts} model.safetensors {index}"), format!("{parts} {index}")),
            (some.to_owned(), "consolidated.safetensors".to_owned()),
            (format!("{some} model.fp16.safetensors"), "consolidated.safetensors".to_owned()),
        ] {
            let (names, weights) = chosen(&listed, Wanted::Model);
            let names: Vec<&str> =
                names.split(' ').filter(|name| !COMPANIONS.contains(name)).collect();
            assert_eq!(names.join(" "), expected, "{listed}");
            assert_eq!(weights, Weights::Safetensors);
        }
    }

    #[test]
    fn an_old_folder_comes_with_what_can_be_converted() {
        let old = "config.json pytorch_model-00001-of-00002.bin pytorch_model-00002-of-00002.bin \
                   pytorch_model.bin.index.json tokenizer.model tokenizer_config.json";
        let (names, weights) = chosen(&format!("{old} training_args.bin"), Wanted::Model);
        assert_eq!((names.as_str(), weights), (old, Weights::Old));
        let (names, weights) = chosen("model.safetensors tokenizer.model", Wanted::Model);
        assert_eq!((names.as_str(), weights), ("model.safetensors tokenizer.model", Weights::Old));
    }

    #[test]
    fn a_gguf_file_is_chosen_by_name() {
        let listed = "README.md a-q4_k_m.gguf a-q8_0.gguf tokenizer.json";
        for wanted in [
            Wanted::Gguf("a-q8_0.gguf"),
            Wanted::Gguf("*q8*"),
            Wanted::Matching(&["*q8_0.gguf".to_owned()]),
        ] {
            let (names, weights) = chosen(listed, wanted);
            assert_eq!(names, "a-q8_0.gguf tokenizer.json");
            let path = "a-q8_0.gguf".to_owned();
            assert_eq!(weights, Weights::Gguf { path, tokenizer: true });
        }
        for (wanted, message) in [
            (Wanted::Model, "choose one with --gguf FILE: a-q4_k_m.gguf (1 B), a-q8_0.gguf (1 B)"),
            (Wanted::Gguf("*"), "fits several"),
            (Wanted::Gguf("b.gguf"), "there are: a-q4_k_m.gguf"),
        ] {
            let error = refused(listed, wanted);
            assert!(error.contains(message), "{error}");
        }
        let (names, _) = chosen("only.gguf README.md", Wanted::Model);
        assert_eq!(names, "only.gguf");
    }

    #[test]
    fn a_part_of_a_gguf_file_is_refused() {
        let listed = "d/a-q8_0-00001-of-00002.gguf d/a-q8_0-00002-of-00002.gguf a-1-of-b.gguf";
        let error = refused(listed, Wanted::Gguf("*00001*"));
        assert!(error.contains("one part of several"), "{error}");
        assert_eq!(chosen(listed, Wanted::Gguf("a-1-of-b.gguf")).0, "a-1-of-b.gguf");
    }

    #[test]
    fn included_files_come_alone() {
        let listed = "config.json model.safetensors tokenizer.json";
        let (names, weights) = chosen(listed, Wanted::Matching(&["tokenizer.*".to_owned()]));
        assert_eq!((names.as_str(), weights), ("tokenizer.json", Weights::None));
        let error = refused(listed, Wanted::Matching(&["*.gguf".to_owned()]));
        assert!(error.contains("fits no file; there are: config.json (1 B)"), "{error}");
    }

    #[test]
    fn a_model_without_usable_weights_is_refused() {
        let error = refused("config.json model.onnx", Wanted::Model);
        assert!(error.contains("no weights") && error.contains("model.onnx (1 B)"), "{error}");
    }
}
