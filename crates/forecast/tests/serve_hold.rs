//! What serving promises: three ways of asking with one answer, also from many threads, and no harm from any bytes or rows.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ecosystem_forecast::{
    failure::{FailureModel, FittedFailureModel},
    serve::{Inference, ModelFormat, ModelLoader, ServeError, StandardLoader},
    tree::{Boosting, Forest, IsolationForest, ModelError, Table},
};

const WIDTH: usize = 5;

/// Rows with gaps; the class follows the first two features.
fn rows(count: u32) -> Vec<Vec<f64>> {
    let cell = |r: u32, f: u32| {
        let mixed = (r + 1).wrapping_mul(2_654_435_761).rotate_left(f * 7 + 3) % 1000;
        if (r * 7 + f * 3).is_multiple_of(13) { f64::NAN } else { f64::from(mixed) / 1000.0 }
    };
    (0..count).map(|r| (0..5).map(|f| cell(r, f)).collect()).collect()
}

/// Boosted trees, a forest, both isolation forests and the stacked failure model, as bytes.
fn stored() -> Vec<(ModelFormat, Vec<u8>)> {
    let rows = rows(300);
    let labels: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r[0] + r[1] > 1.0))).collect();
    let table = Table::from_rows(&rows).unwrap();
    let (mut boosting, mut forest) = (Boosting::classifier(), Forest::random());
    (boosting.rounds, forest.trees) = (20, 20);
    let (mut plain, mut extended) = (IsolationForest::default(), IsolationForest::default());
    (plain.trees, extended.trees, extended.extension) = (20, 20, 2);
    vec![
        (ModelFormat::Trees, boosting.fit(&table, &labels).unwrap().to_bytes()),
        (ModelFormat::Trees, forest.fit(&table, &labels).unwrap().to_bytes()),
        (ModelFormat::IsolationForest, plain.fit(&table).unwrap().to_bytes()),
        (ModelFormat::IsolationForest, extended.fit(&table).unwrap().to_bytes()),
        (ModelFormat::FailureModel, failure().to_bytes()),
    ]
}

fn failure() -> FittedFailureModel {
    let rows = rows(300);
    let near: Vec<bool> = rows.iter().map(|r| r[0] + r[1] > 1.0).collect();
    let groups: Vec<usize> = (0..300).map(|r| r / 30).collect();
    let mut model = FailureModel::default();
    (model.boosting.rounds, model.forest.trees, model.isolation.trees) = (10, 10, 10);
    model.fit(&Table::from_rows(&rows).unwrap(), &near, &groups).unwrap()
}

fn loaded(format: ModelFormat, bytes: &[u8]) -> Inference {
    StandardLoader::default().load(format, bytes).unwrap().into_rows().unwrap()
}

fn served() -> Vec<Inference> {
    stored().iter().map(|(format, bytes)| loaded(*format, bytes)).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn one_by_one_in_a_batch_and_from_a_stream_give_the_same_bits() {
    let rows = rows(700);
    let flat: Vec<f64> = rows.concat();
    for inference in served() {
        assert_eq!(inference.features(), WIDTH);
        let single: Vec<f64> = rows.iter().map(|r| inference.predict(r).unwrap()).collect();
        assert!(
            single.iter().any(|v| v.to_bits() != single[0].to_bits()),
            "a model that always says the same shows nothing"
        );
        assert_eq!(bits(&inference.predict_batch(&rows).unwrap()), bits(&single));
        for piece in [1, 3, WIDTH, 17, flat.len()] {
            let mut stream = inference.stream();
            let answers: Vec<f64> = flat.chunks(piece).flat_map(|p| stream.push(p).unwrap()).collect();
            assert_eq!(bits(&answers), bits(&single), "pieces of {piece}");
            assert_eq!(stream.pending(), 0);
        }
    }
}

#[test]
fn many_threads_that_share_the_models_get_the_answers_of_one() {
    let (rows, models) = (rows(200), served());
    let expected: Vec<Vec<u64>> = models.iter().map(|m| bits(&m.predict_batch(&rows).unwrap())).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (rows, models, expected) = (&rows, &models, &expected);
            scope.spawn(move || {
                for turn in 0..20 {
                    let k = (thread + turn) % models.len();
                    assert_eq!(bits(&models[k].predict_batch(rows).unwrap()), expected[k]);
                    let at = (thread * 31 + turn * 17) % rows.len();
                    assert_eq!(models[k].predict(&rows[at]).unwrap().to_bits(), expected[k][at]);
                }
            });
        }
    });
}

