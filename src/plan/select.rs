//! Selects services by libtest's rules for filters, and says why each other one is left out.

use crate::config::settings::{IgnoredMode, Selection};
use crate::model::service::{Service, ServiceName};
use crate::model::settings::ServiceSettings;
use crate::model::source::LIVE;

/// A service of the host, selected or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSelection {
    /// The service.
    pub service: ServiceName,
    /// The name of its container.
    pub container: String,
    /// Whether it is selected.
    pub decision: SelectionDecision,
    /// The filters that match it, as indexes into [`Selection::filters`].
    pub hit_by: Vec<usize>,
    /// The `--skip` filters that match it, as indexes into [`Selection::skip`].
    pub skipped_by: Vec<usize>,
}

/// Whether a service is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionDecision {
    /// It is a test case.
    Selected,
    /// It is no test case, for all of these reasons, ordered as in [`LeftOutReason`].
    LeftOut(Vec<LeftOutReason>),
}

/// Why a service is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOutReason {
    /// Its container is stopped.
    NotRunning,
    /// Its label asks rehearsa to ignore it.
    IgnoreLabel,
    /// No filter matches its name.
    FilterMissed,
    /// The report that `--rerun-failed` names shows it green, or does not have it.
    RerunList,
    /// `--skip` names it.
    Skip,
    /// `--ignored` selects only ignored services, and it is not ignored.
    NotIgnored,
    /// It belongs to another part of the partition.
    Partition,
}

impl ServiceSelection {
    /// It is a test case.
    pub fn is_selected(&self) -> bool {
        self.decision == SelectionDecision::Selected
    }

    /// Why it is left out; empty when it is selected.
    pub fn reasons(&self) -> &[LeftOutReason] {
        match &self.decision {
            SelectionDecision::Selected => &[],
            SelectionDecision::LeftOut(reasons) => reasons,
        }
    }

    /// Whether only the command line can leave it out: its container runs, and no label hides it.
    pub fn is_offered(&self) -> bool {
        let hides = |reason: &LeftOutReason| matches!(reason, LeftOutReason::NotRunning | LeftOutReason::IgnoreLabel);
        !self.reasons().iter().any(hides)
    }

    /// The command line leaves it out.
    pub fn is_filtered_out(&self) -> bool {
        !self.is_selected() && self.is_offered()
    }
}

/// Decides for each service, given with its settings and whether it is ignored. A partition counts positions in this
/// order.
pub fn select<'a>(
    services: impl Iterator<Item = (&'a Service, &'a ServiceSettings, bool)>,
    selection: &Selection,
) -> Vec<ServiceSelection> {
    let mut position = 0..;
    services
        .map(|(service, settings, ignored)| {
            let named = Named::of(service, kind(settings));
            let hit_by = named.hits(selection, &selection.filters);
            let mut reasons = Vec::new();
            let mut leave_out = |reason, applies: bool| {
                if applies {
                    reasons.push(reason)
                }
            };
            leave_out(LeftOutReason::NotRunning, !service.running);
            leave_out(LeftOutReason::IgnoreLabel, settings.ignore);
            leave_out(LeftOutReason::FilterMissed, !selection.filters.is_empty() && hit_by.is_empty());
            leave_out(LeftOutReason::RerunList, !named.is_in_rerun_list(selection));
            leave_out(LeftOutReason::Skip, !named.hits(selection, &selection.skip).is_empty());
            leave_out(LeftOutReason::NotIgnored, selection.ignored == IgnoredMode::Only && !ignored);
            if let Some(partition) = selection.partition
                && reasons.is_empty()
                && !position.next().is_some_and(|position| partition.takes(position, &named.name))
            {
                reasons.push(LeftOutReason::Partition);
            }
            let decision = match reasons.is_empty() {
                true => SelectionDecision::Selected,
                false => SelectionDecision::LeftOut(reasons),
            };
            let skipped_by = named.hits(selection, &selection.skip);
            let (service, container) = (service.name.clone(), service.container_name.clone());
            ServiceSelection { service, container, decision, hit_by, skipped_by }
        })
        .collect()
}

/// The libtest kind of a service: where its data comes from.
pub fn kind(settings: &ServiceSettings) -> &'static str {
    settings.source.as_ref().map_or(LIVE, |spec| spec.place.label())
}

/// A service's names as filters may write them.
struct Named {
    name: String,
    /// With the kind in front (`[tar] media::jellyfin`), as `--list` prints it and nextest passes it.
    listed: String,
    /// As `docker ps` prints it.
    container: String,
}

impl Named {
    fn of(service: &Service, kind: &str) -> Self {
        let name = service.name.to_string();
        Self { listed: format!("[{kind}] {name}"), name, container: service.container_name.clone() }
    }

    /// The indexes of the filters that match: with `--exact` they equal a name, otherwise they are part of it.
    fn hits(&self, selection: &Selection, filters: &[String]) -> Vec<usize> {
        let is_hit = |filter: &String| match selection.exact {
            true => [&self.name, &self.listed, &self.container].contains(&filter),
            false => [&self.listed, &self.container].iter().any(|name| name.contains(filter.as_str())),
        };
        filters.iter().enumerate().filter(|(_, filter)| is_hit(filter)).map(|(index, _)| index).collect()
    }

    fn is_in_rerun_list(&self, selection: &Selection) -> bool {
        selection.only.as_ref().is_none_or(|names| names.contains(&self.name))
    }
}
