//! What stored forecasters and the queue of requests promise: the same bits, in order, within bounds, and no harm from any bytes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ecosystem_forecast::{
    AutoEts, Drift, Ets, EtsError, EtsSeason, EtsSpec, EtsTrend, Fitted, Forecaster, Mean, SeasonalNaive,
    SeasonalSmoothing, Theta,
    failure::FailureModel,
    serve::{
        Answer, Ask, Inference, ModelFormat, ModelLoader, Overloaded, Servable, ServeError, StandardLoader,
        StoredForecaster, Ticket, WorkQueue,
    },
    tree::{Boosting, IsolationForest, ModelError, Table},
};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

fn series() -> Vec<f64> {
    (0..24 * 9).map(|i| 30.0 + f64::from(i % 24) + f64::from(i * i * 31 % 17) + 0.05 * f64::from(i)).collect()
}

/// One of every kind, and of every branch of exponential smoothing.
fn forecasters() -> Vec<StoredForecaster> {
    use {EtsError as E, EtsSeason as S, EtsTrend as T};
    let v = series();
    let mut all: Vec<StoredForecaster> = vec![
        SeasonalNaive::new(24).fit(&v).unwrap().into(),
        Drift.fit(&v).unwrap().into(),
        Mean.fit(&v).unwrap().into(),
        Theta::standard().fit(&v).unwrap().into(),
        Theta::dynamic_optimised().fit(&v).unwrap().into(),
        SeasonalSmoothing::new(&[6, 24]).fit(&v).unwrap().into(),
        AutoEts::default().with_period(24).fit(&v).unwrap().into(),
    ];
    for (error, trend, season) in [
        (E::Additive, T::AdditiveDamped, S::Additive),
        (E::Multiplicative, T::Additive, S::None),
        (E::Multiplicative, T::MultiplicativeDamped, S::Multiplicative),
    ] {
        all.push(Ets::new(EtsSpec::new(error, trend, season, 24)).fit(&v).unwrap().into());
    }
    all
}

/// Bytes of every format, small, so that a change hits something.
static STORED: LazyLock<Vec<(ModelFormat, Vec<u8>)>> = LazyLock::new(|| {
    let rows: Vec<[f64; 3]> = (0..120_u32).map(|i| [i * 7 % 31, i * 13 % 29, i % 5].map(f64::from)).collect();
    let near: Vec<bool> = rows.iter().map(|r| r[0] > 15.0).collect();
    let labels: Vec<f64> = near.iter().map(|l| f64::from(u8::from(*l))).collect();
    let table = Table::from_rows(&rows).unwrap();
    let mut boosting = Boosting::classifier();
    boosting.rounds = 3;
    let mut stacked = FailureModel::default();
    (stacked.boosting.rounds, stacked.forest.trees, stacked.isolation.trees) = (2, 2, 2);
    let (mut plain, mut extended) = (IsolationForest::default(), IsolationForest::default());
    (plain.trees, extended.trees, extended.extension) = (2, 2, 2);
    let groups: Vec<usize> = (0..120).map(|r| r / 20).collect();
    let mut all = vec![
        (ModelFormat::Trees, boosting.fit(&table, &labels).unwrap().to_bytes()),
        (ModelFormat::IsolationForest, plain.fit(&table).unwrap().to_bytes()),
        (ModelFormat::IsolationForest, extended.fit(&table).unwrap().to_bytes()),
        (ModelFormat::FailureModel, stacked.fit(&table, &near, &groups).unwrap().to_bytes()),
    ];
    all.extend(forecasters().iter().map(|it| (ModelFormat::Forecaster, it.to_bytes())));
    all
});

/// The checksum of the format, so that changed bytes get past it and to the checks behind it.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len().saturating_sub(4));
    let mut crc = !0_u32;
    for byte in &bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        }
    }
    bytes.extend((!crc).to_le_bytes());
    bytes
}

