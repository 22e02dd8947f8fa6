//! Against a service on the loopback that speaks as the API's documentation says; answers are in `answers/`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fake;

use ecosystem_cloudwatch::{CloudWatch, CloudWatchError, Credentials, Metric, Naming, Settings};
use ecosystem_core::{
    MetricKind, MetricQuery, MetricsSource, QueryError, RangeQuery, Series, Subject, Timestamp,
};
use ecosystem_prometheus::LastKnown;
use fake::{ACCESS, Fake, SECRET, Say};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const EIGHT: &str = "2026-11-28T08:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Half past eight and a bit: the last period of five minutes is not over.
fn clock() -> Timestamp {
    at("2026-11-28T08:32:10Z")
}

fn host() -> MetricQuery {
    MetricQuery { subject: Subject::Host("node-1".parse().unwrap()), metric: MetricKind::CpuMillicores }
}

fn web() -> MetricQuery {
    MetricQuery { subject: Subject::Component("web".parse().unwrap()), metric: MetricKind::RequestsPerSecond }
}

fn naming() -> Naming {
    let cpu = Metric::new("AWS/EC2", "CPUUtilization", "Average").unit("Percent").times(20.0);
    let requests = Metric::new("Shop", "Requests", "Sum").with("Stage", "production").per_second();
    let mut naming = Naming::default()
        .metric(MetricKind::CpuMillicores, cpu)
        .metric(MetricKind::RequestsPerSecond, requests)
        .known_as(host().subject, "i-0a1b2c3d4e5f60718");
    naming.namespace = Some("Shop".into());
    naming
}

fn settings(url: &str) -> Settings {
    let mut settings = Settings::new("eu-central-1");
    url.clone_into(&mut settings.url);
    settings.retry_pause = Duration::from_millis(1);
    settings.latest_period = Duration::from_secs(300);
    settings
}

fn source(url: &str) -> CloudWatch {
    CloudWatch::new(settings(url), Credentials::new(ACCESS, SECRET), naming()).with_clock(clock)
}

fn range(query: MetricQuery, minutes: u64) -> RangeQuery {
    let start = at(EIGHT);
    let end = start.saturating_add(Duration::from_secs(minutes * 60));
    RangeQuery { query, start, end, step: Duration::from_secs(300) }
}

fn good(text: &str) -> Say {
    Say::Answer(200, text.to_owned())
}

const PAGES: [&str; 2] = [include_str!("answers/page-1.json"), include_str!("answers/page-2.json")];
const PARTIAL: &str = include_str!("answers/partial.json");
const THROTTLED: &str = include_str!("answers/throttled.json");
const DENIED: &str = include_str!("answers/denied.json");
const REFUSED: &str = include_str!("answers/refused.json");

#[test]
fn pages_become_series_with_their_gaps_and_the_request_is_as_documented() {
    let fake = Fake::start(|number, _| good(PAGES[number % 2]));
    let mut source = source(&fake.url);
    let series = source.range(&[range(host(), 30), range(web(), 30)]).unwrap();
    let values = |it: &Result<Series, QueryError>| {
        let series = it.as_ref().unwrap();
        assert_eq!((series.start, series.step), (at(EIGHT), Duration::from_secs(300)));
        series.values.iter().map(|it| if it.is_nan() { None } else { Some(*it) }).collect::<Vec<_>>()
    };
    // Percent of two cores as millicores; requests of five minutes as those of a second.
    assert_eq!(values(&series[0]), [Some(250.0), Some(400.0), Some(625.0), None, Some(1_000.0), None]);
    assert_eq!(values(&series[1]), [Some(200.0), None, None, Some(300.0), None, Some(100.0)]);
    let asked = fake.asked();
    let documented: Value = serde_json::from_str(include_str!("answers/request.json")).unwrap();
    assert_eq!(asked[0], documented);
    let mut second = documented;
    second["NextToken"] = json!("bmV4dC1wYWdl");
    assert_eq!(asked[1..], [second]);
    // A range that does not begin at a multiple of its step: the periods that its moments lie in.
    let mut shifted = range(host(), 30);
    shifted.start = shifted.start.saturating_add(Duration::from_secs(70));
    let series = source.range(&[shifted]).unwrap_err();
    assert!(matches!(&series, CloudWatchError::Garbage { reason, .. } if reason.contains("q1")), "{series}");
    let asked = fake.asked();
    assert_eq!(
        [&asked[2]["StartTime"], &asked[2]["EndTime"]],
        [&json!(1_795_852_800), &json!(1_795_854_600)]
    );
}

