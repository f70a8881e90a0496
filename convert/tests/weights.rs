//! Checkpoints: what torch wrote is what the new files hold, bit for bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt};

use anima_convert::{Progress, convert};
use serde_json::{Value, json};
use support::{Folder, checkpoint, config, data, read_safetensors, refusal, tensors, torch};

#[test]
fn every_form_of_tensor_that_torch_writes_keeps_its_bytes() {
    let folder = Folder::llama();
    folder.copy("forms.bin", "pytorch_model.bin");
    folder.convert().unwrap();
    let expected: BTreeMap<String, Value> =
        serde_json::from_slice(&fs::read(data("forms.json")).unwrap()).unwrap();
    let found = read_safetensors(&folder.converted("model.safetensors"));
    assert_eq!(found.len(), expected.len() - 1, "all but the frequencies");
    for tensor in found {
        let expected = &expected[&tensor.name];
        let dtype = match expected["dtype"].as_str().unwrap() {
            "torch.float32" => "F32",
            "torch.float16" => "F16",
            "torch.bfloat16" => "BF16",
            "torch.float64" => "F64",
            "torch.int64" => "I64",
            "torch.int8" => "I8",
            "torch.bool" => "BOOL",
            other => panic!("{other}"),
        };
        let hex = expected["bytes"].as_str().unwrap().as_bytes().chunks(2);
        let bytes: Vec<u8> = hex
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect();
        assert_eq!(
            (&tensor.dtype[..], &tensor.shape),
            (dtype, &expected["shape"]),
            "{}",
            tensor.name
        );
        assert_eq!(tensor.bytes, bytes, "{}", tensor.name);
    }
}

#[test]
fn one_file_becomes_one_file_and_frequencies_are_left_out() {
    let folder = Folder::llama();
    folder.convert().unwrap();
    let found = read_safetensors(&folder.converted("model.safetensors"));
    let names: Vec<_> = found.iter().map(|tensor| tensor.name.as_str()).collect();
    assert!(
        names.contains(&"lm_head.weight") && !names.iter().any(|name| name.contains("inv_freq"))
    );
    for (name, shape, values) in tensors() {
        let Some(tensor) = found.iter().find(|tensor| tensor.name == name) else { continue };
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!((&tensor.shape, &tensor.bytes), (&json!(shape), &bytes), "{name}");
    }
    assert!(!folder.out().join("model.safetensors.index.json").exists());
    assert!(!folder.out().with_file_name("new.part").exists());
}

/// A folder whose weights are in two parts.
fn in_parts() -> Folder {
    let folder = Folder::llama();
    folder.remove("pytorch_model.bin");
    let all = tensors();
    folder.write("pytorch_model-00001-of-00002.bin", checkpoint(&all[..5]));
    folder.write("pytorch_model-00002-of-00002.bin", checkpoint(&all[5..]));
    folder
}

#[test]
fn parts_stay_parts_and_the_index_names_every_tensor() {
    let folder = in_parts();
    folder.write_json(
        "pytorch_model.bin.index.json",
        &json!({"weight_map": {
        "model.norm.weight": "pytorch_model-00002-of-00002.bin"}}),
    );
    folder.convert().unwrap();
    let index = folder.converted_json("model.safetensors.index.json");
    let mut size = 0;
    let mut count = 0;
    for part in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        for tensor in read_safetensors(&folder.converted(part)) {
            assert_eq!(index["weight_map"][&tensor.name], part);
            size += tensor.bytes.len();
            count += 1;
        }
    }
    assert_eq!(index["metadata"]["total_size"], size);
    assert_eq!(index["weight_map"].as_object().unwrap().len(), count);
    assert_eq!(count, tensors().len() - 1);
}

#[test]
fn safetensors_that_are_there_are_linked_and_pickles_beside_them_ignored() {
    let first = Folder::llama();
    first.convert().unwrap();
    let folder = Folder::llama();
    folder.write("pytorch_model.bin", "not looked at");
    folder.write("model.safetensors", first.converted("model.safetensors"));
    folder.convert().unwrap();
    let inode = |path: std::path::PathBuf| fs::metadata(path).unwrap().ino();
    assert_eq!(
        inode(folder.path().join("model.safetensors")),
        inode(folder.out().join("model.safetensors"))
    );
}

#[test]
fn a_tied_table_of_tokens_is_written_once() {
    let folder = Folder::llama();
    let mut tied = config();
    tied["tie_word_embeddings"] = json!(true);
    folder.write_json("config.json", &tied);
    let report = folder.convert().unwrap();
    assert!(report.notes.iter().any(|note| note.starts_with("lm_head.weight is left out")));
    let found = read_safetensors(&folder.converted("model.safetensors"));
    assert!(found.iter().all(|tensor| tensor.name != "lm_head.weight"));

    let folder = Folder::llama();
    let without: Vec<_> =
        tensors().into_iter().filter(|(name, ..)| name != "lm_head.weight").collect();
    folder.write("pytorch_model.bin", checkpoint(&without));
    folder.convert().unwrap();
    assert_eq!(folder.converted_json("config.json")["tie_word_embeddings"], true);
}