#[test]
fn cut_or_changed_bytes_are_refused_and_foreign_ones_named_so() {
    let loader = StandardLoader::default();
    for (format, bytes) in stored() {
        for end in (0..bytes.len()).step_by(bytes.len() / 60) {
            assert!(loader.load(format, &bytes[..end]).is_err(), "cut at {end}");
        }
        for at in (0..bytes.len()).step_by(bytes.len() / 60) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            assert!(loader.load(format, &changed).is_err(), "changed at {at}");
        }
        let mut small = StandardLoader::default();
        small.most_bytes = bytes.len() - 1;
        let most = small.most_bytes;
        assert_eq!(
            small.load(format, &bytes).unwrap_err(),
            ServeError::TooLarge { found: bytes.len(), most }
        );
        for other in ModelFormat::ALL.into_iter().filter(|it| *it != format) {
            assert!(loader.load(other, &bytes).is_err(), "{format} as {other}");
        }
    }
    for format in ModelFormat::ALL {
        for foreign in [&b""[..], b"{\"trees\":[]}", b"\x08\x07onnx", &[0xff; 64]] {
            assert!(matches!(loader.load(format, foreign), Err(ServeError::Format { .. })));
        }
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let unknown = "pickle".parse::<ModelFormat>().unwrap_err().to_string();
    let named = ModelFormat::ALL.map(|it| format!("`{it}`")).join(", ");
    assert!(unknown.ends_with(&named), "{unknown}");
    let later = ServeError::Model(ModelError::Version { found: 9, known: 1 });
    assert_eq!(loader.load(ModelFormat::Trees, b"vmtrees\x09\x00\x00").unwrap_err(), later);
}

#[test]
fn a_failure_model_from_bytes_answers_and_explains_like_the_one_that_was_stored() {
    let stored = failure();
    let read = FittedFailureModel::from_bytes(&stored.to_bytes()).unwrap();
    assert_eq!(read.to_bytes(), stored.to_bytes());
    for row in rows(100) {
        assert_eq!(read.probability(&row).to_bits(), stored.probability(&row).to_bits());
        assert_eq!(read.score(&row).to_bits(), stored.score(&row).to_bits());
        assert_eq!(bits(&read.explain(&row)), bits(&stored.explain(&row)));
    }
    assert!(read.held_out().is_empty());
    assert_eq!(bits(&read.weights()), bits(&stored.weights()));
}

#[test]
fn refused_rows_are_named_and_leave_a_stream_as_it_was() {
    let (format, bytes) = stored().swap_remove(0);
    let inference = loaded(format, &bytes).with_most_rows(3);
    let good = vec![0.5; WIDTH];
    let width = ServeError::Width { row: 1, found: 4, needed: WIDTH };
    assert_eq!(inference.predict_batch(&[good.clone(), vec![0.5; 4]]), Err(width));
    assert_eq!(
        inference.predict_batch(&vec![good.clone(); 4]),
        Err(ServeError::TooMany { found: 4, most: 3 })
    );
    assert_eq!(inference.predict_batch::<Vec<f64>>(&[]), Ok(vec![]));
    assert!(matches!(inference.predict(&[f64::INFINITY; WIDTH]), Err(ServeError::OutOfRange { .. })));
    let mut stream = inference.stream();
    assert_eq!(stream.push(&[0.5; 7]).unwrap().len(), 1);
    let beyond = ServeError::OutOfRange { row: 1, feature: 3, value: -1e101 };
    assert_eq!(stream.push(&[0.5, -1e101]), Err(beyond));
    assert_eq!(stream.push(&[0.5; 20]), Err(ServeError::TooMany { found: 4, most: 3 }));
    assert_eq!(stream.pending(), 2);
    assert_eq!(stream.push(&[0.5; 3]).unwrap(), [inference.predict(&good).unwrap()]);
}