/// Asks a model of any origin, which must neither panic nor hang.
fn used(model: Servable) {
    match model {
        Servable::Rows(inference) if inference.features() < 1_000 => {
            let row = vec![0.5; inference.features()];
            inference.predict(&row).unwrap();
            inference.predict(&vec![f64::NAN; row.len()]).unwrap();
        }
        Servable::Rows(_) => {}
        Servable::Series(mut fitted) => {
            for levels in [&[][..], &[0.5, 0.99]] {
                if let Ok(forecast) = fitted.predict(7, levels) {
                    assert_eq!((forecast.horizon(), forecast.intervals.len()), (7, levels.len()));
                }
            }
            let _ = fitted.update(3.0).and_then(|()| fitted.update(f64::NAN));
            let _ = fitted.predict(50, &[]);
        }
    }
}

#[test]
fn forecasters_from_bytes_predict_and_learn_with_the_bits_of_those_stored() {
    for stored in forecasters() {
        let bytes = stored.to_bytes();
        let Servable::Series(mut read) =
            StandardLoader::default().load(ModelFormat::Forecaster, &bytes).unwrap()
        else {
            panic!("a forecaster continues a series")
        };
        assert_eq!(read, stored);
        assert_eq!(read.to_bytes(), bytes);
        let mut grown = stored.clone();
        for value in [40.0, f64::NAN, 37.5, 41.25] {
            grown.update(value).unwrap();
            read.update(value).unwrap();
            assert_eq!(read.predict(30, &[0.8, 0.95]).unwrap(), grown.predict(30, &[0.8, 0.95]).unwrap());
        }
        assert_ne!(read, stored, "a model that learns nothing shows nothing");
    }
}

