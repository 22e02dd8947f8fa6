//! The two handles forget nothing: every question, change and decision is an entry, and the log still verifies.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ecosystem_audit::access::{
    Authenticator, Effect, LoginError, LoginSettings, Outcome as Decided, Policy, Principal, Request, Rule,
    TokenSecret,
};
use ecosystem_audit::compliance::{Facts, Period, Settings, Standard, Verdict};
use ecosystem_audit::export::{Exporter, Format, import_log};
use ecosystem_audit::manage::{ActiveModel, AuditManager, ChangeError, SecurityError, SecurityManager};
use ecosystem_audit::query::Filter;
use ecosystem_audit::{AppendError, Draft, Json, Outcome, Severity, sha256};

fn security() -> SecurityManager {
    let policy = Policy::new("fleet", 4)
        .role("operator", &[])
        .rule(Rule::new("run", Effect::Allow, "vm.*").of_role("operator"))
        .rule(Rule::new("never", Effect::Deny, "vm.delete"));
    SecurityManager::new(policy, LoginSettings::default()).unwrap()
}

#[test]
fn events_are_found_exported_summed_up_and_verified_through_one_handle() {
    let mut audit = AuditManager::new();
    for i in 0..5_000_u64 {
        let draft = Draft::new(
            i * 1_000,
            if i % 7 == 0 { "ana" } else { "bo" },
            "vm.restart",
            format!("vm/{}", i % 10),
        );
        assert_eq!(audit.log_event(&draft).unwrap().seq, i);
    }
    let filter = Filter::new().actor("ana").limit(10);
    assert_eq!(audit.query_events(&filter).unwrap().hits.len(), 10);
    assert_eq!(audit.summary(&Filter::new().actor("ana")).count, 715, "all pages");
    let text = audit.export(&Exporter::new(Format::Jsonl), &Filter::new());
    assert_eq!(import_log(Format::Jsonl, text.as_bytes()).unwrap().root(), audit.log().root());
    assert!(audit.verify_integrity().ok());

    let bytes = audit.log().to_bytes();
    let (again, report) = AuditManager::open([&bytes[..]], &[audit.log().head()]);
    assert!(report.ok());
    let places = |audit: &AuditManager| -> Vec<u64> {
        audit.query_events(&filter).unwrap().hits.iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(places(&again), places(&audit));
    let (_, report) = AuditManager::open([&bytes[..bytes.len() / 2]], &[audit.log().head()]);
    assert!(!report.ok());
}

#[test]
fn a_question_and_a_report_are_entries_themselves() {
    let mut audit = AuditManager::new();
    audit.log_event(&Draft::new(5, "ana", "vm.stop", "vm/1")).unwrap();
    let filter = Filter::new().actor("ana");
    let answer = audit.answer(&filter, "auditor", 10).unwrap();
    assert_eq!(answer.count, 1);
    answer.check(audit.log(), &filter).unwrap();
    let period = Period::new(0, 1_000).unwrap();
    let (facts, settings) = (Facts::default(), Settings::default());
    let report =
        audit.compliance_report(Standard::Soc2, period, (&facts, &settings), ("auditor", 2_000)).unwrap();
    assert!(report.count(Verdict::Satisfied) < report.controls.len());
    let actions: Vec<_> = audit.log().entries().map(|entry| entry.action.to_owned()).collect();
    assert_eq!(actions, ["vm.stop", "audit.query", "audit.report"]);
}

#[test]
fn changes_are_versions_and_no_change_is_no_entry() {
    let mut audit = AuditManager::new();
    let states: Vec<Json> = (0..40).map(|i| Json::parse(&format!("{{\"cpu\":{i}}}")).unwrap()).collect();
    for (i, state) in states.iter().enumerate() {
        let at = i as u64 * 10;
        assert!(audit.track_change("vm/1", state, ("ana", Some("load")), at).unwrap().is_some());
        assert_eq!(
            audit.track_change("vm/1", state, ("ana", None), at + 1).unwrap(),
            None,
            "nothing changed"
        );
    }
    let history = audit.history("vm/1").unwrap();
    assert_eq!((history.versions().len(), history.current()), (40, &states[39]));
    assert_eq!(history.state_at(205), (21, states[20].clone()));
    assert_eq!(audit.log().size(), 40);
}

#[test]
fn every_decision_is_recorded_before_it_is_handed_out() {
    let (mut audit, mut security) = (AuditManager::new(), security());
    let ana = Principal::individual("ana").with_role("operator");
    let login = security.log_in(&mut audit, ana, [[1; 32], [2; 32]], 0).unwrap();
    let decide = |security: &mut SecurityManager, audit: &mut AuditManager, action, at| {
        security.authorize(audit, &login.access, &Request::new(action, "prod/db", at), "op-1")
    };
    assert!(decide(&mut security, &mut audit, "vm.stop", 1).unwrap().is_allowed());
    assert!(matches!(
        decide(&mut security, &mut audit, "vm.delete", 2).unwrap().outcome,
        Decided::Denied { .. }
    ));
    assert_eq!(decide(&mut security, &mut audit, "net.open", 3).unwrap().outcome, Decided::NotPermitted);
    let late = decide(&mut security, &mut audit, "vm.stop", 3_600_000);
    assert_eq!(late.unwrap_err(), SecurityError::Login(LoginError::Expired));
    let forged = TokenSecret::from_bytes([9; 32]);
    let request = Request::new("vm.stop", "prod/db", 3_600_001);
    assert!(security.authorize(&mut audit, &forged, &request, "").is_err());

    let decisions = audit.query_events(&Filter::new().action("access.decide")).unwrap().hits;
    let outcomes: Vec<_> = decisions.iter().map(|entry| (entry.actor, entry.outcome)).collect();
    let expected = [("ana", Outcome::Success), ("ana", Outcome::Denied), ("ana", Outcome::Denied)];
    assert_eq!(outcomes[..3], expected);
    assert_eq!(outcomes[3..], [("unknown", Outcome::Denied), ("unknown", Outcome::Denied)]);
}

#[test]
fn what_cannot_be_recorded_is_not_granted() {
    let (mut audit, mut security) = (AuditManager::new(), security());
    let nameless = Principal::individual("").with_role("operator");
    let refused = security.log_in(&mut audit, nameless, [[1; 32], [2; 32]], 0).unwrap_err();
    assert_eq!(refused, SecurityError::NotRecorded(AppendError::Empty { field: "actor" }));
    let token = TokenSecret::from_bytes([1; 32]);
    let request = Request::new("vm.stop", "prod/db", 1);
    let refused = security.authorize(&mut audit, &token, &request, "").unwrap_err();
    assert_eq!(refused, SecurityError::Login(LoginError::Unknown), "the log-in was taken back");

    let ana = Principal::individual("ana").with_role("operator");
    let login = security.log_in(&mut audit, ana, [[3; 32], [4; 32]], 0).unwrap();
    let long = "x".repeat(70_000);
    let request = Request::new("vm.stop", &long, 2);
    assert!(matches!(
        security.authorize(&mut audit, &login.access, &request, ""),
        Err(SecurityError::NotRecorded(_))
    ));
}

/// Knows one password.
struct Passwords;

#[derive(Debug, thiserror::Error)]
#[error("wrong password")]
struct Wrong;

impl Authenticator for Passwords {
    type Credentials = str;
    type Error = Wrong;

    fn authenticate(&mut self, password: &str, _: u64) -> Result<Principal, Wrong> {
        if password == "open sesame" { Ok(Principal::individual("ali")) } else { Err(Wrong) }
    }
}

#[test]
fn refused_credentials_copied_tokens_and_revocations_leave_entries() {
    let (mut audit, mut security) = (AuditManager::new(), security());
    let log_in = |security: &mut SecurityManager, audit: &mut AuditManager, password, seed: u8| {
        security.authenticate(audit, &mut Passwords, ("ali", password), [[seed; 32], [seed + 1; 32]], 5)
    };
    assert_eq!(log_in(&mut security, &mut audit, "sesame", 1).unwrap_err(), SecurityError::NotAuthenticated);
    let first = log_in(&mut security, &mut audit, "open sesame", 3).unwrap();
    security.refresh(&mut audit, &first.refresh, [[5; 32], [6; 32]], 6).unwrap();
    let copied = security.refresh(&mut audit, &first.refresh, [[7; 32], [8; 32]], 7).unwrap_err();
    assert_eq!(copied, SecurityError::Login(LoginError::Reused));
    log_in(&mut security, &mut audit, "open sesame", 11).unwrap();
    assert_eq!(security.revoke(&mut audit, "ali", "root-of-trust", 8).unwrap(), 1);
    let story: Vec<_> = audit.log().entries().map(|e| (e.action.to_owned(), e.outcome, e.severity)).collect();
    let event = |action: &str, outcome, severity| (action.to_owned(), outcome, severity);
    assert_eq!(
        story,
        [
            event("auth.login", Outcome::Denied, Severity::Warning),
            event("auth.login", Outcome::Success, Severity::Info),
            event("auth.refresh", Outcome::Denied, Severity::Alert),
            event("auth.login", Outcome::Success, Severity::Info),
            event("auth.revoke", Outcome::Success, Severity::Notice),
        ]
    );
}

#[test]
fn which_model_served_when_is_on_record_and_the_same_one_twice_is_not() {
    let mut audit = AuditManager::new();
    let first = ActiveModel::new("1.0.0", "production", sha256(b"weights"));
    let second = ActiveModel::new("1.1.0", "production", sha256(b"other weights"));
    assert_eq!(audit.model_at("cpu", 5_000), Ok(None));
    assert!(audit.activate_model("cpu", &first, ("ana", "first"), 1_000).unwrap().is_some());
    assert!(audit.activate_model("cpu", &first, ("ana", "again"), 2_000).unwrap().is_none());
    assert!(audit.activate_model("cpu", &second, ("bo", "less error"), 3_000).unwrap().is_some());
    assert!(audit.activate_model("memory", &first, ("bo", "first"), 4_000).unwrap().is_some());
    assert!(audit.activate_model("cpu", &first, ("ana", "back: it drifts"), 5_000).unwrap().is_some());

    let at = |at| audit.model_at("cpu", at).unwrap();
    assert_eq!(
        [999, 1_000, 2_999, 3_000, 4_999, 5_000].map(at),
        [None, Some(first.clone()), Some(first.clone()), Some(second.clone()), Some(second), Some(first)]
    );
    let history = audit.history("model/cpu").unwrap();
    assert_eq!(history.versions().len(), 3);
    assert!(history.versions().iter().all(|version| version.recorded));
    assert_eq!(history.versions()[2].reason.as_deref(), Some("back: it drifts"));
    let entries = audit.query_events(&Filter::new().action("model.activate")).unwrap();
    assert_eq!(entries.hits.len(), 4);
    assert!(matches!(
        audit.activate_model("cpu", &ActiveModel::new("2", "shadow", sha256(b"")), ("", "nobody"), 6_000),
        Err(ChangeError::Append(AppendError::Empty { field: "actor" }))
    ));
    assert!(audit.verify_integrity().ok());
}
