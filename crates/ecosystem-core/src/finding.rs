//! What a reader noticed: a stable code, a place and a remedy, so that people and programs can act on it.

use std::fmt;
use std::sync::Arc;

/// A place in an input: file, line, column (both from 1, 0 = unknown) and a path such as `components[3].cpu`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Place {
    /// Name of the input as the host handed it in.
    pub file: Arc<str>,
    /// Line, from 1; 0 where it is unknown.
    pub line: u32,
    /// Column in characters, from 1; 0 where it is unknown.
    pub column: u32,
    /// Path in the document, e.g. `components[3].cpu`.
    pub path: Arc<str>,
}

impl Place {
    /// A place with all its parts.
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32, path: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line, column, path: path.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = if self.file.is_empty() { "input" } else { &*self.file };
        write!(f, "{file}")?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        if !self.path.is_empty() {
            write!(f, " ({})", self.path)?;
        }
        Ok(())
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "three levels are complete by definition")]
pub enum FindingLevel {
    /// Good to know; nothing needs to be done.
    Info,
    /// Read, but something is probably not as meant.
    Warning,
    /// The input cannot be used.
    Error,
}

/// One thing noticed in an input.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Finding {
    /// Stable code, e.g. `E1101`; codes are never reused.
    pub code: &'static str,
    /// How much it matters.
    pub level: FindingLevel,
    /// Where it is.
    pub place: Place,
    /// What is wrong, with the value and what was expected.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.code, self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// What an edge or an attribute rests on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum EvidenceKind {
    /// Written down as a dependency by the author of the manifest.
    Declared,
    /// A value of the environment that names another component.
    Env,
    /// A command-line argument or a configuration file that names another component.
    Config,
    /// A rule that allows or denies traffic.
    NetworkPolicy,
    /// A shared volume.
    Volume,
    /// Spans of a distributed trace.
    Trace,
    /// Observed network flows.
    Flow,
    /// The image name or its ports.
    Image,
}

impl EvidenceKind {
    /// The kind's name as it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Env => "env",
            Self::Config => "config",
            Self::NetworkPolicy => "network-policy",
            Self::Volume => "volume",
            Self::Trace => "trace",
            Self::Flow => "flow",
            Self::Image => "image",
        }
    }

    /// All kinds in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Declared,
        Self::Env,
        Self::Config,
        Self::NetworkPolicy,
        Self::Volume,
        Self::Trace,
        Self::Flow,
        Self::Image,
    ];
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How sure an inference is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "three levels are complete by definition")]
pub enum Confidence {
    /// A hint.
    Low,
    /// Probably so.
    Medium,
    /// Written down or observed.
    #[default]
    High,
}

impl Confidence {
    /// The name as it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// All levels, from a hint to certainty.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One piece of evidence: kind, place and how sure it makes us.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evidence {
    /// What it rests on.
    pub kind: EvidenceKind,
    /// How sure it makes us.
    pub confidence: Confidence,
    /// Where it was found.
    #[cfg_attr(feature = "serde", serde(default))]
    pub place: Place,
}

impl Evidence {
    /// A declaration by a program rather than a file.
    pub fn declared() -> Self {
        Self { kind: EvidenceKind::Declared, confidence: Confidence::High, place: Place::default() }
    }

    /// True if a list says no more than that somebody wrote the edge down: whoever writes it down again says as much.
    #[cfg(feature = "export")]
    pub(crate) fn is_plain(list: &[Self]) -> bool {
        matches!(list, [] | [Self { kind: EvidenceKind::Declared, confidence: Confidence::High, .. }])
    }
}
