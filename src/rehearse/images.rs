//! The images of services: each is on the engine, or is pulled, before anything is restored.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::docker::{
    Daemon, EnsuredImage, ImageError, ImageErrorKind, ImageRequest, PullProgress, RegistryLogins, ensure_image,
};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Amount, Step};
use crate::model::lock::lock;
use crate::model::plan::ServicePlan;
use crate::model::pull::PullPolicy;
use crate::model::service::{Image, Service, ServiceName};

use super::diagnose::{docker_diagnosis, stopped};
use super::sandbox::stop::StopSignal;
use super::shared_task::{Diagnosed, SharedFuture, SharedTask};
use super::steps::{Notify, OpenStep};

/// Time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The images of a run, each found or pulled once. One that failed is tried again when it is asked for again.
#[derive(Default)]
pub(super) struct Images {
    known: Mutex<BTreeMap<ImageRequest, SharedTask<String>>>,
}

/// What finding an image needs.
pub(super) struct ImageFinder {
    pub daemon: Daemon,
    pub logins: RegistryLogins,
    pub notify: Notify,
    pub stop: StopSignal,
}

impl Images {
    /// The id of the image that a service is to run on. `cases`: those that a pull is shown to.
    pub fn get(&self, finder: ImageFinder, plan: &ServicePlan, cases: Vec<ServiceName>) -> SharedFuture<String> {
        let wanted = request(plan);
        let mut known = lock(&self.known);
        let task = known.entry(wanted.clone()).or_default();
        if matches!(task.finished(), Some(Err(_))) {
            *task = SharedTask::default();
        }
        task.get(|| async move { finder.find(wanted, cases).await })
    }
}

/// Finds an image before there is a plan, or has it pulled. `begun` is called when its registry is asked.
pub async fn ensure(
    daemon: &Daemon,
    wanted: &ImageRequest,
    logins: &RegistryLogins,
    begun: impl Fn() + Send + Sync,
) -> Result<EnsuredImage, Diagnosis> {
    let mut progress = |progress| {
        if progress == PullProgress::Begun {
            begun();
        }
    };
    ensure_image(daemon, wanted, logins, &mut progress).await.map_err(|error| image_diagnosis(&error))
}

fn request(plan: &ServicePlan) -> ImageRequest {
    let image = &plan.service.image;
    ImageRequest {
        reference: image.reference.clone(),
        id: image.id.clone(),
        platform: plan.service.platform.clone(),
        // The image of a service from a file was found, or pulled, before there was a plan.
        policy: if plan.service.is_live() { plan.settings.pull } else { PullPolicy::Missing },
        patience: plan.settings.pull_timeout,
    }
}

impl ImageFinder {
    async fn find(self, wanted: ImageRequest, cases: Vec<ServiceName>) -> Diagnosed<String> {
        let mut pull = Pull { notify: &self.notify, reference: &wanted.reference, cases, step: None };
        let ensured = {
            let mut progress = |progress| pull.report(progress);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                ensured = ensure_image(&self.daemon, &wanted, &self.logins, &mut progress) => Some(ensured),
            }
        };
        let step = pull.step.map(|(step, _)| step);
        match ensured {
            // The step counts as stopped.
            None => Err(stopped(&self.stop, "while an image was pulled")),
            Some(Ok(image)) => {
                if let Some(step) = step {
                    let note = (!image.pulled).then(|| "the engine has it".to_owned());
                    step.done_with(None, note);
                }
                Ok(image.id)
            }
            Some(Err(error)) => {
                let diagnosis = image_diagnosis(&error);
                Err(match step {
                    Some(step) => step.broke(diagnosis),
                    None => diagnosis,
                })
            }
        }
    }
}

/// A pull, shown as a step once the registry is asked.
struct Pull<'a> {
    notify: &'a Notify,
    reference: &'a str,
    cases: Vec<ServiceName>,
    /// The step and the time of its last report.
    step: Option<(OpenStep, Instant)>,
}

impl Pull<'_> {
    fn report(&mut self, progress: PullProgress) {
        match (progress, &mut self.step) {
            (PullProgress::Begun, _) => {
                let step = Step::Pull { image: self.reference.to_owned() };
                self.step = Some((self.notify.begin(self.cases.clone(), step), Instant::now()));
            }
            (PullProgress::Moved { bytes, total }, Some((step, told))) if told.elapsed() >= PROGRESS_EVERY => {
                *told = Instant::now();
                let amount = |bytes| Amount { files: 0, bytes };
                step.progress(amount(bytes), Some(amount(total)));
            }
            (PullProgress::Moved { .. }, _) => {}
        }
    }
}

/// The warning about a service that is rehearsed on another image than it runs on; `None`: it is the same.
pub(super) fn drift(service: &Service, id: &str) -> Option<Diagnosis> {
    let Image { reference, id: live } = &service.image;
    if live.is_empty() || live == id {
        return None;
    }
    let message = format!(
        "{} runs on {}, and was rehearsed on {}, which {reference} names now",
        service.name,
        short(live),
        short(id)
    );
    Some(Diagnosis::new(Code::ConfigImageDrift, message))
}

