//! Reads manifests, shows the map of the application, and writes it in other forms.

mod export;
mod ground;
mod options;
mod show;

use flate2::read::GzDecoder;
use options::{HELP, Options};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vm_ecosystem::model::manifest::{self, ParseOptions, Parsed, Source};

fn main() -> ExitCode {
    let result = options::parse(std::env::args().skip(1))
        .and_then(|options| options.map_or_else(|| Ok(HELP.to_owned()), |o| run(&o)));
    match result {
        Ok(text) => {
            // A closed pipe (`| head`) is no error of ours.
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("map: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<String, String> {
    let parsed = parse(options)?;
    for finding in &parsed.findings {
        eprintln!("{finding}");
    }
    let map = &parsed.ecosystem;
    let mut text = String::new();
    show::components(map, &mut text);
    show::structure(map, &mut text);
    if options.edges {
        show::edges(map, &mut text);
    }
    let ground = ground::of(map, options)?;
    if let Some(ground) = &ground {
        ground.show(&mut text);
    }
    if let Some((format, path)) = &options.export {
        export::write(map, ground, format, path)?;
    }
    text.push_str(&show::summary(&parsed));
    Ok(text)
}

fn parse(options: &Options) -> Result<Parsed, String> {
    let names = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
    let env = if options.env.is_empty() { default_env(&options.files[0]) } else { options.env.clone() };
    let (file_names, env_names) = (names(&options.files), names(&env));
    let files = options.files.iter().map(|p| read(p)).collect::<Result<Vec<_>, _>>()?;
    let variables = env.iter().map(|p| read(p)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<_> =
        file_names.iter().zip(&files).map(|(name, bytes)| Source::new(name, bytes)).collect();
    let mut settings = ParseOptions::default();
    for (name, bytes) in env_names.iter().zip(&variables) {
        settings = settings.with_env_file(Source::new(name, bytes));
    }
    manifest::parse(&sources, &settings).map_err(|error| error.to_string())
}

/// The file of variables with the same stem, else `.env` in the same folder.
fn default_env(file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut stem = name.as_str();
    while let Some((shorter, _)) = stem.rsplit_once('.') {
        stem = shorter;
        let path = file.with_file_name(format!("{stem}.env"));
        if path.is_file() {
            return vec![path];
        }
    }
    let path = file.with_file_name(".env");
    if path.is_file() { vec![path] } else { Vec::new() }
}

/// A file, unpacked if it is packed.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let bytes =
        std::fs::read(path).map_err(|error| format!("{}: {error}; check the path", path.display()))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    // A little more than the largest input that is accepted, so that a compressed bomb ends as a typed error.
    let mut plain = Vec::new();
    let most = manifest::Budgets::default().bytes as u64 + 1;
    let done = GzDecoder::new(&*bytes).take(most).read_to_end(&mut plain);
    done.map_err(|error| format!("{}: {error}; is the file complete?", path.display()))?;
    Ok(plain)
}
