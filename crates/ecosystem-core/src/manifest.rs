//! Readers of application manifests and infrastructure files.
//!
//! # Model
//! Every input is read once into one located tree (file, line, column), whether it is YAML or JSON; all formats read
//! from that tree. [`parse`] takes several inputs that together are one application and gives an [`Ecosystem`] whose
//! edges carry their evidence, and all findings in one pass. Nothing is invented: what is not written down in some
//! form is no edge.
//!
//! | format | recognised by |
//! | --- | --- |
//! | our own, version 1 | `components:` |
//! | maps written by [`export::json`](crate::export::json) | `format: vm-ecosystem/map` |
//! | Kubernetes | `apiVersion:` and `kind:` |
//! | Docker Compose | `services:` or `include:` |
//! | Score | `apiVersion: score.dev/…` |
//! | Open Application Model | `apiVersion: core.oam.dev/…` |
//! | TOSCA simple profile and 2.0 | `tosca_definitions_version:` |
//! | traces: OTLP, Jaeger, Zipkin JSON | `resourceSpans`, `data[].spans`, `[].traceId` |
//! | `GraphML` | an XML document |
//!
//! # Hostile input
//! Bytes, documents, nodes, depth and what aliases expand to are bounded by [`Budgets`]; time is linear in the bytes
//! read plus the nodes after expansion. Nothing panics; what cannot be read is a [`ManifestError`] with places.
//!
//! # Example
//! ```
//! use ecosystem_core::manifest::{self, ParseOptions, Source};
//!
//! let text = "version: 1\nname: shop\ncomponents:\n  web: {image: nginx:1.27, depends_on: [db]}\n  db: {kind: database}\n";
//! let parsed = manifest::parse(&[Source::new("shop.yaml", text)], &ParseOptions::default())?;
//! assert_eq!(parsed.ecosystem.len(), 2);
//! let edge = parsed.ecosystem.dependencies().next().unwrap();
//! assert_eq!(edge.evidence[0].place.to_string(), "shop.yaml:4:41 (components.web.depends_on[0])");
//!
//! let wrong = text.replace("[db]", "[bd]");
//! let error = manifest::parse(&[Source::new("shop.yaml", &wrong)], &ParseOptions::default()).unwrap_err();
//! assert_eq!(error.findings[0].code, "E1110");
//! assert!(error.to_string().contains("did you mean `db`?"));
//! # Ok::<(), manifest::ManifestError>(())
//! ```

mod carried;
mod compose;
mod draft;
mod exported;
mod graphml;
mod infrastructure;
mod input;
mod json;
mod kubernetes;
mod mention;
mod native;
mod oam;
mod observed;
mod quantity;
mod read;
mod report;
mod schema;
mod score;
mod template;
mod tosca;
mod tree;
mod xml;
mod yaml;

use crate::ecosystem::Ecosystem;
use crate::finding::{Finding, FindingLevel, Place};
use crate::infra::Infrastructure;
use draft::Draft;
use input::{documents, recognise, text_of};
pub(crate) use report::Report;
pub use schema::json_schema;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
pub(crate) use tree::At;
use tree::Node;

/// One input: a name for messages and its bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Source<'a> {
    /// Name of the input, usually the file name; appears in every place.
    pub name: &'a str,
    /// Its content; UTF-8, a byte-order mark is allowed.
    pub bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// An input with a name.
    pub fn new<B: AsRef<[u8]> + ?Sized>(name: &'a str, bytes: &'a B) -> Self {
        Self { name, bytes: bytes.as_ref() }
    }
}

/// How much an input may hold. Exceeding a budget is an error that names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Budgets {
    /// Bytes of one input; 32 MiB: ten times the largest manifests seen.
    pub bytes: usize,
    /// YAML documents of one input; 100,000: real Kubernetes dumps have thousands.
    pub documents: usize,
    /// Nodes of one input as written; 4,000,000: 32 MiB of ordinary YAML has fewer.
    pub nodes: usize,
    /// Levels of nesting; 128: real manifests stay below 30.
    pub depth: usize,
    /// Nodes that aliases and merge keys add to one input; 500,000: real manifests stay below 10,000.
    pub alias_nodes: usize,
    /// Edges that all inputs may give rise to; 1,000,000: a few selectors or a shared list of names can mean billions.
    pub edges: usize,
    /// Findings that are kept; 1,000: nobody reads more.
    pub findings: usize,
    /// Hosts of an infrastructure; 200,000: the largest fleets.
    pub hosts: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            documents: 100_000,
            nodes: 4_000_000,
            depth: 128,
            alias_nodes: 500_000,
            edges: 1_000_000,
            findings: 1_000,
            hosts: 200_000,
        }
    }
}

