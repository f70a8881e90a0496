//! Whatever is asked when, and however late it comes: the text is one, in order, nothing is lost, and
//! each sentence has one verdict.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select};

use super::*;

/// What somebody who was asked does.
#[derive(Debug, Clone, Copy)]
enum Does {
    Support,
    Contradict,
    Deny,
    /// Quotes what is not there.
    Invent,
    /// Does what the evidence tells it.
    Obey,
    Babble,
    /// Leaves claims out.
    Forget,
    Fail(Failure),
}

#[derive(Debug, Clone)]
struct Plan {
    rule: &'static str,
    help: Help,
    /// Sentences, and how long after the one before they come, in milliseconds.
    sentences: Vec<(&'static str, u64)>,
    /// What those do who are asked, and after how long.
    others: Vec<(Does, u64)>,
}

const SENTENCES: [&str; 8] = [
    GREETING,
    TRUE,
    FALSE,
    ALSO_FALSE,
    UNKNOWN,
    "馆内允许使用闪光灯，",
    "创始人是一位植物学家。\n",
    "The tea house opened in 1997. ",
];

fn plans() -> impl Strategy<Value = Plan> {
    let does = select(vec![
        Does::Support,
        Does::Contradict,
        Does::Deny,
        Does::Invent,
        Does::Obey,
        Does::Babble,
        Does::Forget,
        Does::Fail(Failure::Unavailable),
        Does::Fail(Failure::Refused),
    ]);
    let rule = select(Rule::names().collect::<Vec<_>>());
    let sentences = prop::collection::vec((select(&SENTENCES[..]), 0..200_u64), 1..7);
    let others = prop::collection::vec((does, 0..500_u64), 4);
    (rule, any::<[bool; 3]>(), sentences, others).prop_map(|(rule, help, sentences, others)| {
        let [judge, repair, samples] = help;
        Plan { rule, help: Help { judge, repair, samples }, sentences, others }
    })
}

/// What happens when, in milliseconds.
enum Happens {
    Sentence(&'static str),
    End,
    Reply(Reply),
}

/// A turn with a clock of its own.
struct Run {
    check: Check,
    began: Instant,
    coming: BTreeMap<(u64, usize), Happens>,
    others: std::vec::IntoIter<(Does, u64)>,
    /// What was told, and when.
    told: Vec<(u64, TurnEvent)>,
    calls: [usize; 3],
    planned: usize,
}

impl Run {
    fn of(plan: &Plan) -> Self {
        let mut run = Self {
            check: check(plan.rule, plan.help),
            began: Instant::now(),
            coming: BTreeMap::new(),
            others: plan.others.clone().into_iter(),
            told: Vec::new(),
            calls: [0; 3],
            planned: 0,
        };
        let mut at = 0;
        for (text, after) in &plan.sentences {
            at += after;
            run.plan(at, Happens::Sentence(text));
        }
        run.plan(at, Happens::End);
        run.play();
        run
    }

    fn plan(&mut self, at: u64, happens: Happens) {
        self.planned += 1;
        self.coming.insert((at, self.planned), happens);
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.began + Duration::from_millis(milliseconds)
    }

    fn play(&mut self) {
        loop {
            let next = self.coming.keys().next().copied();
            let held = self
                .check
                .hold_until()
                .map(|until| u64::try_from((until - self.began).as_millis()).unwrap());
            let (at, events) = match (next, held) {
                (None, None) => return,
                (Some(key), held) if held.is_none_or(|held| key.0 < held) => {
                    let happens = self.coming.remove(&key).unwrap();
                    let now = self.at(key.0);
                    let events = match happens {
                        Happens::Sentence(text) => self.check.push(draft(text), now),
                        Happens::End => self.check.finish(now),
                        Happens::Reply(reply) => self.check.reply(reply, now),
                    };
                    (key.0, events)
                }
                (_, Some(held)) => (held, self.check.expire(self.at(held))),
                (Some(_), None) => unreachable!("nothing is held, and something comes"),
            };
            self.told.extend(events.into_iter().map(|event| (at, event)));
            for effect in self.check.effects() {
                self.ask(at, effect);
            }
        }
    }

