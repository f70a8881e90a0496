//! Holds the direction of dependencies: `surface → session → turn::pipeline → {registry, history,
//! the stages} → the vocabulary`. A `use` that breaks it fails here, with the line.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A rule: no file under `within` may name any of `forbidden`, but for the files in `except`.
struct Rule {
    within: &'static str,
    except: &'static [&'static str],
    forbidden: &'static [&'static str],
    because: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        within: "src/turn",
        except: &["src/turn/pipeline"],
        forbidden: &[
            "crate::registry",
            "crate::session",
            "crate::surface",
            "tokio",
            "actix_web",
            "reqwest",
            ".await",
        ],
        because: "a stage is a state machine without I/O",
    },
    Rule {
        within: "src/turn",
        except: &[],
        forbidden: &["crate::session", "crate::surface", "actix_web"],
        because: "a turn knows neither sessions nor wires",
    },
    Rule {
        within: "src/history",
        except: &[],
        forbidden: &[
            "crate::session",
            "crate::surface",
            "crate::registry",
            "turn::pipeline",
            "actix_web",
        ],
        because: "a store keeps, and knows nobody above it",
    },
    Rule {
        within: "src/session",
        except: &[],
        forbidden: &[
            "crate::surface",
            "actix_web",
            "actix_ws",
            "redb",
            "redis::",
            "anima_local",
            "anima_remote",
        ],
        because: "a session knows no wire, no store and no model in particular",
    },
    Rule {
        within: "src/surface",
        except: &[],
        forbidden: &[
            "dyn Provider",
            "anima_local",
            "anima_remote",
            "redb",
            "redis::",
            "EmbeddedStore",
            "RedisStore",
        ],
        because: "a surface touches neither a provider nor a store in particular",
    },
    Rule {
        within: "src/surface",
        except: &[],
        forbidden: &["SessionId::parse", "SessionId::generate"],
        because: "whose session it is comes first: ask the caller's tenant for it",
    },
    Rule {
        within: "src/access",
        except: &[],
        forbidden: &["crate::surface", "crate::session", "crate::history", "crate::registry"],
        because: "who may call knows nobody who answers",
    },
    Rule {
        within: "src/pull",
        except: &[],
        forbidden: &[
            "crate::history",
            "crate::registry",
            "crate::session",
            "crate::surface",
            "crate::turn",
        ],
        because: "fetching a model needs nothing of the service but the settings",
    },
    Rule {
        within: "src",
        except: &["src/registry/build.rs"],
        forbidden: &["anima_local", "mistralrs::", "RemoteProvider", "async_openai::"],
        because: "only the registry names a concrete provider",
    },
    Rule {
        within: "src",
        except: &["src/surface"],
        forbidden: &["StatusCode", "HttpResponse"],
        because: "only a surface knows a status code",
    },
    Rule {
        within: "providers/core",
        except: &[],
        forbidden: &["mistralrs", "actix", "reqwest", "anima::", "anima_local", "anima_remote"],
        because: "the leaf crate knows nobody",
    },
    Rule {
        within: "convert",
        except: &["convert/tests"],
        forbidden: &["mistralrs", "actix", "anima::", "anima_provider", "anima_local", "tokio"],
        because: "the converter knows neither the engine nor the service",
    },
    Rule {
        within: "knowledge",
        except: &["knowledge/tests", "knowledge/benches"],
        forbidden: &["actix", "anima::", "anima_provider", "anima_check", "tokio", "reqwest"],
        because: "what documents say needs neither a service nor a model",
    },
    Rule {
        within: "providers/remote",
        except: &[],
        forbidden: &["mistralrs", "actix", "anima::", "anima_local", "env::var", "fs::read"],
        because: "a remote provider knows HTTP and is given its secrets",
    },
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file that are code: no comments, and nothing from its tests on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The files that a rule is about: `within` is a folder and the module file beside it.
fn belongs(file: &str, place: &str) -> bool {
    file == place || file.starts_with(&format!("{place}/")) || file == format!("{place}.rs")
}

#[test]
fn dependencies_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["src", "providers", "convert", "knowledge"] {
        files(&root.join(folder), &mut all);
    }
    let mut broken = Vec::new();
    for path in &all {
        let file = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if file.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for rule in RULES.iter().filter(|rule| belongs(&file, rule.within)) {
            if rule.except.iter().any(|place| belongs(&file, place)) {
                continue;
            }
            for (number, line) in code(&text) {
                for forbidden in
                    rule.forbidden.iter().filter(|forbidden| line.contains(**forbidden))
                {
                    broken.push(format!(
                        "{file}:{}: `{forbidden}`, but {}",
                        number + 1,
                        rule.because
                    ));
                }
            }
        }
    }
    assert!(all.len() > 20, "the sources were not found");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in [
        "src",
        "benches",
        "convert",
        "knowledge",
        "providers/core/src",
        "providers/local/src",
        "providers/remote",
        "tests",
    ] {
        files(&root.join(folder), &mut all);
    }
    let silent: Vec<_> = all
        .iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "files without a first `//!` line: {silent:?}");
}
