//! `ecosystem-forecast` alone: three weeks of hourly load, the next day with an interval, and what was unusual.

use vm_ecosystem::forecast::anomaly::{Detector, SeasonalResidual};
use vm_ecosystem::forecast::{Auto, Backtest, Fitted, Forecaster, SeasonalNaive};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A day and a week, a little growth, and noise from a counter instead of a clock.
    let load: Vec<f64> = (0..504_u32)
        .map(|h| {
            let day = (f64::from(h % 24) / 24.0 * std::f64::consts::TAU).sin();
            let weekend = if (h / 24) % 7 >= 5 { 0.8 } else { 1.0 };
            let noise = f64::from(h.wrapping_mul(2_654_435_761) >> 16 & 0xff) / 64.0;
            (60.0 + 25.0 * day) * weekend + f64::from(h) / 100.0 + noise
        })
        .collect();
    let auto = Auto::new(&[24, 168]);

    let tomorrow = auto.fit(&load)?.predict(24, &[0.9])?;
    let band = tomorrow.interval(0.9).ok_or("asked for")?;
    for hour in (0..24).step_by(6) {
        println!(
            "{hour:02}:00  {:5.1}  ({:5.1} to {:5.1})",
            tomorrow.point[hour], band.lower[hour], band.upper[hour]
        );
    }

    // Is it better than "as yesterday"? Rolling origin, errors relative to the seasonal naive ones.
    let judge = Backtest::new(24).with_origins(5).with_season(24).with_levels(&[0.9]);
    let (ours, naive) = (judge.run(&auto, &load)?, judge.run(&SeasonalNaive::new(24), &load)?);
    println!(
        "MASE {:.2}, as yesterday {:.2}, coverage of 90 %: {:.2}",
        ours.mase, naive.mase, ours.coverage[0]
    );
    assert!(ours.mase < naive.mase);

    let mut broken = load;
    broken[490] = 300.0;
    let scores = SeasonalResidual::new(&[24, 168], 6.0)?.score(&broken);
    let found: Vec<usize> = (0..broken.len()).filter(|&i| scores[i].is_anomaly()).collect();
    println!("unusual hours: {found:?}");
    assert!(found.contains(&490));
    Ok(())
}
