//! Output for a CI system in its own format, besides the reports that were asked for.
//!
//! GitHub gets annotations in the log, and a summary and outputs in the step's files. Gitea gets the summary and the
//! outputs. GitLab gets foldable sections in the log. Lines for the log go to standard error, after the output for
//! people: standard output is for programs, and the CI systems read both. Foreign text in the log needs no
//! `stop-commands` of GitHub around it, because every line is made harmless where it is written.

use std::io::{self, Write};

use super::Reporter;
use crate::config::settings::ReportTargets;
use crate::config::values::report_spec::Ci;
use crate::model::event::Event;
use crate::model::outcome::Outcome;

mod annotations;
mod job_log;
mod sections;
mod step_files;

use annotations::AnnotationReporter;
use sections::SectionReporter;
use step_files::{OutputReporter, SummaryReporter};

/// The reporters for the CI system; they come after the reporter for people. `log` takes the lines for the job's log.
/// If the environment alone shows the system, nobody asked for them.
pub fn reporters(targets: &ReportTargets, log: Box<dyn Write + Send>) -> Vec<Box<dyn Reporter>> {
    let reporters = of_system(targets.ci.as_ref(), log);
    if targets.ci_asked {
        return reporters;
    }
    reporters.into_iter().map(|reporter| Box::new(Unasked(reporter)) as Box<dyn Reporter>).collect()
}

/// A reporter that nobody asked for.
struct Unasked(Box<dyn Reporter>);

impl Reporter for Unasked {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn is_asked_for(&self) -> bool {
        false
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        self.0.event(event, outcome)
    }
}

fn of_system(ci: Option<&Ci>, log: Box<dyn Write + Send>) -> Vec<Box<dyn Reporter>> {
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    match ci {
        None => {}
        Some(Ci::GitLab) => reporters.push(Box::new(SectionReporter::new(log))),
        Some(Ci::GitHub { summary, output } | Ci::Gitea { summary, output }) => {
            if matches!(ci, Some(Ci::GitHub { .. })) {
                reporters.push(Box::new(AnnotationReporter::new(log)));
            }
            if let Some(path) = summary {
                reporters.push(Box::new(SummaryReporter::new(path.clone())));
            }
            if let Some(path) = output {
                reporters.push(Box::new(OutputReporter::new(path.clone())));
            }
        }
    }
    reporters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_gets_what_it_understands() {
        let file = || Some("file".into());
        let names = |ci: Option<Ci>| {
            let targets = ReportTargets { ci, ci_asked: true, ..ReportTargets::default() };
            let reporters = reporters(&targets, Box::new(std::io::sink()));
            assert!(reporters.iter().all(|reporter| reporter.is_asked_for()));
            reporters.iter().map(|reporter| reporter.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(None), Vec::<String>::new());
        assert_eq!(names(Some(Ci::GitLab)), ["sections in the log"]);
        let github = Ci::GitHub { summary: file(), output: file() };
        assert_eq!(names(Some(github)), ["annotations", "summary of the step file", "outputs of the step file"]);
        assert_eq!(names(Some(Ci::GitHub { summary: None, output: None })), ["annotations"]);
        assert_eq!(names(Some(Ci::Gitea { summary: file(), output: None })), ["summary of the step file"]);
    }

    #[test]
    fn nobody_asks_for_what_the_environment_shows() {
        let targets = ReportTargets { ci: Some(Ci::GitLab), ..ReportTargets::default() };
        assert!(reporters(&targets, Box::new(std::io::sink())).iter().all(|reporter| !reporter.is_asked_for()));
    }
}