#[test]
fn the_newest_sample_has_the_time_of_its_period_and_what_fails_alone_does_not_spoil_the_others() {
    let fake = Fake::start(|number, _| match number {
        0 => {
            let both = json!({"MetricDataResults": [
                {"Id": "q0", "StatusCode": "Complete", "Timestamps": [1_795_854_300, 1_795_854_000], "Values": [25, 50]},
                {"Id": "q1", "StatusCode": "Complete", "Timestamps": [1_795_854_600], "Values": [300]},
            ]});
            good(&both.to_string())
        }
        1 => good(PARTIAL),
        _ => Say::Answer(503, "busy".into()),
    });
    let mut careful = LastKnown::new(source(&fake.url));
    let queries = [host(), web()];
    let seen = |careful: &mut LastKnown<CloudWatch>| {
        let all = careful.latest(&queries).unwrap().into_iter();
        all.map(|it| it.map(|it| (it.at.to_string(), it.value)).unwrap()).collect::<Vec<_>>()
    };
    let is = |at: &str, value: f64| (format!("2026-11-28T{at}.000Z"), value);
    // The second period is not over yet.
    assert_eq!(seen(&mut careful), [is("08:30:00", 500.0), is("08:32:10", 1.0)]);
    assert_eq!(careful.trouble(), None);
    let asked = &fake.asked()[0];
    assert_eq!(asked["ScanBy"], "TimestampDescending");
    assert_eq!([&asked["StartTime"], &asked["EndTime"]], [&json!(1_795_854_000), &json!(1_795_854_900)]);
    // One is partial: its last known value stays, and why is said.
    assert_eq!(seen(&mut careful), [is("08:25:00", 1_000.0), is("08:32:10", 1.0)]);
    let trouble = careful.trouble().unwrap();
    assert!(trouble.contains("InternalError") && trouble.contains("a part of the store"), "{trouble}");
    // Nothing answers any more: the loop goes on with what is known.
    assert_eq!(seen(&mut careful), [is("08:25:00", 1_000.0), is("08:32:10", 1.0)]);
    assert!(careful.trouble().unwrap().contains("503"), "{:?}", careful.trouble());
    let partial = Fake::start(|_, _| good(PARTIAL));
    let series = source(&partial.url).range(&[range(host(), 30), range(web(), 30)]).unwrap();
    assert!(series[0].is_ok());
    assert!(
        matches!(&series[1], Err(QueryError::Unavailable { reason, .. }) if reason.contains("MaxMetricsExceeded"))
    );
}

#[test]
fn throttling_is_waited_for_a_bounded_number_of_times() {
    let fake = Fake::start(|number, _| match number {
        0 => Say::Answer(400, THROTTLED.into()),
        1 => Say::Answer(503, "busy".into()),
        _ => good(PAGES[1]),
    });
    let series = source(&fake.url).range(&[range(host(), 30), range(web(), 30)]).unwrap();
    assert!(series.iter().all(Result::is_ok));
    assert_eq!(fake.asked().len(), 3);
    let never = Fake::start(|_, _| Say::Answer(400, THROTTLED.into()));
    let error = source(&never.url).latest(&[host()]).unwrap_err();
    assert!(
        matches!(&error, CloudWatchError::Throttled { code, .. } if code == "ThrottlingException"),
        "{error}"
    );
    assert_eq!(never.asked().len(), 4);
    // The pause does not outlast the deadline.
    let mut patient = settings(&never.url);
    (patient.retry_pause, patient.latest_within) = (Duration::from_secs(600), Duration::from_secs(60));
    let begin = Instant::now();
    let mut patient = CloudWatch::new(patient, Credentials::new(ACCESS, SECRET), naming());
    assert!(matches!(patient.latest(&[host()]), Err(CloudWatchError::Throttled { .. })));
    assert!(begin.elapsed() < Duration::from_secs(30));
}

fn named(number: usize) -> MetricQuery {
    let metric = MetricKind::Named(format!("m{number}").into());
    MetricQuery { subject: Subject::Component("web".parse().unwrap()), metric }
}

/// Answers every query with its own number; refuses requests with a metric of these names.
fn numbers(body: &Value, refused: &[&str]) -> Say {
    let queries = body["MetricDataQueries"].as_array().unwrap();
    let name = |it: &Value| it["MetricStat"]["Metric"]["MetricName"].as_str().unwrap().to_owned();
    if queries.iter().any(|it| refused.contains(&name(it).as_str())) {
        return Say::Answer(400, REFUSED.into());
    }
    let each = queries.iter().map(|it| {
        let number: u64 = name(it)[1..].parse().unwrap();
        json!({"Id": it["Id"], "StatusCode": "Complete", "Timestamps": [body["StartTime"]], "Values": [number]})
    });
    good(&json!({"MetricDataResults": each.collect::<Vec<_>>()}).to_string())
}