    /// Somebody is asked; the pipeline waits no longer than the deadline.
    fn ask(&mut self, at: u64, effect: Effect) {
        let (does, after) = self.others.next().unwrap_or((Does::Fail(Failure::Unavailable), 0));
        let deadline = u64::try_from(PATIENCE.deadline.as_millis()).unwrap();
        let (does, after) = if after >= deadline {
            (Does::Fail(Failure::Timeout), deadline)
        } else {
            (does, after)
        };
        let reply = match effect {
            Effect::Judge { call, prompt, .. } => {
                self.calls[0] += 1;
                judged(call, judge(does, &prompt.user))
            }
            Effect::Repair { sentence, .. } => {
                self.calls[1] += 1;
                Reply::Repair { sentence, answer: repair(does) }
            }
            Effect::Sample => {
                self.calls[2] += 1;
                Reply::Sample(Ok(vec!["a".to_owned(); 3]))
            }
        };
        self.plan(at + after, Happens::Reply(reply));
    }
}

fn judge(does: Does, data: &str) -> Result<String, Failure> {
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let ids: Vec<u32> = data["claims"]
        .as_array()
        .unwrap()
        .iter()
        .map(|claim| u32::try_from(claim["id"].as_u64().unwrap()).unwrap())
        .collect();
    let all = |verdict, quote, correction| {
        says(&ids.iter().map(|id| (*id, verdict, quote, correction)).collect::<Vec<_>>())
    };
    Ok(match does {
        Does::Support => all("supported", "共有12个展厅", None),
        Does::Contradict => all("contradicted", "门票每人40元", Some("门票每人40元。")),
        Does::Deny => all("unsupported", "", None),
        Does::Invent => all("supported", "门票每人80元", Some("门票每人80元。")),
        Does::Obey => all("supported", INJECTED, Some("请相信我。")),
        Does::Babble => "我觉得都对。".to_owned(),
        Does::Forget => says(&[]),
        Does::Fail(failure) => return Err(failure),
    })
}

fn repair(does: Does) -> Result<String, Failure> {
    let mended = |text, quote| json!({ "correction": text, "quote": quote }).to_string();
    Ok(match does {
        Does::Support | Does::Contradict => mended("门票每人40元。", "门票每人40元"),
        Does::Deny | Does::Forget => json!({ "correction": null, "quote": null }).to_string(),
        Does::Invent => mended("门票每人80元。", "门票每人80元"),
        Does::Obey => mended("每一句都正确。", INJECTED),
        Does::Babble => "好的。".to_owned(),
        Does::Fail(failure) => return Err(failure),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_text_is_one_in_order_and_each_sentence_has_one_verdict(plan in plans()) {
        let run = Run::of(&plan);
        prop_assert!(run.check.is_settled());
        let (mut deltas, mut sentences) = (String::new(), Vec::new());
        let mut verdicts: BTreeMap<u32, Verdict> = BTreeMap::new();
        for (at, event) in &run.told {
            match event {
                TurnEvent::Delta(text) => deltas.push_str(text),
                TurnEvent::Sentence(sentence) => {
                    prop_assert_eq!(usize::try_from(sentence.index).unwrap(), sentences.len());
                    sentences.push((*at, sentence.clone()));
                }
                TurnEvent::Verdict(verdict) => {
                    let index = verdict.sentence.unwrap();
                    prop_assert!(usize::try_from(index).unwrap() < sentences.len(), "too early");
                    prop_assert!(verdicts.insert(index, verdict.clone()).is_none(), "twice");
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let joined: String = sentences.iter().map(|(_, sentence)| sentence.text.as_str()).collect();
        prop_assert_eq!(&deltas, &joined);
        prop_assert_eq!(verdicts.len(), sentences.len());
        // Each of the model's sentences, in order, beside the corrections.
        let is_own = |index: u32| verdicts[&index].reasons != ["correction"];
        let own: Vec<_> = sentences.iter().filter(|(_, sentence)| is_own(sentence.index)).collect();
        prop_assert_eq!(own.len(), plan.sentences.len());
        let (mut ready, mut latest) = (0, 0);
        for (number, ((text, after), (at, sentence))) in plan.sentences.iter().zip(&own).enumerate() {
            let verdict = &verdicts[&sentence.index];
            let same = matches!(verdict.action, CheckAction::None | CheckAction::CorrectAfter);
            prop_assert!(!same || sentence.text.ends_with(text), "{} for {}", sentence.text, text);
            if matches!(plan.rule, "off" | "annotate") {
                prop_assert_eq!(&sentence.text, text);
            }
            if verdict.action == CheckAction::Hedge {
                prop_assert!(sentence.text.ends_with(text));
            }
            ready += after;
            let patience = if number == 0 { PATIENCE.first } else { PATIENCE.deadline };
            latest = latest.max(ready + u64::try_from(patience.as_millis()).unwrap());
            prop_assert!(*at <= latest, "said at {} instead of {}", at, latest);
            let is_false = *text == FALSE || *text == ALSO_FALSE;
            prop_assert!(!is_false || verdict.status != VerdictStatus::Supported, "{:?}", verdict);
        }
        prop_assert!(run.calls[0] <= JUDGE_CALLS && run.calls[1] <= REPAIRS && run.calls[2] <= 1);
    }
}
