//! The forms of reports with their names, flags and files, and the CI systems that Rehearsa has output for.

use std::path::PathBuf;

use crate::model::environment::Environment;

/// A form of report that is written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// JUnit XML.
    Junit,
    /// rehearsa's own JSON.
    Json,
    /// TAP.
    Tap,
    /// One page for a browser.
    Html,
    /// A summary in Markdown.
    Markdown,
    /// The events, one JSON object a line.
    Events,
    /// The Common Test Report Format, <https://ctrf.io>.
    Ctrf,
    /// Prometheus' text format, for the node exporter's textfile collector.
    Prometheus,
    /// A badge as SVG.
    Badge,
}

impl Form {
    /// All forms.
    pub const ALL: [Form; 9] = [
        Form::Junit,
        Form::Json,
        Form::Tap,
        Form::Html,
        Form::Markdown,
        Form::Events,
        Form::Ctrf,
        Form::Prometheus,
        Form::Badge,
    ];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Form::Junit => "JUnit",
            Form::Json => "JSON",
            Form::Tap => "TAP",
            Form::Html => "HTML",
            Form::Markdown => "Markdown",
            Form::Events => "event",
            Form::Ctrf => "CTRF",
            Form::Prometheus => "Prometheus",
            Form::Badge => "badge",
        }
    }

    /// The flag of the form.
    pub fn flag(self) -> &'static str {
        match self {
            Form::Junit => "--junit",
            Form::Json => "--json",
            Form::Tap => "--tap",
            Form::Html => "--html",
            Form::Markdown => "--markdown",
            Form::Events => "--events",
            Form::Ctrf => "--ctrf",
            Form::Prometheus => "--prometheus",
            Form::Badge => "--badge",
        }
    }

    /// The file name in the folder of all reports.
    pub fn file(self) -> &'static str {
        match self {
            Form::Junit => "junit.xml",
            Form::Json => "report.json",
            Form::Tap => "report.tap",
            Form::Html => "report.html",
            Form::Markdown => "summary.md",
            Form::Events => "events.jsonl",
            Form::Ctrf => "ctrf.json",
            Form::Prometheus => "rehearsa.prom",
            Form::Badge => "badge.svg",
        }
    }
}

/// A dialect of JUnit XML.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JunitFlavor {
    /// Everything that common readers understand.
    #[default]
    Default,
    /// Nothing that Jenkins' strict schema refuses.
    Jenkins,
}

/// What a badge shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BadgeSubject {
    /// How many rehearsals passed.
    #[default]
    Result,
    /// The lowest score.
    Score,
}

/// The version in the head of a TAP stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TapVersion {
    /// 13, which every reader takes.
    #[default]
    V13,
    /// 14, for readers that want its subtests told so.
    V14,
}

/// A CI system that Rehearsa has output for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ci {
    /// GitHub Actions: annotations, and a summary if the step has a file for it.
    GitHub {
        /// `GITHUB_STEP_SUMMARY`.
        summary: Option<PathBuf>,
        /// `GITHUB_OUTPUT`.
        output: Option<PathBuf>,
    },
    /// Gitea Actions (and Forgejo): no annotations; a summary where it has them.
    Gitea {
        /// `GITHUB_STEP_SUMMARY`.
        summary: Option<PathBuf>,
        /// `GITHUB_OUTPUT`.
        output: Option<PathBuf>,
    },
    /// GitLab CI: collapsible sections.
    GitLab,
}

/// The choice of a CI system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CiChoice {
    /// The one that the environment shows.
    #[default]
    Auto,
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Gitea Actions.
    Gitea,
    /// None.
    None,
}

impl CiChoice {
    /// Finds the CI system. Gitea also sets the variables of GitHub, so Gitea is looked for first.
    pub fn resolve(self, env: &Environment) -> Option<Ci> {
        let is_set = |name: &str| env.get(name).is_some_and(|value| value != "false");
        let path = |name: &str| env.get(name).map(PathBuf::from);
        let (summary, output) = (path("GITHUB_STEP_SUMMARY"), path("GITHUB_OUTPUT"));
        match self {
            CiChoice::None => None,
            CiChoice::GitHub => Some(Ci::GitHub { summary, output }),
            CiChoice::Gitea => Some(Ci::Gitea { summary, output }),
            CiChoice::GitLab => Some(Ci::GitLab),
            CiChoice::Auto if is_set("GITEA_ACTIONS") || is_set("FORGEJO_ACTIONS") => {
                Some(Ci::Gitea { summary, output })
            }
            CiChoice::Auto if is_set("GITHUB_ACTIONS") => Some(Ci::GitHub { summary, output }),
            CiChoice::Auto if is_set("GITLAB_CI") => Some(Ci::GitLab),
            CiChoice::Auto => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<Ci> {
        CiChoice::Auto.resolve(&variables.iter().copied().collect())
    }

    #[test]
    fn the_ci_system_is_known_by_its_environment() {
        let gitea = [("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "/s")];
        assert_eq!(found(&gitea), Some(Ci::Gitea { summary: Some("/s".into()), output: None }));
        assert_eq!(found(&gitea[..1]), Some(Ci::GitHub { summary: None, output: None }));
        assert_eq!(found(&[("GITLAB_CI", "true")]), Some(Ci::GitLab));
        assert_eq!(found(&[("GITHUB_ACTIONS", ""), ("GITLAB_CI", "false")]), None);
        assert_eq!(CiChoice::None.resolve(&gitea.iter().copied().collect()), None);
    }

    #[test]
    fn no_two_forms_share_a_name_a_flag_or_a_file() {
        for (nth, form) in Form::ALL.iter().enumerate() {
            for other in &Form::ALL[..nth] {
                assert!(form.name() != other.name() && form.flag() != other.flag() && form.file() != other.file());
            }
        }
    }
}
