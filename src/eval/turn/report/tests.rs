use super::*;

#[test]
fn figures_are_those_counted_by_hand_and_hostile_text_stays_text() {
    let timing = |total_ms| {
        Some(Timing { total_ms, first_sentence_ms: Some(total_ms / 2), ..Timing::default() })
    };
    let base = || TurnRecord {
        dialogue: "<img src=x onerror=alert(1)>".to_owned(),
        turn: 1,
        fewer_than: Some(25),
        units: 10,
        timing: timing(100),
        ..TurnRecord::default()
    };
    let unchecked = Verdict::unchecked(0, "no_evidence");
    let turns = vec![
        TurnRecord { expected: 2, found: 1, verdicts: vec![unchecked], ..base() },
        TurnRecord { expected: 1, found: 1, units: 30, too_long: true, ..base() },
        TurnRecord { forbidden: true, fewer_than: None, timing: timing(300), ..base() },
        TurnRecord {
            error: Some("down".to_owned()),
            expected: 1,
            timing: None,
            fewer_than: None,
            ..base()
        },
    ];
    let report = Report::new("it".to_owned(), "scripted".to_owned(), 5, true, turns);
    let summary = &report.summary;
    // A half, a whole and nothing.
    assert_eq!((summary.failed, summary.facts), (1, Some(0.5)));
    assert_eq!((summary.forbidden, summary.limited, summary.too_long), (1, 2, 1));
    assert!((summary.units.unwrap() - 50.0 / 3.0).abs() < 1e-9);
    assert_eq!(summary.verdicts.get("unchecked"), Some(&1));
    let total = summary.total.unwrap();
    assert_eq!((total.count, total.p50_ms, total.p99_ms), (3, 100.0, 300.0));
    let page = report.page();
    assert!(!page.contains("<img") && page.contains("&lt;img"));
    let mut table = Vec::new();
    report.write(&mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("30 long, over its limit") && table.contains("failed: down"), "{table}");
    assert!(table.contains("interrupted") && table.contains("4 of 5 turns"), "{table}");
}
