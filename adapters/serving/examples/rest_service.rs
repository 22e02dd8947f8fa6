//! A model server, and a conversation with it.
//!
//! `cargo run --manifest-path adapters/Cargo.toml -p ecosystem-serving --example rest_service [-- ADDRESS]`
//!
//! With an address it serves there until standard input ends; without one it asks itself a few questions and stops.

use ecosystem_forecast::serve::{StandardLoader, StoredForecaster};
use ecosystem_forecast::tree::{Boosting, Table};
use ecosystem_forecast::{Forecaster, Theta};
use ecosystem_serving::{Server, Settings};
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = Settings::default();
    let address = std::env::args().nth(1);
    if let Some(address) = &address {
        settings.address = address.parse()?;
    }
    let server = Server::start(settings, Arc::new(StandardLoader::default()))?;
    let url = format!("http://{}", server.address());
    println!("serving on {url}, requests are in docs/model-server.md");
    if address.is_some() {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    } else {
        conversation(&url)?;
    }
    server.stop();
    println!("stopped");
    Ok(())
}

fn conversation(url: &str) -> Result<(), Box<dyn Error>> {
    // Fails when it is hot and under load.
    let rows: Vec<[f64; 2]> =
        (0..400).map(|i| [f64::from(20 + i * 7 % 60), f64::from(i * 13 % 100)]).collect();
    let labels: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r[0] > 60.0 && r[1] > 50.0))).collect();
    let failure = Boosting::classifier().fit(&Table::from_rows(&rows)?, &labels)?.to_bytes();
    let load: Vec<f64> = (0..60).map(|i| 40.0 + f64::from(i) + f64::from(i * 7 % 5)).collect();
    let demand = StoredForecaster::from(Theta::optimised().fit(&load)?).to_bytes();

    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let put = |path: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let mut answer = agent.put(format!("{url}{path}")).send(bytes)?;
        println!("PUT {path}\n  {} {}", answer.status().as_u16(), answer.body_mut().read_to_string()?);
        Ok(())
    };
    let post = |path: &str, body: &str| -> Result<(), Box<dyn Error>> {
        let mut answer = agent.post(format!("{url}{path}")).send(body)?;
        println!(
            "POST {path} {body}\n  {} {}",
            answer.status().as_u16(),
            answer.body_mut().read_to_string()?
        );
        Ok(())
    };
    put("/v1/models/failure/versions/1?format=trees", &failure)?;
    put("/v1/models/demand/versions/7?format=forecaster", &demand)?;
    post("/v1/models/failure/versions/1/predict", r#"{"row": [72.5, 88]}"#)?;
    post("/v1/models/failure/versions/1/batch", r#"{"rows": [[30, 10], [72.5, null]]}"#)?;
    post("/v1/models/demand/versions/latest/forecast", r#"{"horizon": 3, "levels": [0.9]}"#)?;
    post("/v1/models/failure/versions/1/predict", r#"{"row": [72.5]}"#)?;
    let metrics = agent.get(format!("{url}/metrics")).call()?.body_mut().read_to_string()?;
    println!(
        "{}",
        metrics.lines().filter(|it| it.starts_with("serving_requests")).collect::<Vec<_>>().join("\n")
    );
    Ok(())
}
