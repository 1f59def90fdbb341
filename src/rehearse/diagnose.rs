//! Refusals of the Docker daemon as diagnoses.

use crate::docker::{DockerError, DockerErrorKind};
use crate::model::diagnosis::{Code, Diagnosis};

/// A refusal of the engine as a diagnosis: what every place agrees on, else `code`.
pub(super) fn docker_diagnosis(error: &DockerError, code: Code, during: &str) -> Diagnosis {
    let code = match &error.kind {
        DockerErrorKind::Unreachable
        | DockerErrorKind::Refused
        | DockerErrorKind::Timeout(_)
        | DockerErrorKind::Version(_) => Code::HostUnreachable,
        DockerErrorKind::NetworksExhausted => Code::SandboxNetworksExhausted,
        DockerErrorKind::NoSpace => Code::RestoreNoSpace,
        DockerErrorKind::NotFound(_) | DockerErrorKind::Conflict(_) | DockerErrorKind::Engine(_) => code,
    };
    let detail = match &error.kind {
        DockerErrorKind::NotFound(words) if !words.is_empty() => format!(": {words}"),
        _ => String::new(),
    };
    Diagnosis::new(code, format!("{during}: {error}{detail}"))
}
