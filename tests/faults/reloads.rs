//! Configurations that are good and bad in turn while people talk: a bad one changes nothing and is
//! told, a good one counts from the next turn on, and no turn notices either.

use std::{fs, os::unix::fs::symlink, sync::Arc};

use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    count::{Count, Table},
    row::Row,
    service::{House, Service},
    size::Size,
    store::Store,
};

/// Who takes turns at a time.
const PEOPLE: usize = 8;

/// The providers that configurations name as the default.
const NAMES: [&str; 2] = ["one", "two"];

/// Each so many-th bad configuration is this one, which takes long to write.
const HUGE: (usize, &str) = (16, "10 MiB of nonsense");

/// What is wrong with the others.
const MISTAKES: [&str; 7] = [
    "truncated",
    "wrong type",
    "unknown key",
    "unknown provider",
    "missing key",
    "an empty base",
    "a link to nowhere",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_bad_reloads_under_load_fail_no_turn_and_mix_no_two_versions() {
    let size = Size::read();
    let mut table = Table::new("Reloads under load, every other one bad", size);
    let row = Row::of(19, "reloads, every other one bad");
    let (reloads, turns) = (size.of(32, 1000), size.of(80, 2000));
    let house = House::new(Store::Embedded, 1000);
    let mut files = Files::new(house);
    let service = Arc::new(files.house.start().await);
    let counts = Counts::default();
    let (enough, stop) = watch::channel(false);
    let mut talking = JoinSet::new();
    for session in service.sessions(PEOPLE).await {
        let (counts, service, stop) = (counts.clone(), Arc::clone(&service), stop.clone());
        talking
            .spawn(async move { talk(&service, &session, turns / PEOPLE, &stop, &counts).await });
    }
    let (mut wrong, mut bad) = (Vec::new(), 0_usize);
    for number in 0..reloads {
        if number % 2 == 0 {
            files.good(number / 2);
        } else {
            let huge = bad % HUGE.0 == HUGE.0 - 1;
            files.bad(if huge { HUGE.1 } else { MISTAKES[bad % MISTAKES.len()] });
            bad += 1;
        }
        let (status, _, told) = service.call("/admin/reload", &json!({})).await;
        let expected = if number % 2 == 0 { 200 } else { 422 };
        let clear = status == 200 || told["error"]["code"] == "invalid_configuration";
        if status != expected || !clear {
            wrong.push(format!("reload {number}: {status} {told}"));
        }
        if number % 2 == 1 {
            let default = default_of(&service).await;
            if default != files.default {
                wrong.push(format!("reload {number}: {default} instead of {}", files.default));
            }
        }
        files.mend();
    }
    enough.send_replace(true);
    let told = talking.join_all().await.concat();
    let refused = service.metric("anima_reloads_total{outcome=\"refused\"}").await;
    table.counted("reloads", reloads);
    table.counted("of them bad", bad);
    table.counted("configurations that the metrics say were refused", refused);
    table.counted("answered by the one", counts.by[0].get());
    table.counted("answered by the other", counts.by[1].get());
    let answered = counts.answered.get();
    table.counted("turns answered", answered);
    table.must_be(1, "enough of them", usize::from(answered >= turns / PEOPLE * PEOPLE));
    table.must_be(0, "bad ones that no metric tells", bad.saturating_sub(refused));
    table.never("failed, or answered by two versions", &told);
    table.never("reloads that were told wrongly, or changed something", &wrong);
    table.must_be(1, "both have answered", {
        usize::from(counts.by.iter().all(|count| count.get() > 0))
    });
    row.turns(answered + told.len(), told.len()).tell(
        format!(
            "{reloads} reloads ({bad} bad, {refused} refusals in the metrics), {answered} turns"
        ),
        format!("{} failed or mixed turns, {} reloads told wrongly", told.len(), wrong.len()),
        table.holds(),
    );
    table.end();
}

#[derive(Debug, Clone, Default)]
struct Counts {
    answered: Count,
    by: [Count; NAMES.len()],
}

/// What the playbook of a provider says, and each answer has to be.
fn answer(name: &str, said: &str) -> String {
    format!("{name} says {said}. It is still {name}. And {name} at last.")
}

/// Takes turns until it is told to stop, and at least so many; gives what was wrong.
async fn talk(
    service: &Service,
    session: &str,
    least: usize,
    stop: &watch::Receiver<bool>,
    counts: &Counts,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for number in 0.. {
        if number >= least && *stop.borrow() {
            break;
        }
        let said = format!("question {number}");
        let turn = json!({ "turn": format!("t{number}"), "text": said, "turns": 0 });
        let path = format!("/v1/sessions/{session}/turns");
        let (status, _, told) = service.call(&path, &turn).await;
        let by = NAMES.iter().position(|name| told["text"] == json!(answer(name, &said)));
        match by {
            Some(by) if status == 200 => {
                counts.answered.add(1);
                counts.by[by].add(1);
            }
            _ => wrong.push(format!("{status} {told}")),
        }
    }
    wrong
}

/// Who answers when nobody in particular is asked.
async fn default_of(service: &Service) -> String {
    let told = service.get("/admin/providers").await;
    let mut providers = told["providers"].as_array().unwrap().iter();
    let default = providers.find(|provider| provider["default"] == true).unwrap();
    default["name"].as_str().unwrap().to_owned()
}

/// The files of a configuration.
struct Files {
    house: House,
    base: String,
    /// The last good profile, and the default that it names.
    profile: String,
    default: &'static str,
}

impl Files {
    fn new(house: House) -> Self {
        let base = fs::read_to_string(house.path("config/base.toml")).unwrap();
        let mut files = Self { house, base, profile: String::new(), default: NAMES[0] };
        files.good(0);
        files
    }

    /// A good configuration: another default, and another version of a playbook.
    fn good(&mut self, number: usize) {
        for name in NAMES {
            let playbook = format!(
                "# version {number}\n[[answers]]\nsays = \"{}\"\ncharacters = 8\nevery_ms = 8\n",
                answer(name, "{said}")
            );
            self.replace(&format!("{name}.toml"), &playbook);
        }
        self.default = NAMES[number % 2];
        self.profile = format!("[turn]\nprovider = \"{}\"\n", self.default);
        for name in NAMES {
            let provider =
                format!("[providers.{name}]\nkind = \"scripted\"\nfile = \"{name}.toml\"\n");
            self.profile.push_str(&provider);
        }
        self.replace("config/faults.toml", &self.profile);
    }

    /// The same with another default and a mistake.
    fn bad(&self, mistake: &str) {
        let other = NAMES.iter().find(|name| **name != self.default).unwrap();
        let changed = self.profile.replacen(self.default, other, 1);
        let profile = match mistake {
            "truncated" => changed[..changed.len() - 7].to_owned(),
            "wrong type" => changed + "[server]\nmax_turns = \"many\"\n",
            "unknown key" => changed + "[server]\nmax_trns = 5\n",
            "unknown provider" => changed.replacen(other, "three", 1),
            "missing key" => {
                changed
                    + "[providers.far]\nkind = \"openai\"\nmodel = \"m\"\napi_key_env = \"NO_SUCH_KEY\"\n"
            }
            "10 MiB of nonsense" => "nonsense ".repeat((10 << 20) / 9),
            "an empty base" => {
                self.replace("config/base.toml", "");
                changed
            }
            "a link to nowhere" => {
                let (profile, link) =
                    (self.house.path("config/base.toml"), self.house.path("config/base.toml.new"));
                symlink(self.house.path("nowhere"), &link).unwrap();
                return fs::rename(link, profile).unwrap();
            }
            other => panic!("{other}"),
        };
        self.replace("config/faults.toml", &profile);
    }

    /// What the last good configuration was, beside the profile, which comes anew.
    fn mend(&self) {
        let base = self.house.path("config/base.toml");
        if fs::read_to_string(&base).ok().as_ref() != Some(&self.base) {
            self.replace("config/base.toml", &self.base);
        }
    }

    /// Writes a file as editors do: beside it, then in its place. Somebody who reads half a file may find
    /// it good.
    fn replace(&self, name: &str, text: &str) {
        let new = format!("{name}.new");
        self.house.write(&new, text);
        fs::rename(self.house.path(&new), self.house.path(name)).unwrap();
    }
}