/// A format of manifests.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Format {
    /// Our own format, version 1.
    Native,
    /// Kubernetes objects and kustomizations.
    Kubernetes,
    /// Docker Compose.
    Compose,
    /// Score workloads.
    Score,
    /// Open Application Model.
    Oam,
    /// TOSCA service templates.
    Tosca,
    /// Spans of distributed traces: OTLP, Jaeger or Zipkin JSON.
    Traces,
    /// `GraphML`.
    GraphMl,
    /// A map that [`export::json`](crate::export::json) wrote.
    Map,
}

impl Format {
    /// The format's name, e.g. `kubernetes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Kubernetes => "kubernetes",
            Self::Compose => "compose",
            Self::Score => "score",
            Self::Oam => "oam",
            Self::Tosca => "tosca",
            Self::Traces => "traces",
            Self::GraphMl => "graphml",
            Self::Map => "map",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Settings of [`parse`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ParseOptions<'a> {
    /// Name of the application; empty = what the manifest says, else the name of the first input.
    pub name: String,
    /// Files of variables (`KEY=value` lines) for interpolation; later ones win.
    pub env_files: Vec<Source<'a>>,
    /// Variables that win over the files.
    pub variables: BTreeMap<String, String>,
    /// Format of all inputs; `None` = each document says what it is.
    pub format: Option<Format>,
    /// How much an input may hold.
    pub budgets: Budgets,
}

impl<'a> ParseOptions<'a> {
    /// The same options with one more file of variables.
    #[must_use]
    pub fn with_env_file(mut self, file: Source<'a>) -> Self {
        self.env_files.push(file);
        self
    }

    /// The same options with other budgets.
    #[must_use]
    pub const fn with_budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }
}

/// What [`parse`] read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Parsed {
    /// The map.
    pub ecosystem: Ecosystem,
    /// Remarks and warnings, in the order of inputs and lines.
    pub findings: Vec<Finding>,
    /// The formats that were read, without repetition.
    pub formats: Vec<Format>,
}

/// What [`parse_infrastructure`] read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParsedInfrastructure {
    /// The infrastructure.
    pub infrastructure: Infrastructure,
    /// Remarks and warnings, in the order of inputs and lines.
    pub findings: Vec<Finding>,
}

/// Why inputs cannot be used: every finding of the pass, at least one of them an error.
///
/// Its text is the first error and how many more there are; one line.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ManifestError {
    /// All findings, in the order of inputs and lines.
    pub findings: Vec<Finding>,
}

