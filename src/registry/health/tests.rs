use anima_provider::ProviderError;

use super::*;

fn health(kind: &str) -> Arc<Health> {
    Arc::new(Health::new("it", kind, Some("m".to_owned())))
}

fn enter(health: &Arc<Health>) -> Pass {
    health.enter(BreakerSettings::default()).unwrap()
}

fn asked(health: &Arc<Health>) -> Pass {
    let mut pass = enter(health);
    pass.asked();
    pass
}

#[test]
fn every_attempt_is_counted_once_and_leaves_no_place_taken() {
    let health = health("openai");
    drop(enter(&health));
    assert_eq!(health.report().attempts, 0, "nobody was asked");
    let mut answered = asked(&health);
    answered.queued();
    answered.queued();
    assert_eq!((health.report().queued, health.report().in_flight), (1, 0));
    answered.admitted("m-2");
    assert_eq!((health.report().queued, health.report().in_flight), (0, 1));
    answered.first_token();
    answered.first_sentence();
    answered.answered();
    let mut cut = asked(&health);
    cut.queued();
    drop(cut);
    let mut failed = asked(&health);
    failed.admitted("m-2");
    failed.failed(&ProviderError::Timeout(Duration::from_secs(8)), "it: nothing came");
    drop(failed);
    let mut full = asked(&health);
    full.failed(&ProviderError::RateLimited { retry_after: None }, "it: full");
    drop(full);
    let report = health.report();
    assert_eq!((report.attempts, report.failures), (4, 1));
    assert_eq!((report.queued, report.in_flight), (0, 0));
    let endings = [("answered", 1), ("given_up", 1), ("queue_full", 1), ("timeout", 1)];
    assert_eq!(report.endings, BTreeMap::from(endings));
    assert_eq!(report.model.as_deref(), Some("m-2"));
    assert_eq!(report.first_token.unwrap().count, 1);
    assert_eq!(report.first_sentence.unwrap().count, 1);
    assert_eq!(report.last_error.unwrap().message, "it: nothing came");
}

#[test]
fn a_local_model_that_works_is_not_asked_beside_another() {
    for (kind, free) in [("local", false), ("openai", true)] {
        let health = health(kind);
        assert!(health.is_free());
        let mut pass = asked(&health);
        pass.admitted("m");
        assert_eq!(health.is_free(), free, "{kind}");
        drop(pass);
        assert!(health.is_free());
    }
}

#[test]
fn an_attempt_that_tries_a_provider_and_is_given_up_leaves_that_to_the_next() {
    let health = health("openai");
    let settings = BreakerSettings { failures: 1, open_ms: 0, ..BreakerSettings::default() };
    let mut pass = health.enter(settings).unwrap();
    pass.asked();
    pass.failed(&ProviderError::Unavailable("down".into()), "it: down");
    assert!(!health.is_free());
    let trying = health.enter(settings).unwrap();
    assert_eq!(health.report().breaker, BreakerReport::HalfOpen);
    assert!(health.enter(settings).is_err());
    drop(trying);
    let mut trying = health.enter(settings).unwrap();
    trying.asked();
    trying.admitted("m");
    trying.first_sentence();
    assert_eq!(health.report().breaker, BreakerReport::Closed);
    drop(trying);
    assert_eq!(health.report().endings["given_up"], 1);
    assert!(health.is_free());
}