#[test]
fn counts_that_the_bytes_cannot_hold_are_refused_before_memory_is_reserved() {
    let bytes = STORED.iter().find(|it| it.0 == ModelFormat::Forecaster).unwrap().1.clone();
    let mut hostile = bytes;
    // The length of the last season, behind magic word, version and kind.
    hostile[13..17].copy_from_slice(&u32::MAX.to_le_bytes());
    let refused = StoredForecaster::from_bytes(&sealed(hostile)).unwrap_err();
    assert!(refused.to_string().contains("breaks off"), "{refused}");
    let unknown = sealed(b"vmforecast\x01\x00\x09....".to_vec());
    assert_eq!(StoredForecaster::from_bytes(&unknown), Err(ModelError::Field { name: "kind" }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Any change behind a checksum that fits: refused, or a model that can be asked.
    #[test]
    fn changed_models_are_refused_or_answer(
        which in 0_usize..100,
        changes in prop::collection::vec((0_usize..1 << 20, prop_oneof![
            any::<u8>().boxed(), Just(0).boxed(), Just(0x7f).boxed(), Just(0xff).boxed(), Just(0xf0).boxed(),
        ]), 1..8),
        cut in prop::option::of(0_usize..1 << 20),
    ) {
        let (format, bytes) = &STORED[which % STORED.len()];
        let mut bytes = bytes.clone();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        if let Ok(model) = StandardLoader::default().load(*format, &sealed(bytes)) {
            used(model);
        }
    }

    /// Noise behind a head that fits.
    #[test]
    fn noise_is_refused_or_answers(kind in 0_u8..7, noise in prop::collection::vec(any::<u8>(), 0..200)) {
        for (format, magic) in [(ModelFormat::FailureModel, &b"vmtrees"[..]), (ModelFormat::Forecaster, b"vmforecast")] {
            let mut bytes = magic.to_vec();
            bytes.extend([1, 0, kind]);
            bytes.extend(&noise);
            bytes.extend([0; 4]);
            if let Ok(model) = StandardLoader::default().load(format, &sealed(bytes)) {
                used(model);
            }
        }
    }
}

fn trees() -> Arc<Servable> {
    let (format, bytes) = &STORED[0];
    Arc::new(StandardLoader::default().load(*format, bytes).unwrap())
}

fn rows(model: &Servable) -> &Inference {
    match model {
        Servable::Rows(inference) => inference,
        Servable::Series(_) => panic!("trees answer rows"),
    }
}

#[test]
fn answers_come_in_the_order_of_the_requests_with_the_same_bits_on_any_number_of_threads() {
    let (model, mean) = (trees(), Arc::new(Servable::Series(Mean.fit(&[1.0, 3.0]).unwrap().into())));
    let asked =
        |i: u32| vec![vec![f64::from(i % 31), f64::from(i % 7), f64::from(i % 5)]; 1 + i as usize % 3];
    let on = |threads: usize| {
        let mut queue = WorkQueue::new(1_000, 100_000);
        for i in 0..500 {
            let ticket = if i % 10 == 9 {
                queue.submit(&mean, Ask::Forecast { horizon: i as usize, levels: vec![0.9] })
            } else {
                queue.submit(&model, Ask::Rows(asked(i)))
            };
            assert_eq!(ticket, Ok(Ticket(u64::from(i))));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut answers = Vec::new();
        while !queue.is_empty() {
            let batch = queue.take(64);
            answers.extend(pool.install(|| batch.answers()));
        }
        answers
    };
    let one = on(1);
    for (i, (ticket, answer)) in one.iter().enumerate() {
        let number = u32::try_from(i).unwrap();
        assert_eq!(ticket.0, i as u64);
        match answer {
            Ok(Answer::Rows(values)) => {
                assert_eq!(values, &rows(&model).predict_batch(&asked(number)).unwrap());
            }
            Ok(Answer::Forecast(forecast)) => assert_eq!(forecast.point, vec![2.0; i]),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(one, on(2));
    assert_eq!(one, on(8));
}

#[test]
fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let model = trees();
    let ask = |rows: usize| Ask::Rows(vec![vec![1.0; 3]; rows]);
    let mut queue = WorkQueue::new(3, 10);
    assert_eq!(queue.submit(&model, ask(11)), Err(Overloaded { waiting: 0, size: 0, asked: 11 }));
    let first = queue.submit(&model, ask(8)).unwrap();
    assert_eq!(queue.submit(&model, ask(3)), Err(Overloaded { waiting: 1, size: 8, asked: 3 }));
    queue.submit(&model, ask(1)).unwrap();
    queue.submit(&model, ask(0)).unwrap();
    assert_eq!(queue.submit(&model, ask(1)), Err(Overloaded { waiting: 3, size: 10, asked: 1 }));
    assert!(queue.cancel(first) && !queue.cancel(first) && queue.len() == 2);
    let wrong = queue.submit(&model, Ask::Forecast { horizon: 1, levels: vec![] }).unwrap();
    let answers = queue.take(usize::MAX).answers();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[2], (wrong, Err(ServeError::Question { needed: "rows" })));
    assert!(answers[0].1.is_ok(), "one that fails does not touch the others");
    for _ in 0..3 {
        queue.submit(&model, ask(3)).unwrap();
    }
}

#[test]
fn wide_rows_count_by_their_values_and_what_is_sure_to_be_refused_is_known_before() {
    let size = |rows: usize, width: usize| Ask::Rows(vec![vec![1.0; width]; rows]).size();
    assert_eq!([size(0, 0), size(5, 3), size(5, 64), size(5, 65), size(2, 6_400)], [1, 5, 5, 6, 200]);
    let (model, mean) = (trees(), Arc::new(Servable::Series(Mean.fit(&[1.0, 3.0]).unwrap().into())));
    let mut queue = WorkQueue::new(10, 100);
    let wide = Ask::Rows(vec![vec![1.0; 6_400]; 2]);
    assert_eq!(queue.submit(&model, wide), Err(Overloaded { waiting: 0, size: 0, asked: 200 }));
    let (fits, narrow) = (vec![1.0; 3], vec![1.0; 2]);
    let width = ServeError::Width { row: 1, found: 2, needed: 3 };
    assert_eq!(model.check(&Ask::Rows(vec![fits.clone(), narrow])), Err(width));
    assert_eq!(model.check(&Ask::Rows(vec![fits.clone(), fits.clone()])), Ok(()));
    let horizon = Ask::Forecast { horizon: 1, levels: vec![] };
    assert_eq!(model.check(&horizon), Err(ServeError::Question { needed: "rows" }));
    assert_eq!(mean.check(&horizon), Ok(()));
    assert_eq!(mean.check(&Ask::Rows(vec![fits])), Err(ServeError::Question { needed: "a horizon" }));
}