impl ManifestError {
    /// The findings that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.level == FindingLevel::Error)
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.errors();
        match errors.next() {
            Some(first) => write!(f, "{first}")?,
            None => write!(f, "the input cannot be used")?,
        }
        match errors.count() {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl std::error::Error for ManifestError {}

/// Reads an application from one or more inputs; several inputs are parts of one application.
///
/// Linear in the size of the inputs. See the [module](self) for formats and guarantees.
pub fn parse(sources: &[Source<'_>], options: &ParseOptions<'_>) -> Result<Parsed, ManifestError> {
    let mut report = Report::new(options.budgets.findings);
    let mut draft =
        Draft { name: options.name.clone(), edges_max: options.budgets.edges, ..Draft::default() };
    let documents = documents(sources, &options.budgets, &mut report);
    let files: Vec<&str> = sources.iter().map(|s| s.name).collect();
    let mut formats = Vec::new();
    let mut objects = kubernetes::Objects::default();
    let mut compose = compose::Documents::default();
    let mut score = score::Workloads::default();
    let mut templates = Vec::new();
    let mut spans = Vec::new();
    for document in &documents {
        let root = At::root(document);
        let Some(format) = options.format.or_else(|| recognise(&root, &mut report)) else { continue };
        if !formats.contains(&format) {
            formats.push(format);
        }
        match format {
            Format::Native => native::read(&root, &mut draft, &mut report),
            Format::Kubernetes => objects.add(&root, &mut report),
            Format::Compose => compose.add(&root),
            Format::Score => score.add(&root, &mut report),
            Format::Oam => oam::read(&root, &mut draft, &mut report),
            Format::Tosca => templates.push(root),
            Format::Traces => spans.extend(crate::traces::spans(&root, &report)),
            Format::GraphMl => graphml::read(&root, &mut draft, &mut report),
            Format::Map => exported::read(&root, &mut draft, &mut report),
        }
    }
    objects.finish(&files, &mut draft, &mut report);
    compose.finish(&files, options, &mut draft, &mut report);
    score.finish(&mut draft, &mut report);
    tosca::read(&templates, &files, &mut draft, &mut report);
    mention::data_edges(&mut draft);
    let finished = std::mem::take(&mut draft.finished);
    draft.dependencies.extend(finished);
    observed::add(&spans, &mut draft, &mut report);
    if documents.is_empty() && !report.has_errors() {
        let place =
            Place { file: sources.first().map(|s| s.name.into()).unwrap_or_default(), ..Place::default() };
        report.add_at("E1011", place, "the input holds no document".to_owned(), "hand in a manifest");
    }
    if draft.name.is_empty() {
        draft.name = sources.first().map(|s| stem(s.name)).unwrap_or_default();
    }
    note_missing_edges(&draft, &documents, &mut report);
    let ecosystem = draft.finish(&mut report);
    let findings = report.finish()?;
    match ecosystem {
        Some(ecosystem) => Ok(Parsed { ecosystem, findings, formats }),
        None => Err(ManifestError { findings }),
    }
}

/// Reads an infrastructure file, format version 1 as specified in `docs/infrastructure-format.md`.
///
/// # Example
/// ```
/// use ecosystem_core::manifest::{self, ParseOptions, Source};
///
/// let text = "
/// version: 1
/// currency: EUR
/// regions:
///   eu:
///     zones:
///       eu-a:
///         racks:
///           eu-a-1:
///             hosts:
///               'eu-a-{n}': {count: 3, capacity: {cpu: 16, memory: 64Gi}, price_per_hour: 0.42}
/// ";
/// let parsed = manifest::parse_infrastructure(&[Source::new("infra.yaml", text)], &ParseOptions::default())?;
/// assert_eq!(parsed.infrastructure.hosts().len(), 3);
/// assert_eq!(parsed.infrastructure.hosts()[2].id.as_str(), "eu-a-3");
/// # Ok::<(), manifest::ManifestError>(())
/// ```
pub fn parse_infrastructure(
    sources: &[Source<'_>],
    options: &ParseOptions<'_>,
) -> Result<ParsedInfrastructure, ManifestError> {
    let mut report = Report::new(options.budgets.findings);
    let documents = documents(sources, &options.budgets, &mut report);
    let infrastructure = infrastructure::read(&documents, &options.budgets, &mut report);
    let findings = report.finish()?;
    match infrastructure {
        Some(infrastructure) => Ok(ParsedInfrastructure { infrastructure, findings }),
        None => Err(ManifestError { findings }),
    }
}

/// Says so where the inputs hardly tell how the components depend on each other; nothing is guessed.
fn note_missing_edges(draft: &Draft, documents: &[Node], report: &mut Report) {
    let placed = draft.components.values().filter(|(c, _)| c.is_placed()).count();
    let pairs: BTreeSet<_> = draft.dependencies.iter().map(|(edge, _)| (&edge.from, &edge.to)).collect();
    if placed >= 2 && pairs.len() * 4 < placed {
        let place = documents.first().map(|d| report.place(&At::root(d))).unwrap_or_default();
        report.add_at(
            "W1310",
            place,
            format!(
                "{placed} components, but only {} dependencies between them are written down",
                pairs.len()
            ),
            "the rest lives in the programs: declare it, or hand in traces",
        );
    }
}

/// The spans of one input, for [`traces::parse`](crate::traces::parse).
pub(crate) fn read_spans(
    source: &Source<'_>,
    budgets: &Budgets,
) -> Result<Vec<crate::traces::Span>, ManifestError> {
    let mut report = Report::new(budgets.findings);
    let mut spans = Vec::new();
    for document in documents(std::slice::from_ref(source), budgets, &mut report) {
        let root = At::root(&document);
        if crate::traces::is_trace(&root) {
            spans.extend(crate::traces::spans(&root, &report));
        } else {
            let message = "the document holds no spans".to_owned();
            report.add("E1010", &root, message, "formats that are read: OTLP, Jaeger and Zipkin JSON");
        }
    }
    report.finish()?;
    Ok(spans)
}

/// File name without folders and extension.
fn stem(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    base.split('.').find(|part| !part.is_empty()).unwrap_or("application").to_owned()
}
