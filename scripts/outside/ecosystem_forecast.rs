use ecosystem_forecast::{Auto, Fitted, Forecaster};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load: Vec<f64> = (0..336).map(|h| 100.0 + f64::from(h % 24)).collect();
    let tomorrow = Auto::new(&[24, 168]).fit(&load)?.predict(24, &[0.9])?;
    println!("noon: {:.0}", tomorrow.point[12]);
    Ok(())
}
