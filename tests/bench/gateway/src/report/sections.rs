//! The tables, one for each lane, and the bars that the figures are held to.

use super::{Cell, Figures, Section};
use crate::{
    arm::Name,
    lane::{
        latency::{Course, Latency},
        load::Load,
    },
    plan::GOODPUT,
    statistics::{Interval, Samples, number, ratio},
};

impl Figures {
    pub(super) fn sections(&self) -> Vec<Section> {
        let mut sections = vec![self.bars()];
        if let Some(latency) = &self.latency {
            sections.extend([passing(latency), turning(latency)]);
        }
        sections.push(loads(
            "Streams in their pace: 300 ms to the first of 100 tokens, 20 ms between them",
            "paced",
            &self.paced,
        ));
        sections.push(loads("50 tokens a second in every stream", "goodput", &self.goodput));
        sections.push(loads(
            "The same with more and more streams, as long as an arm keeps up",
            "ladder",
            &self.ladder,
        ));
        sections.push(self.breaking_off());
        sections
    }

    /// Anima's figures beside what they are held to.
    fn bars(&self) -> Section {
        let mut rows = Vec::new();
        let mut bar = |what: &str, figure: String, bar: &str, met: bool| {
            let met = if met { "yes" } else { "NO" };
            rows.push([what, &figure, bar, met].map(Cell::text).into());
        };
        if let Some(latency) = &self.latency {
            if let Some(added) = latency.over_direct(Name::Anima) {
                let figure = format!("{added:.0} µs");
                bar("added to the first token, p50", figure, "≤ 150 µs", added <= 150.0);
            }
            if let Some(Interval { low, middle, high }) = latency.against(Name::Litellm) {
                let figure = format!("{middle:.0} times ({low:.0} to {high:.0})");
                bar("LiteLLM adds so many times as much", figure, "≥ 60 times", middle >= 60.0);
            }
            if let Some(course) = latency.find(Name::Turn) {
                let added = course.pooled(&latency.standing, |part| &part.added);
                let (half, most) = (added.permille(500), added.permille(990));
                let met = half <= 250.0 && most <= 1000.0;
                let figure = format!("p50 {half:.0} µs, p99 {most:.0} µs");
                let limit = "≤ 250 µs, ≤ 1,000 µs";
                bar("whole turn, added to the first sentence", figure, limit, met);
            }
        }
        let cost = |loads: &[(Name, Load)], name: Name| {
            let costs = loads.iter().filter(|(of, _)| *of == name).map(|(_, load)| load.cost);
            costs.reduce(f64::max)
        };
        if let Some(cost) = cost(&self.paced, Name::Anima) {
            let figure = format!("{cost:.1} ms");
            bar("processor time of 1,000 tokens, at worst", figure, "≤ 12 ms", cost <= 12.0);
        }
        for (name, load) in self.goodput.iter().filter(|(name, _)| *name == Name::Anima) {
            let (streams, good) = (load.streams, load.goodput());
            let what = format!("{name}: {streams} streams of 50 tokens/s");
            bar(&what, format!("{good:.2} % good"), "≥ 99 %", good >= GOODPUT);
        }
        for (name, samples) in self.cancel.iter().filter(|(name, _)| name.is_ours()) {
            let most = samples.permille(990) / 1000.0;
            let what = format!("{name}: broken off ▸ model's connection closed, p99");
            bar(&what, format!("{most:.2} ms"), "≤ 5 ms", most <= 5.0);
        }
        Section {
            title: "Bars",
            key: "bars",
            columns: vec!["what", "figure", "bar", "met"],
            rows,
            notes: Vec::new(),
        }
    }

    fn breaking_off(&self) -> Section {
        let row = |(name, samples): &(Name, Samples)| {
            let mut row = vec![Cell::text(name.to_string())];
            for share in [500, 990, 1000] {
                row.push(Cell::number(samples.permille(share) / 1000.0, 2));
            }
            row.push(Cell::text(samples.len().to_string()));
            row
        };
        Section {
            title: "Broken off by the client ▸ the model's connection is closed, in milliseconds",
            key: "cancel",
            columns: vec!["arm", "p50", "p99", "most", "times"],
            rows: self.cancel.iter().map(row).collect(),
            notes: self.failures(),
        }
    }

    fn failures(&self) -> Vec<String> {
        let latency = self.latency.as_ref().map(|latency| &latency.faults);
        let failed = [Some(&self.faults), latency].into_iter().flatten();
        let note = |example: &String, failed| {
            format!("{failed} streams of other arms failed, for example: {example}")
        };
        failed.filter_map(|faults| Some(note(faults.example.as_ref()?, faults.failed))).collect()
    }
}

impl Latency {
    fn find(&self, name: Name) -> Option<&Course> {
        self.courses.iter().find(|course| course.name == name)
    }

    /// What an arm adds over the direct way, in each round that stands.
    fn over_direct_by_round(&self, name: Name) -> Option<Vec<f64>> {
        let direct = self.find(Name::Direct)?.medians(&self.standing);
        let medians = self.find(name)?.medians(&self.standing);
        Some(medians.iter().zip(direct).map(|(arm, direct)| arm - direct).collect())
    }

