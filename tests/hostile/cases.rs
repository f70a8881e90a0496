//! Bad inputs and the right answers, as data: every file in `cases/` against one running service.

mod request;
mod talk;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::Deserialize;
use serde_json::json;

use crate::process::Process;

/// Cases that run at a time.
const AT_A_TIME: usize = 8;

/// Fewer would mean that a file was not read.
const AT_LEAST: usize = 250;

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    request: Vec<request::Case>,
    #[serde(default)]
    socket: Vec<talk::Case>,
}

/// A case of either kind.
enum Case {
    Request(request::Case),
    Socket(talk::Case),
}

impl Case {
    fn name(&self) -> &str {
        match self {
            Self::Request(case) => &case.name,
            Self::Socket(case) => &case.name,
        }
    }

    fn run(&self, service: &Process, known: &HashMap<&str, String>) -> Result<(), String> {
        match self {
            Self::Request(case) => case.run(service, known),
            Self::Socket(case) => case.run(service, known),
        }
    }
}

/// Every case with the group it belongs to, the name of its file.
fn load() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/cases");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let group = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{group}: {error}"));
        cases.extend(file.request.into_iter().map(|case| (group.clone(), Case::Request(case))));
        cases.extend(file.socket.into_iter().map(|case| (group.clone(), Case::Socket(case))));
    }
    cases
}

/// What the cases may refer to.
fn known(service: &Process) -> HashMap<&'static str, String> {
    let session = service.session();
    let turn = json!({ "turn": "known", "text": "Hello." });
    assert_eq!(service.turn(&session, &turn).status, 200);
    HashMap::from([
        ("host", service.address().to_string()),
        ("port", service.address().port().to_string()),
        ("session", session),
        ("empty_session", service.session()),
    ])
}

#[test]
fn every_bad_input_gets_the_right_answer() {
    let mut service = Process::start();
    let known = known(&service);
    let cases = load();
    let names: HashSet<_> = cases.iter().map(|(group, case)| (group, case.name())).collect();
    assert_eq!(names.len(), cases.len(), "two cases of a file have one name");
    assert!(cases.len() >= AT_LEAST, "only {} cases", cases.len());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((group, case)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(problem) = case.run(&service, &known) {
                        let line = format!("{group}: {}: {problem}", case.name());
                        failed.lock().unwrap().push((group, line));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("{}", table(&cases, &failed.iter().map(|(group, _)| *group).collect::<Vec<_>>()));
    let lines: Vec<_> = failed.iter().map(|(_, line)| line.as_str()).collect();
    assert!(lines.is_empty(), "{} of {}:\n{}", lines.len(), cases.len(), lines.join("\n"));
    service.assert_well();
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

/// How many cases each group has, and how many of them failed.
fn table(cases: &[(String, Case)], failed: &[&String]) -> String {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for (group, _) in cases {
        *counts.entry(group).or_default() += 1;
    }
    let failures = |group| failed.iter().filter(|of| **of == group).count();
    let lines =
        counts.iter().map(|(group, count)| format!("{group:24}{count:8}{:8}", failures(*group)));
    let lines: Vec<_> = lines.collect();
    let total = format!("{:24}{:8}{:8}", "all", cases.len(), failed.len());
    format!("{:24}{:>8}{:>8}\n{}\n{total}", "group", "cases", "failed", lines.join("\n"))
}
