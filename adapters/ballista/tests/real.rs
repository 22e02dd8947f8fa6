//! A scheduler and two executors as processes on the loopback, with `ECO_REAL=1`: the query of one process gives the same here,
//! and whatever is killed, it ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cluster;

use cluster::{Cluster, Found, ask, expensive, local, real, sums, table};
use std::time::{Duration, Instant};

/// Longest time between a kill and the end of a query: the executor is missed after 6 s, and its work is done again.
const BOUND: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_query_gives_the_same_series_as_one_process_and_sums_to_the_twelfth_digit() {
    if !real() {
        return;
    }
    let file = table(60, 120);
    let cluster = Cluster::start(2);
    let (one, many) = (local(&file).await, cluster.connect(&file).await);
    over_the_network(&many).await;
    for list in ["eco_series(t, v)", "array_agg(v ORDER BY t)"] {
        for call in [
            format!("eco_forecast({list}, 12, [24])"),
            format!("eco_forecast_band({list}, 6, 0.9, 24, 'theta')['upper']"),
            format!("eco_anomaly_scores({list}, 24)"),
        ] {
            let sql = format!("SELECT series, {call} FROM m GROUP BY series");
            let (expected, found) = (ask(&one, &sql).await.unwrap(), ask(&many, &sql).await.unwrap());
            assert_eq!(expected.len(), 60);
            assert_eq!(found, expected, "{call}");
        }
    }
    let sql = "SELECT count(*) AS n, sum(f[1]) AS s, avg(f[12]) AS a, stddev(f[6]) AS d, max(f[3]) AS x \
               FROM (SELECT series, eco_forecast(eco_series(t, v), 12, 24) AS f FROM m GROUP BY series)";
    let (expected, found) = (sums(&one, sql).await, sums(&many, sql).await);
    assert_eq!(expected.len(), 5);
    for (a, b) in expected.iter().zip(&found) {
        assert!((a - b).abs() <= 1e-12 * a.abs(), "{expected:?} {found:?}");
    }
    for executor in &cluster.executors {
        assert!(executor.written() > 0, "an executor has done nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_go_over_the_network_are_the_same_in_every_compression() {
    if !real() {
        return;
    }
    let file = table(60, 120);
    let cluster = Cluster::start(2);
    let many = cluster.connect(&file).await;
    over_the_network(&many).await;
    let sql = "SELECT series, eco_forecast(eco_series(t, v), 12, [24]) FROM m GROUP BY series";
    let expected = ask(&local(&file).await, sql).await.unwrap();
    for codec in ["none", "lz4", "zstd"] {
        let set = format!("SET ballista.shuffle.compression.codec = '{codec}'");
        many.sql(&set).await.unwrap().collect().await.unwrap();
        assert_eq!(ask(&many, sql).await.unwrap(), expected, "{codec}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_halves_of_messages_on_any_port_disturb_nobody() {
    if !real() {
        return;
    }
    let file = table(8, 60);
    let mut cluster = Cluster::start(2);
    let many = cluster.connect(&file).await;
    // The preface of HTTP/2, and a frame of settings that is said to be longer than what comes.
    let half = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x40\x04\x00\x00\x00\x00\x00\x01".to_vec();
    let garbage: Vec<u8> = (0..100_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let mut left_open = Vec::new();
    for &address in &cluster.ports {
        for message in [&half, &garbage] {
            let mut connection = std::net::TcpStream::connect(address).unwrap();
            // A server may hang up before all has been said.
            drop(std::io::Write::write_all(&mut connection, message));
            left_open.push(connection);
        }
        drop(std::net::TcpStream::connect(address).unwrap());
    }
    let sql = "SELECT series, eco_forecast(eco_series(t, v), 3) FROM m GROUP BY series";
    let found = tokio::time::timeout(BOUND, ask(&many, sql)).await.expect("an answer").unwrap();
    assert_eq!(found, ask(&local(&file).await, sql).await.unwrap());
    assert!(cluster.all_run());
    drop(left_open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_killed_in_the_middle_of_a_query_is_missed_and_the_query_ends_right_or_with_an_error() {
    if !real() {
        return;
    }
    let file = table(200, 240);
    let mut cluster = Cluster::start(2);
    let many = cluster.connect(&file).await;
    let query = tokio::spawn(async move { (ask(&many, expensive()).await, many) });
    cluster.executors[0].work_for(Duration::from_millis(700));
    assert!(!query.is_finished(), "the query was over before the executor could be killed");
    let killed = Instant::now();
    cluster.executors[0].kill();
    let ended = tokio::time::timeout(BOUND, query).await;
    let (outcome, many) = ended.unwrap_or_else(|_| panic!("no end: {}", cluster.scheduler.said())).unwrap();
    println!(
        "an executor was killed; {:.1} s later the query ended: {}",
        killed.elapsed().as_secs_f64(),
        outcome_of(&outcome)
    );
    match outcome {
        Ok(found) => assert_eq!(found, ask(&local(&file).await, expensive()).await.unwrap()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // The one that is left goes on.
    let sql = "SELECT series, eco_forecast(eco_series(t, v), 3) FROM m GROUP BY series";
    let found = tokio::time::timeout(BOUND, ask(&many, sql)).await.expect("an answer").unwrap();
    assert_eq!(found, ask(&local(&file).await, sql).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_executor_or_without_the_scheduler_a_query_ends_with_an_error() {
    if !real() {
        return;
    }
    let file = table(200, 240);
    for scheduler_dies in [false, true] {
        let mut cluster = Cluster::start(2);
        let many = cluster.connect(&file).await;
        let query = tokio::spawn(async move { ask(&many, expensive()).await });
        cluster.executors[0].work_for(Duration::from_millis(700));
        assert!(!query.is_finished(), "the query was over before anything could be killed");
        let killed = Instant::now();
        if scheduler_dies {
            cluster.scheduler.kill();
        } else {
            cluster.executors.iter_mut().for_each(cluster::Process::kill);
        }
        let outcome = tokio::time::timeout(BOUND, query).await.expect("the query ends").unwrap();
        println!("{:.1} s after the kill: {}", killed.elapsed().as_secs_f64(), outcome_of(&outcome));
        assert!(outcome.is_err(), "scheduler died: {scheduler_dies}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_that_cannot_be_forecast_fails_the_strict_query_with_its_description() {
    if !real() {
        return;
    }
    let file = table(3, 2);
    let cluster = Cluster::start(1);
    let many = cluster.connect(&file).await;
    let list = "eco_series(t, v), 3) FROM m GROUP BY series";
    let error = tokio::time::timeout(BOUND, ask(&many, &format!("SELECT series, eco_forecast({list}"))).await;
    let error = error.expect("the query ends").unwrap_err().to_string();
    // Ballista hands the error on in the form for debugging.
    assert!(error.contains("eco_forecast") && error.contains("values: 2"), "{error}");
    let nulls = ask(&many, &format!("SELECT series, eco_try_forecast({list}")).await.unwrap();
    assert_eq!(nulls.values().filter(|list| list.is_none()).count(), 3);
}

#[test]
fn the_program_answers_as_client_what_it_answers_alone_and_says_in_one_line_what_is_wrong() {
    if !real() {
        return;
    }
    let file = table(8, 60);
    let cluster = Cluster::start(2);
    let table = format!("m={}", file.display());
    let sql = "SELECT series, eco_forecast(eco_series(t, v), 3, 24)[2] AS next FROM m GROUP BY series ORDER BY series";
    let alone = cluster::run(&["--role", "local", "--table", &table, "--sql", sql]).unwrap();
    let scheduler = cluster.address.to_string();
    let client =
        ["--role", "client", "--scheduler", &scheduler, "--table", &table, "--deadline", "60", "--sql"];
    let asked = |sql| cluster::run(&[&client[..], &[sql]].concat());
    assert_eq!(asked(sql).unwrap(), alone);
    assert_eq!(alone.lines().count(), 8);
    for (sql, expected) in
        [("SELECT eco_forecast(v, 3) FROM m", "expected a list of numbers"), ("SELEC", "Expected")]
    {
        let error = asked(sql).unwrap_err();
        assert!(
            error.starts_with("eco-query: ") && error.lines().count() == 1 && error.contains(expected),
            "{error}"
        );
    }
    for wrong in [
        &["--role", "king"][..],
        &["--role"],
        &["--role", "scheduler", "--listen", "here"],
        &["--role", "scheduler", "--listen", "127.0.0.1:1", "--timeout", "1"],
        &["--role", "client", "--scheduler", &scheduler, "--table", "m", "--sql", "SELECT 1"],
        &["--role", "local", "--table", "m=/nowhere.parquet", "--sql", "SELECT 1", "--colour", "red"],
    ] {
        let error = cluster::run(wrong).unwrap_err();
        assert!(error.starts_with("eco-query: ") && error.lines().count() == 1, "{wrong:?}: {error}");
    }
}

/// Executors of one machine would read each other's files past the network.
async fn over_the_network(ctx: &datafusion::prelude::SessionContext) {
    ctx.sql("SET ballista.shuffle.force_remote_read = true").await.unwrap().collect().await.unwrap();
}

fn outcome_of(outcome: &Result<Found, datafusion::error::DataFusionError>) -> String {
    match outcome {
        Ok(found) => format!("{} series", found.len()),
        Err(error) => error.to_string().chars().take(200).collect(),
    }
}