#[test]
fn many_series_are_asked_for_five_hundred_at_a_time_and_a_bad_one_is_found() {
    let fake = Fake::start(|_, body| numbers(body, &["m700"]));
    let mut source = source(&fake.url);
    let mut all: Vec<RangeQuery> = (0..1_201).map(|it| range(named(it), 30)).collect();
    all[3] = range(named(3), 60);
    let answers = source.range(&all).unwrap();
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Ok(series) => assert_eq!(series.values[0].to_bits(), (number as f64).to_bits()),
            Err(QueryError::Unavailable { reason, .. }) => {
                assert_eq!((number, reason.contains("The value of Stat")), (700, true), "{reason}");
            }
            Err(other) => panic!("{number}: {other}"),
        }
    }
    let sizes: Vec<usize> =
        fake.asked().iter().map(|it| it["MetricDataQueries"].as_array().unwrap().len()).collect();
    // Three full ones, one of them halved until the bad one is alone, and another stretch of time.
    assert_eq!(sizes.iter().filter(|it| **it == 500).count(), 2);
    assert!(sizes.len() < 25 && sizes.iter().all(|it| *it <= 500), "{sizes:?}");
    // Where all are bad, the search for the good ones ends.
    let names: Vec<String> = (0..400).map(|it| format!("m{it}")).collect();
    let bad =
        Fake::start(move |_, body| numbers(body, &names.iter().map(String::as_str).collect::<Vec<_>>()));
    let all: Vec<RangeQuery> = (0..400).map(|it| range(named(it), 30)).collect();
    let answers = self::source(&bad.url).range(&all).unwrap();
    assert!(answers.iter().all(Result::is_err));
    assert!(bad.asked().len() <= 65, "{}", bad.asked().len());
}

#[test]
fn what_the_service_does_not_keep_or_know_is_said_without_asking() {
    let fake = Fake::start(|_, body| numbers(body, &[]));
    let mut source = source(&fake.url);
    let mut odd = range(host(), 30);
    odd.step = Duration::from_secs(15);
    let mut fine = range(host(), 30);
    fine.step = Duration::from_millis(1_500);
    let mut old = range(host(), 30);
    (old.start, old.end) = (at("2026-11-01T08:00:00Z"), at("2026-11-01T09:00:00Z"));
    old.step = Duration::from_secs(60);
    let mut ancient = old.clone();
    (ancient.start, ancient.end) = (at("2026-08-01T08:00:00Z"), at("2026-08-01T09:00:00Z"));
    ancient.step = Duration::from_secs(300);
    let mut empty = range(host(), 0);
    empty.step = Duration::from_secs(60);
    let memory = MetricQuery { metric: MetricKind::MemoryBytes, ..host() };
    let all = [odd, fine, old, ancient, empty, range(memory, 30)];
    let answers = source.range(&all).unwrap();
    let words =
        ["15000 ms", "1500 ms", "periods of 300 s", "periods of 3600 s", "0 samples", "no metric is named"];
    for (answer, word) in answers.iter().zip(words) {
        let error = answer.as_ref().unwrap_err().to_string();
        assert!(error.contains(word), "{error}, expected {word}");
    }
    assert!(fake.asked().is_empty());
    // Complete and empty: nobody has published it.
    let silent = Fake::start(|_, _| {
        good(
            "{\"MetricDataResults\":[{\"Id\":\"q0\",\"StatusCode\":\"Complete\",\"Timestamps\":[],\"Values\":[]}]}",
        )
    });
    let answer = self::source(&silent.url).range(&[range(host(), 30)]).unwrap().remove(0);
    assert!(
        matches!(&answer, Err(QueryError::Unknown { reason, .. }) if reason.contains("CPUUtilization")),
        "{answer:?}"
    );
}

#[test]
fn signatures_are_made_with_the_keys_of_the_moment() {
    let fake = Fake::start(|_, _| good(PAGES[1]));
    let wrong = Credentials::new(ACCESS, "not the secret");
    let mut source = CloudWatch::new(settings(&fake.url), wrong, naming());
    let error = source.latest(&[host(), web()]).unwrap_err();
    assert!(
        matches!(&error, CloudWatchError::Denied { code, .. } if code == "InvalidSignatureException"),
        "{error}"
    );
    assert!(!format!("{source:?}").contains("not the secret"));
    source.renew(Credentials::new(ACCESS, SECRET).with_session_token("token/of+an hour=="));
    assert!(source.latest(&[host(), web()]).unwrap().iter().all(Result::is_ok));
    // All that was wrong before was the signature.
    assert_eq!(fake.asked().len(), 1);
}

