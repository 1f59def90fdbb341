//! What a CI system is told in its own way, besides the reports that were asked for.
//!
//! GitHub gets annotations in the log, and a summary and outputs of the step in its files; Gitea takes only the
//! latter; GitLab gets foldable sections in the log. All that goes to the log goes to standard error after what people
//! are told: standard output is the machine's, and the systems read both. Foreign text in the log needs no fence around it (as
//! GitHub's `stop-commands`), since every line of it is defused where it is written.

use std::io::Write;

use super::Reporter;
use crate::config::values::report_spec::Ci;

mod annotations;
mod sections;
mod step_files;

use annotations::AnnotationReporter;
use sections::SectionReporter;
use step_files::{OutputReporter, SummaryReporter};

/// The reporters for this CI system, to be called after the one for people; `log` is where the lines of the job's log go.
pub fn reporters(ci: Option<&Ci>, log: Box<dyn Write + Send>) -> Vec<Box<dyn Reporter>> {
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

/// Writes to the log of a job. Who closed it has read enough.
fn log(out: &mut dyn Write, text: &str) -> std::io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_gets_what_it_understands() {
        let file = || Some("file".into());
        let names = |ci: Option<Ci>| {
            let reporters = reporters(ci.as_ref(), Box::new(std::io::sink()));
            reporters.iter().map(|reporter| reporter.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(None), Vec::<String>::new());
        assert_eq!(names(Some(Ci::GitLab)), ["sections in the log"]);
        let github = Ci::GitHub { summary: file(), output: file() };
        assert_eq!(names(Some(github)), ["annotations", "summary of the step file", "outputs of the step file"]);
        assert_eq!(names(Some(Ci::GitHub { summary: None, output: None })), ["annotations"]);
        assert_eq!(names(Some(Ci::Gitea { summary: file(), output: None })), ["summary of the step file"]);
    }
}
