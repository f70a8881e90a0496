//! Writes a checkpoint as `torch.save` does, for tests.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A tensor: its name, its shape and its values.
pub(crate) type Tensor<'a> = (&'a str, &'a [usize], &'a [f32]);

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X".as_slice(), &length, text.as_bytes()].concat()
}

fn number(number: usize) -> Vec<u8> {
    [b"J".as_slice(), &i32::try_from(number).unwrap().to_le_bytes()].concat()
}

fn tuple(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<u8> = items.into_iter().flatten().collect();
    [b"(".as_slice(), &items, b"t"].concat()
}

/// The pickle that describes `tensors`, each of which has a storage of its own.
fn pickle(tensors: &[Tensor]) -> Vec<u8> {
    let mut bytes = b"\x80\x02}(".to_vec();
    for (key, (name, shape, values)) in tensors.iter().enumerate() {
        let storage = tuple([
            text("storage"),
            b"ctorch\nFloatStorage\n".to_vec(),
            text(&key.to_string()),
            text("cpu"),
            number(values.len()),
        ]);
        let strides = (0..shape.len()).map(|at| number(shape[at + 1..].iter().product()));
        let arguments = tuple([
            [storage, b"Q".to_vec()].concat(),
            number(0),
            tuple(shape.iter().copied().map(number)),
            tuple(strides),
            b"\x89".to_vec(),
            b"ccollections\nOrderedDict\n)R".to_vec(),
        ]);
        bytes.extend(text(name));
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n");
        bytes.extend(arguments);
        bytes.push(b'R');
    }
    bytes.extend(b"u.");
    bytes
}

/// The file as a whole.
pub(crate) fn checkpoint(tensors: &[Tensor]) -> Vec<u8> {
    archive(&pickle(tensors), tensors)
}

/// The file with a pickle of the caller's.
pub(crate) fn archive(pickle: &[u8], tensors: &[Tensor]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, content: &[u8]| {
        archive.start_file(format!("model/{name}"), options).unwrap();
        archive.write_all(content).unwrap();
    };
    add("data.pkl", pickle);
    add("byteorder", b"little");
    for (key, (_, _, values)) in tensors.iter().enumerate() {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        add(&format!("data/{key}"), &bytes);
    }
    add("version", b"3\n");
    archive.finish().unwrap().into_inner()
}