/// Whether an error is the one that was to be expected.
type Judge = fn(&CloudWatchError) -> bool;

#[test]
fn a_service_that_is_gone_slow_broken_or_in_trouble_is_a_typed_error_in_time() {
    let results = |text: &str| format!("{{\"MetricDataResults\":[{text}]}}");
    let garbage: Judge = |e| matches!(e, CloudWatchError::Garbage { .. });
    let cases: Vec<(Say, Judge)> = vec![
        (Say::Answer(400, DENIED.into()), |e| {
            matches!(e, CloudWatchError::Denied { code, reason, .. }
                if code == "AccessDeniedException" && reason.contains("not authorized"))
        }),
        (Say::Answer(403, "<html>".into()), |e| matches!(e, CloudWatchError::Denied { .. })),
        (
            Say::Answer(500, "{\"__type\":\"InternalServiceFault\"}".into()),
            |e| matches!(e, CloudWatchError::Server { status: 500, code, .. } if code == "InternalServiceFault"),
        ),
        (Say::Answer(404, "no such page".into()), |e| {
            matches!(e, CloudWatchError::Server { status: 404, .. })
        }),
        (Say::Answer(429, String::new()), |e| matches!(e, CloudWatchError::Throttled { .. })),
        (good("hello"), garbage),
        (good("{}"), garbage),
        (good(&results("{\"Id\":\"q7\"}")), garbage),
        (good(&results("{\"Id\":\"q00000000000\"}")), garbage),
        (good(&results("{\"Id\":\"q0\",\"Timestamps\":[1],\"Values\":[]}")), garbage),
        (good(&results("{\"Id\":\"q0\",\"Timestamps\":[-1],\"Values\":[1]}")), garbage),
        (good(&results("{\"Id\":\"q0\",\"Timestamps\":[1],\"Values\":[\"many\"]}")), garbage),
        // More points than there are periods.
        (good(&results("{\"Id\":\"q0\",\"Timestamps\":[1,2,3,4,5],\"Values\":[1,2,3,4,5]}")), garbage),
        // A page that leads to itself.
        (good("{\"MetricDataResults\":[],\"NextToken\":\"again\"}"), garbage),
        (good(&format!("{{\"MetricDataResults\":[],\"x\":\"{}\"}}", "y".repeat(5_000))), |e| {
            matches!(e, CloudWatchError::TooLarge { max: 4_000, .. })
        }),
        (Say::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), |e| {
            matches!(e, CloudWatchError::Garbage { .. } | CloudWatchError::Unreachable { .. })
        }),
        (Say::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"MetricData"), |e| {
            matches!(e, CloudWatchError::Garbage { .. } | CloudWatchError::Unreachable { .. })
        }),
        (Say::Nothing, |e| matches!(e, CloudWatchError::Slow { .. })),
    ];
    for (number, (say, judge)) in cases.into_iter().enumerate() {
        let fake = Fake::start(move |_, _| say.clone());
        let mut settings = settings(&fake.url);
        settings.bytes_max = 4_000;
        settings.latest_within = Duration::from_millis(1_500);
        let mut source = CloudWatch::new(settings, Credentials::new(ACCESS, SECRET), naming());
        let begin = Instant::now();
        let error = source.latest(&[host()]).unwrap_err();
        assert!(judge(&error), "case {number}: {error:?}");
        assert!(begin.elapsed() < Duration::from_secs(20), "case {number}: the deadline holds");
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = source(&format!("http://127.0.0.1:{port}")).latest(&[host()]).unwrap_err();
    assert!(matches!(nobody, CloudWatchError::Unreachable { .. }) && nobody.may_pass(), "{nobody}");
}

#[test]
fn pages_come_to_an_end() {
    let fake = Fake::start(|number, _| {
        good(&json!({"MetricDataResults": [], "NextToken": format!("page {number}")}).to_string())
    });
    let mut settings = settings(&fake.url);
    settings.pages_max = 7;
    let error =
        CloudWatch::new(settings, Credentials::new(ACCESS, SECRET), naming()).latest(&[host()]).unwrap_err();
    assert!(
        matches!(&error, CloudWatchError::Garbage { reason, .. } if reason.contains("7 pages")),
        "{error}"
    );
    assert_eq!(fake.asked().len(), 7);
}