/// An id as `docker ps` shows it.
fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// The diagnosis of an image that cannot be had. Nothing is known about the backup then.
fn image_diagnosis(error: &ImageError) -> Diagnosis {
    let reference = &error.reference;
    let remedy = match &error.kind {
        ImageErrorKind::Engine(error) => {
            return docker_diagnosis(error, Code::ConfigImageUnavailable, &format!("having the image {reference}"));
        }
        ImageErrorKind::NotPulled => Some(format!(
            "Rehearse without `--pull never`, or bring the image to the engine first: `docker pull {reference}`, or \
             `docker load` of a copy."
        )),
        ImageErrorKind::Unnamed => None,
        ImageErrorKind::Login(_) => Some(
            "Repair the login: `docker login` writes it anew; `docker logout` removes it. A restore on this machine \
             would stop here, too."
                .to_owned(),
        ),
        ImageErrorKind::Registry { words, .. } => remedy_of(words, reference),
        ImageErrorKind::Silent(_) => Some(
            "See that the engine's host reaches the registry. If the registry only takes long, allow more with \
             --pull-timeout."
                .to_owned(),
        ),
    };
    Diagnosis { remedy, ..Diagnosis::new(Code::ConfigImageUnavailable, error.to_string()) }
}

/// What to do, by the words of the registry; `None`: they are not known.
fn remedy_of(words: &str, reference: &str) -> Option<String> {
    let words = words.to_lowercase();
    let says = |all: &[&str]| all.iter().any(|one| words.contains(one));
    let remedy = if says(&["unauthorized", "denied", "no basic auth", "authentication required", "forbidden"]) {
        format!(
            "Log in to the registry on the machine that runs Rehearsa (`docker login`), or set DOCKER_CONFIG to the \
             folder whose config.json has the login; then try `docker pull {reference}`. A registry may also refuse \
             an image that does not exist. A restore on a new host needs this login: keep it where the host is not."
        )
    } else if says(&["no matching manifest", "does not match the specified platform", "no match for platform"]) {
        format!(
            "The registry has {reference} for other kinds of processors only. Run the rehearsal on an engine of the \
             right kind, or name an image that has this one."
        )
    } else if says(&["manifest unknown", "not found", "does not exist", "name unknown"]) {
        format!(
            "The registry has no {reference} (any more). Name a tag that it has, or push a copy that you keep. \
             Without the image there is no restore: `docker save` keeps one beside the backup."
        )
    } else if says(&["connection refused", "no such host", "timeout", "unreachable", "x509", "tls", "dial tcp", "eof"])
    {
        format!(
            "The engine's host does not reach the registry. Try `docker pull {reference}` there. Without a way to the \
             registry bring the image to the engine with `docker load`."
        )
    } else {
        return None;
    };
    Some(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::Severity;
    use crate::model::sample;

    fn told(words: &str) -> Diagnosis {
        let kind = ImageErrorKind::Registry { words: words.to_owned(), login: "without a login: none".to_owned() };
        image_diagnosis(&ImageError { reference: "r.example/app:1".to_owned(), kind })
    }

    #[test]
    fn the_words_of_a_registry_say_what_to_do() {
        for (words, remedy) in [
            ("Head \"http://r/v2/app/manifests/1\": no basic auth credentials", "docker login"),
            ("Head \"http://r/v2/app/manifests/1\": unauthorized: authentication required", "docker login"),
            ("pull access denied for app, repository does not exist or may require 'docker login'", "docker login"),
            ("manifest for r/app:2 not found: manifest unknown: manifest unknown", "docker save"),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", "processors"),
            ("Get \"http://r/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", "docker load"),
            ("something new", "pull"),
        ] {
            let diagnosis = told(words);
            assert_eq!(diagnosis.code, Code::ConfigImageUnavailable, "{words}");
            assert!(diagnosis.message.contains(words), "{diagnosis}");
            assert!(diagnosis.remedy().contains(remedy), "{words}: {}", diagnosis.remedy());
        }
    }

    #[test]
    fn another_image_than_the_live_one_is_a_warning() {
        let mut service = sample::service(ServiceName::lone("web"));
        service.image = Image { reference: "app:1".to_owned(), id: format!("sha256:{}", "a".repeat(64)) };
        let other = format!("sha256:{}", "b".repeat(64));
        assert_eq!(drift(&service, &service.image.id), None);
        let told = drift(&service, &other).expect("it differs").message;
        assert_eq!(told, "web runs on aaaaaaaaaaaa, and was rehearsed on bbbbbbbbbbbb, which app:1 names now");
        service.image.id = String::new();
        assert_eq!(drift(&service, &other), None, "nobody knows what it ran on");
    }

    #[test]
    fn an_image_that_cannot_be_had_is_no_verdict_on_the_backup() {
        for kind in [
            ImageErrorKind::NotPulled,
            ImageErrorKind::Unnamed,
            ImageErrorKind::Login("config.json cannot be read".to_owned()),
            ImageErrorKind::Silent(Duration::from_secs(90)),
        ] {
            let diagnosis = image_diagnosis(&ImageError { reference: "r.example/app:1".to_owned(), kind });
            assert_eq!(diagnosis.severity(), Severity::Errored, "{diagnosis}");
            assert!(diagnosis.message.contains("r.example/app:1"), "{diagnosis}");
        }
    }
}