    fn over_direct(&self, name: Name) -> Option<f64> {
        Some(self.over_direct_by_round(name)?.into_iter().collect::<Samples>().median())
    }

    /// How many times as much as Anima another arm adds.
    fn against(&self, name: Name) -> Option<Interval> {
        let anima = self.over_direct_by_round(Name::Anima)?;
        Some(ratio(&self.over_direct_by_round(name)?, &anima))
    }

    fn notes(&self) -> Vec<String> {
        let rounds = self.standing.len() + self.void.len();
        let mut notes = self.void.clone();
        if rounds > self.courses.first().map_or(0, |course| course.parts.len()) {
            notes.push("No round stands; the figures are of all of them.".to_owned());
        }
        notes
    }
}

/// The arms that hand a stream on.
fn passing(latency: &Latency) -> Section {
    let row = |course: &Course| {
        let added = course.pooled(&latency.standing, |part| &part.added);
        let tokens = course.pooled(&latency.standing, |part| &part.tokens);
        let times = match latency.against(course.name) {
            Some(Interval { low, middle, high }) if course.name != Name::Direct => {
                Cell::text(format!("{middle:.1} ({low:.1} to {high:.1})"))
            }
            _ => Cell::text(""),
        };
        vec![
            Cell::text(course.name.to_string()),
            Cell::number(added.permille(500), 0),
            Cell::number(added.permille(990), 0),
            Cell::number(latency.over_direct(course.name).unwrap_or(f64::NAN), 0),
            times,
            Cell::number(tokens.permille(500), 0),
            Cell::number(tokens.permille(990), 0),
            Cell::text(added.len().to_string()),
            Cell::text(if course.is_rig_limited() { "rig-limited" } else { "" }),
        ]
    };
    Section {
        title: "One stream at a time from an instant model, in microseconds",
        key: "latency",
        columns: vec![
            "arm",
            "way to the first token p50",
            "p99",
            "added over direct p50",
            "times Anima's",
            "a token's way p50",
            "p99 ",
            "streams",
            "",
        ],
        rows: latency.courses.iter().filter(|course| !course.name.is_turn()).map(row).collect(),
        notes: latency.notes(),
    }
}

/// The arms that take whole turns.
fn turning(latency: &Latency) -> Section {
    let row = |course: &Course| {
        let mut row = vec![Cell::text(course.name.to_string())];
        let added = course.pooled(&latency.standing, |part| &part.added);
        let kept = course.pooled(&latency.standing, |part| &part.kept);
        let beside = course.pooled(&latency.standing, |part| &part.beside);
        for samples in [&added, &kept, &beside] {
            row.push(Cell::number(samples.permille(500), 0));
            row.push(Cell::number(samples.permille(990), 0));
        }
        row.push(Cell::text(added.len().to_string()));
        row.push(Cell::text(if course.is_rig_limited() { "rig-limited" } else { "" }));
        row
    };
    Section {
        title: "Whole turns, one at a time from an instant model, in microseconds; nothing is \
                subtracted but the mock's own time",
        key: "turns",
        columns: vec![
            "arm",
            "added to the first sentence p50",
            "p99",
            "of it say ▸ accepted p50",
            "p99 ",
            "the rest p50",
            "p99  ",
            "turns",
            "",
        ],
        rows: latency.courses.iter().filter(|course| course.name.is_turn()).map(row).collect(),
        notes: latency.notes(),
    }
}

/// What arms did under load.
fn loads(title: &'static str, key: &'static str, loads: &[(Name, Load)]) -> Section {
    let row = |(name, load): &(Name, Load)| {
        let state = match (load.is_rig_limited(), load.is_saturated()) {
            (true, _) => "rig-limited",
            (_, true) => "saturated",
            _ => "",
        };
        // The mock is no process of its own.
        let cell = |value, decimals| match name {
            Name::Direct => Cell::number(f64::NAN, 0),
            _ => Cell::number(value, decimals),
        };
        vec![
            Cell::text(name.to_string()),
            Cell::number(number(load.streams), 0),
            cell(load.cost, 2),
            Cell::number(load.rate, 0),
            Cell::number(load.goodput(), 2),
            Cell::number(load.added.permille(500), 0),
            Cell::number(load.added.permille(990), 0),
            Cell::number(load.way_back.permille(990), 0),
            cell(load.memory, 1),
            cell(load.share, 0),
            Cell::text(format!("{:.0} / {:.0}", load.arm.busy, load.rig.busy)),
            Cell::number(load.arm.stolen.max(load.rig.stolen), 1),
            Cell::text(state),
        ]
    };
    Section {
        title,
        key,
        columns: vec![
            "arm",
            "streams",
            "CPU ms / 1,000 tokens",
            "tokens/s",
            "good %",
            "added first p50 µs",
            "p99 µs",
            "token p99 µs",
            "RSS MiB",
            "CPU % arm",
            "busy % there / rig",
            "stolen %",
            "",
        ],
        rows: loads.iter().map(row).collect(),
        notes: Vec::new(),
    }
}
