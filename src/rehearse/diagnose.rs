//! Diagnoses for errors of the engine, the worker or the host. Which code an error gets is decided only here.

use crate::docker::{DockerError, DockerErrorKind};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::mask::Mask;
use crate::model::service::Service;
use crate::worker::client::{JobError, WorkerError};

use super::sandbox::stop::StopSignal;

/// The diagnosis of an engine error `during` some work: the code that holds for this error in all work, else `code`.
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

/// Exit code of a process that SIGKILL ended. Nobody else kills a worker that has something to do.
const KILLED: i64 = 137;

/// The worker could not be started, or broke off.
pub(super) fn worker_diagnosis(error: &WorkerError, during: &str) -> Diagnosis {
    match error {
        WorkerError::Docker(error) => docker_diagnosis(error, Code::WorkerFailed, during),
        WorkerError::Stopped { exit_code: Some(KILLED), .. } => Diagnosis {
            remedy: Some(
                "Look at the memory of the engine's host: its kernel log names what was killed, and why. If there is \
                 enough, please report with what data the worker needs more than its limit."
                    .to_owned(),
            ),
            ..Diagnosis::new(
                Code::WorkerFailed,
                format!("{during}: the worker was killed, most likely because memory ran out ({error})"),
            )
        },
        WorkerError::Image { .. } | WorkerError::Stopped { .. } | WorkerError::Silent(_) | WorkerError::Garbled(_) => {
            Diagnosis::new(Code::WorkerFailed, format!("{during}: {error}"))
        }
        WorkerError::Source(_) => Diagnosis::new(Code::SourceUnreachable, format!("{during}: {error}")),
    }
}

/// The diagnosis of a failed job that concerns no mount.
pub(super) fn job_diagnosis(error: &JobError, during: &str) -> Diagnosis {
    match error {
        JobError::Worker(error) => worker_diagnosis(error, during),
        JobError::Failed(_) | JobError::Cancelled | JobError::Unexpected(_) => {
            Diagnosis::new(Code::WorkerFailed, format!("{during}: {error}"))
        }
    }
}

/// The diagnosis of a live volume that cannot be inspected.
pub(super) fn source_diagnosis(error: &DockerError, mount: &str) -> Diagnosis {
    match &error.kind {
        DockerErrorKind::NotFound(words) if words.contains("no such volume") => vanished(mount),
        DockerErrorKind::NotFound(words) | DockerErrorKind::Engine(words) => {
            Diagnosis::new(Code::ConfigVolumeDriver, format!("{mount} cannot be read: {words}"))
        }
        _ => docker_diagnosis(error, Code::ConfigVolumeDriver, &format!("looking at {mount}")),
    }
}

/// The diagnosis of a live mount that no longer exists.
pub(super) fn vanished(mount: &str) -> Diagnosis {
    Diagnosis::new(Code::HostServiceVanished, format!("{mount} is gone from the host"))
}

/// The engine refused to create or start (`doing`) a service's container.
pub(super) fn container_diagnosis(error: &DockerError, service: &Service, mask: &Mask, doing: &str) -> Diagnosis {
    let name = &service.name;
    let words = match &error.kind {
        DockerErrorKind::NotFound(words) | DockerErrorKind::Engine(words) | DockerErrorKind::Conflict(words) => {
            words.as_str()
        }
        _ => "",
    };
    if words.contains("o such image") {
        let (reference, id) = (&service.image.reference, &service.image.id);
        let message = format!("{name} runs {reference} ({id}), and the host no longer has that image");
        return Diagnosis::new(Code::ConfigImageUnavailable, message);
    }
    if words.contains("mount a directory onto a file") {
        let message = format!("starting the container of {name}: {}", mask.apply(words));
        return Diagnosis::new(Code::ConfigMountType, message);
    }
    if words.contains("failed to mount local volume") || words.contains("error while mounting volume") {
        let message = format!("mounting the data of {name}: {}", mask.apply(words));
        return Diagnosis::new(Code::RestoreFailed, message);
    }
    let diagnosis = docker_diagnosis(error, Code::BootNotStarted, &format!("{doing} the container of {name}"));
    Diagnosis { message: mask.apply(&diagnosis.message), ..diagnosis }
}

/// The diagnosis of work that a signal or the global timeout stopped.
pub(super) fn stopped(stop: &StopSignal, when: &str) -> Diagnosis {
    if stop.is_out_of_time() {
        Diagnosis::new(Code::RunTimedOut, format!("the time for the whole run (--global-timeout) ended {when}"))
    } else {
        Diagnosis::new(Code::RunCancelled, format!("the run was interrupted {when}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_was_killed_is_told_of_memory_and_not_of_another_architecture() {
        let stopped = |exit_code| WorkerError::Stopped { exit_code, stderr: String::new() };
        let killed = worker_diagnosis(&stopped(Some(KILLED)), "restoring");
        assert_eq!(killed.code, Code::WorkerFailed);
        assert!(killed.message.contains("memory ran out") && killed.message.contains("137"), "{killed}");
        assert!(killed.remedy().contains("memory") && !killed.remedy().contains("architecture"), "{killed}");
        assert!(worker_diagnosis(&stopped(Some(1)), "restoring").remedy().contains("architecture"));
    }
}
