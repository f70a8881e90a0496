//! Words that are not said, in what a verdict repeats.

use super::*;
use crate::turn::filter::Action;

#[test]
fn what_a_verdict_repeats_of_the_evidence_is_masked_like_the_answer() {
    let now = Instant::now();
    for (help, proved) in [(NOBODY, false), (JUDGE, true)] {
        let mut check = check("annotate", help);
        check.avoid(Words::new(["人40元"], Action::Withhold).unwrap());
        let mut events = check.push(draft(FALSE), now);
        if proved {
            check.effects();
            let answer = says(&[(0, "contradicted", "门票每人40元", Some("票价40元。"))]);
            events.extend(check.reply(judged(0, Ok(answer)), now));
        }
        let verdict = verdicts(&events)[0];
        let correction = verdict.correction.as_ref().unwrap();
        let quote = proved.then_some("门票每****");
        assert_eq!((correction.proved, correction.quote.as_deref()), (proved, quote));
        assert!(!correction.text.contains("人40元"), "{correction:?}");
        assert_eq!(verdict.spans[0].value, "80元");
    }
    let mut check = check("annotate", NOBODY);
    check.avoid(Words::new(["40元"], Action::Mask).unwrap());
    let events = check.push(draft(FALSE), now);
    let verdict = verdicts(&events)[0];
    let nearest = verdict.spans[0].nearest.as_deref();
    let correction = verdict.correction.as_ref().map(|correction| &correction.text[..]);
    assert_eq!((nearest, correction), (Some("***"), Some("门票每人***。")));
}