#[test]
fn progress_is_told_in_bytes() {
    let folder = in_parts();
    let (mut total, mut advanced, mut files) = (0, 0, Vec::new());
    convert(&folder.request(), &mut |progress| match progress {
        Progress::Total(bytes) => total = bytes,
        Progress::File(name) => files.push(name.to_owned()),
        Progress::Advanced(bytes) => advanced += bytes,
    })
    .unwrap();
    assert_eq!(files, ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert!(total > 0 && total == advanced, "{advanced} of {total}");
}

#[test]
fn a_try_that_was_cut_off_leaves_nothing_under_a_final_name_and_can_be_resumed() {
    let folder = in_parts();
    let whole = {
        let folder = in_parts();
        folder.convert().unwrap();
        folder.converted("model-00001-of-00002.safetensors")
    };
    // What is left when the process is killed in the second part.
    let work = folder.out().with_file_name("new.part");
    fs::create_dir(&work).unwrap();
    fs::write(work.join("model-00001-of-00002.safetensors"), &whole).unwrap();
    fs::write(work.join("model-00002-of-00002.safetensors.part"), b"half").unwrap();
    let inode = fs::metadata(work.join("model-00001-of-00002.safetensors")).unwrap().ino();
    assert_eq!(
        refusal(&folder),
        "ROOT/new.part is left from an earlier try: --resume goes on with it, or delete it"
    );
    let mut request = folder.request();
    request.resume = true;
    convert(&request, &mut |_| {}).unwrap();
    let kept = fs::metadata(folder.out().join("model-00001-of-00002.safetensors")).unwrap().ino();
    assert_eq!(kept, inode, "the finished part is kept");
    assert_eq!(read_safetensors(&folder.converted("model-00002-of-00002.safetensors")).len(), 7);
    let left = fs::read_dir(folder.out()).unwrap().filter_map(Result::ok);
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
}

#[test]
fn a_cut_part_of_an_earlier_try_is_made_again() {
    let folder = in_parts();
    let work = folder.out().with_file_name("new.part");
    fs::create_dir(&work).unwrap();
    fs::write(work.join("model-00001-of-00002.safetensors"), b"cut").unwrap();
    let mut request = folder.request();
    request.resume = true;
    convert(&request, &mut |_| {}).unwrap();
    assert_eq!(read_safetensors(&folder.converted("model-00001-of-00002.safetensors")).len(), 5);
}

#[test]
fn broken_weights_are_refused_in_one_line() {
    let with = |name: &str, content: Vec<u8>| {
        let folder = in_parts();
        folder.write(name, content);
        refusal(&folder)
    };
    let second = "pytorch_model-00002-of-00002.bin";
    let good = checkpoint(&tensors()[5..]);
    for (content, expected) in [
        (Vec::new(), "the file is empty"),
        (b"<html>".to_vec(), "this is no checkpoint of torch"),
        (
            b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
            "this is a Git LFS pointer and not the file: git lfs pull",
        ),
        (
            fs::read(data("old.bin")).unwrap(),
            "it was saved by a torch older than 1.6: load it and save it again with torch.save",
        ),
        (
            fs::read(data("training.bin")).unwrap(),
            "model is a table of its own: this is a training state, not a model",
        ),
        (
            torch::archive(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", &[]),
            "data.pkl: it names os.system, which no table of tensors needs; nothing was run",
        ),
        (torch::archive(b"\x80\x02}.", &[]), "it holds no tensors"),
        (torch::archive(b"\x80\x02K\x01.", &[]), "data.pkl holds no table of tensors"),
        (
            checkpoint(&tensors()[4..]),
            "another file has tensor model.layers.0.self_attn.k_proj.weight, too",
        ),
    ] {
        let line = with(second, content);
        assert_eq!(line, format!("{second}: {expected}"));
    }
    let line = with(second, good[..good.len() - 30].to_vec());
    assert!(line.starts_with(&format!("{second}: the zip file: ")), "{line}");
    let folder = in_parts();
    folder.remove(second);
    assert_eq!(
        refusal(&folder),
        format!("{second} is missing: the other parts of the weights are here")
    );
    folder.write_json("pytorch_model.bin.index.json", &json!({"weight_map": {"a": "b.bin"}}));
    assert_eq!(refusal(&folder), "b.bin is missing: the index of the weights names it");
    folder.remove("pytorch_model-00001-of-00002.bin");
    assert_eq!(
        refusal(&folder),
        "pytorch_model.bin is missing: there are no weights in this folder"
    );
    folder.write("consolidated.00.pth", "");
    assert_eq!(
        refusal(&folder),
        "pytorch_model.bin is missing: this is Meta's original form; take the folder in Hugging Face's form (…-hf)"
    );
}

#[test]
fn a_tensor_beyond_its_storage_is_refused() {
    let shape = [2, 2];
    let good = torch::checkpoint(&[("a", &shape, &[1.0, 2.0, 3.0])]);
    let folder = Folder::llama();
    folder.write("pytorch_model.bin", good);
    assert_eq!(refusal(&folder), "pytorch_model.bin: tensor a: its storage has only 12 bytes");
}
