//! Lists the built page of `static/`, so that the program carries it: a table of paths, kinds, contents
//! and tags for `src/surface/front.rs`.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let mut paths = Vec::new();
    list(&folder, &mut paths)?;
    paths.sort();
    let mut table = String::from("&[\n");
    for path in paths.iter().filter(|path| path.extension().is_none_or(|kind| kind != "gz")) {
        table.push_str(&row(&folder, path)?);
    }
    table.push_str("]\n");
    let target = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&target).join("page.rs"), table)
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// A line of the table.
fn row(folder: &Path, path: &Path) -> io::Result<String> {
    let name = path.strip_prefix(folder).map_err(io::Error::other)?;
    let name = name.to_string_lossy().replace('\\', "/");
    let mut tag = DefaultHasher::new();
    fs::read(path)?.hash(&mut tag);
    let path = path.display().to_string();
    let smaller = format!("{path}.gz");
    let gzip = if Path::new(&smaller).exists() {
        format!("Some(include_bytes!({smaller:?}))")
    } else {
        "None".to_owned()
    };
    Ok(format!(
        "    File {{ path: {name:?}, kind: {:?}, content: include_bytes!({path:?}), gzip: {gzip}, tag: \"\\\"{:016x}\\\"\" }},\n",
        kind(&name)?,
        tag.finish(),
    ))
}

/// How browsers are told what a file is.
fn kind(name: &str) -> io::Result<&'static str> {
    Ok(match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "ts" => "text/plain; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return Err(io::Error::other(format!("static/{name}: add its kind to build.rs"))),
    })
}
