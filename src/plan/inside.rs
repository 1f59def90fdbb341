//! Dumps among the files of a backup: which of them a service is loaded from.
//!
//! A dump is taken when the user names it, or when there is no doubt that it is the service's: the program that made
//! the backup put it below the name of the service or its container, and no other database server of the host has that
//! name; or there is one dump in the backup and one database server on the host. Any other dump is only offered: a dump
//! of another database loads just as well, and the service would be green with other data.

use crate::model::dump::DumpProgram;
use crate::model::dump_inside::{DumpInside, DumpLabel};
use crate::model::service::Service;
use crate::model::source::{BackupContents, MatchRule, MountQuery, Pattern, Shape};

use super::draft::{DumpRequest, SourceRequest, StackDraft};
use super::loading;
use super::mounts::has_data;

/// A database server of the host.
#[derive(Debug)]
pub(super) struct KnownServer {
    container: String,
    service: String,
    programs: Vec<DumpProgram>,
}

/// The dump of a service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DumpChoice<'a> {
    /// No dump of the backup looks like its.
    None,
    /// This dump, without doubt.
    Certain {
        dump: &'a DumpInside,
        rule: DumpRule,
        /// Dumps of the same server that are not loaded.
        left: Vec<&'a DumpInside>,
    },
    /// These are all dumps of its server.
    Several(Vec<&'a DumpInside>),
    /// These may be dumps of its server.
    Possible(Vec<&'a DumpInside>),
    /// It is of a program whose dumps cannot be loaded.
    Unsupported(&'a DumpInside),
}

/// Why there is no doubt about a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DumpRule {
    /// The program that made the backup put it below the name of the service.
    Name,
    /// There is one dump in the backup, and one database server on the host.
    Only,
}

/// The database servers among the services of a host.
pub(super) fn known_servers<'a>(services: impl Iterator<Item = &'a Service>) -> Vec<KnownServer> {
    let servers = services.filter(|service| has_data(service)).map(|service| KnownServer {
        container: service.container_name.clone(),
        service: service.name.service.clone(),
        programs: loading::programs_of(service),
    });
    servers.filter(|server| !server.programs.is_empty()).collect()
}

/// The requests of the services that are fed by a source, and the queries for the paths that users name.
pub(super) fn dump_requests(
    stacks: &[StackDraft],
    source: usize,
    queries: &mut Vec<MountQuery>,
    servers: &[KnownServer],
) -> Vec<DumpRequest> {
    let mut requests = Vec::new();
    let mut first_query = 0;
    for (of_stack, stack) in stacks.iter().enumerate() {
        let places: Vec<usize> = stack.requests_to(source).map(|(place, _)| place).collect();
        for (index, draft) in stack.services.iter().enumerate() {
            if draft.source != Some(source) {
                continue;
            }
            let service = &draft.service;
            let programs = loading::programs_of(service);
            let home = loading::home_place(draft, &programs);
            let home_query = home.and_then(|home| places.iter().position(|place| *place == home));
            let named = draft.settings.load.from.as_ref().map(|path| {
                let pattern = (MatchRule::Explicit, Pattern::Top(path.as_bytes().to_vec()));
                queries.push(MountQuery { patterns: vec![pattern] });
                (path.clone(), queries.len() - 1)
            });
            let others = || servers.iter().filter(|server| server.container != service.container_name);
            let is_shared = |name: &String| others().any(|other| other.service == *name || other.container == *name);
            let (of_service, of_container) = (&service.name.service, &service.container_name);
            let alike = others().filter(|other| other.programs.iter().any(|program| programs.contains(program)));
            let others = alike.flat_map(|other| [other.container.clone(), other.service.clone()]).collect();
            let own_names = [of_service, of_container].into_iter().filter(|name| !is_shared(name)).cloned().collect();
            requests.push(DumpRequest {
                at: (of_stack, index),
                named,
                home,
                home_query: home_query.map(|query| first_query + query),
                database: programs
                    .iter()
                    .find_map(|program| Some(loading::database(service, &draft.settings.load, Some(*program))?.0)),
                programs,
                stack: service.name.stack.clone(),
                own_names,
                shared_name: Some(of_service.clone()).filter(|name| is_shared(name)),
                others,
            });
        }
        first_query += places.len();
    }
    requests
}

impl SourceRequest {
    /// The dumps of the backup whose content is needed for the plan. `found` answers the queries.
    pub fn dumps_to_read(&self, found: &BackupContents) -> Vec<DumpInside> {
        let mut wanted: Vec<DumpInside> = Vec::new();
        for request in &self.dumps {
            let dump = match &request.named {
                Some(_) => request.named_dump(found),
                None if request.has_files(found) => None,
                None => match request.choose(found) {
                    DumpChoice::Certain { dump, .. } => Some(dump.clone()),
                    _ => None,
                },
            };
            wanted.extend(dump.filter(|dump| wanted.iter().all(|known| known.path != dump.path)));
        }
        wanted
    }
}

impl DumpRequest {
    /// The dump at the path that the user names; `None`: nothing is there, or no path was named.
    pub(super) fn named_dump(&self, found: &BackupContents) -> Option<DumpInside> {
        let (path, query) = self.named.as_ref()?;
        let there = found.candidates.get(*query)?.first()?;
        let label = found.dumps.iter().find(|dump| dump.path == path.as_bytes()).and_then(|dump| dump.label.clone());
        let is_folder = there.tally.root.is_none_or(|root| root == Shape::Folder);
        Some(DumpInside { path: path.as_bytes().to_vec(), is_folder, label })
    }

    /// Whether a part of the backup has the name of the place of its database, or that place needs no data.
    fn has_files(&self, found: &BackupContents) -> bool {
        let candidates = self.home_query.and_then(|query| found.candidates.get(query));
        candidates.is_none_or(|of| of.iter().any(|part| part.rule <= MatchRule::Name))
    }

    /// Whether a dump has the name of the service, or the user names it.
    pub(super) fn has_dump_of_its_name(&self, found: &BackupContents) -> bool {
        match &self.named {
            Some(_) => self.named_dump(found).is_some(),
            None => {
                !self.has_files(found) && matches!(self.choose(found), DumpChoice::Certain { rule: DumpRule::Name, .. })
            }
        }
    }

    /// Chooses the dump of the service, whose path the user does not name.
    pub(super) fn choose<'a>(&self, found: &'a BackupContents) -> DumpChoice<'a> {
        let labelled = || found.dumps.iter().filter_map(|dump| Some((dump, dump.label.as_ref()?)));
        let own: Vec<(&DumpInside, &DumpLabel)> = labelled().filter(|(_, label)| self.is_own(label)).collect();
        if let Some((dump, _)) = own.iter().find(|(_, label)| label.unsupported.is_some()) {
            return DumpChoice::Unsupported(dump);
        }
        if self.programs.is_empty() {
            return DumpChoice::None;
        }
        if let [(dump, _)] = own.as_slice() {
            return DumpChoice::Certain { dump, rule: DumpRule::Name, left: Vec::new() };
        }
        let is_of_database = |label: &DumpLabel| label.database.is_some() && label.database == self.database;
        let mut of_database = own.iter().filter(|(_, label)| is_of_database(label)).map(|(dump, _)| *dump);
        if let (Some(dump), None) = (of_database.next(), of_database.next()) {
            let left = own.iter().map(|(other, _)| *other).filter(|other| other.path != dump.path).collect();
            return DumpChoice::Certain { dump, rule: DumpRule::Name, left };
        }
        if !own.is_empty() {
            return DumpChoice::Several(own.into_iter().map(|(dump, _)| dump).collect());
        }
        let possible: Vec<&DumpInside> = found.dumps.iter().filter(|dump| self.may_own(dump)).collect();
        match possible.as_slice() {
            [] => DumpChoice::None,
            // A label that names another server is a doubt.
            [dump]
                if found.dumps.len() == 1
                    && !found.more_dumps
                    && self.others.is_empty()
                    && dump.label.as_ref().is_none_or(|label| label.servers.is_empty()) =>
            {
                DumpChoice::Certain { dump, rule: DumpRule::Only, left: Vec::new() }
            }
            _ => DumpChoice::Possible(possible),
        }
    }

    /// Whether a label can only mean this service.
    fn is_own(&self, label: &DumpLabel) -> bool {
        if !self.suits(label) {
            return false;
        }
        let has = |name: &String| label.servers.contains(name);
        let is_of_stack = label.stack.is_some() && label.stack == self.stack;
        match &label.stack {
            Some(_) if !is_of_stack => false,
            _ => self.own_names.iter().any(has) || is_of_stack && self.shared_name.as_ref().is_some_and(has),
        }
    }

    /// Whether a dump may be of this service, and is of no other one for sure.
    fn may_own(&self, dump: &DumpInside) -> bool {
        let Some(label) = &dump.label else { return true };
        let is_of_another = label.servers.iter().any(|server| self.others.contains(server))
            && !self.shared_name.as_ref().is_some_and(|name| label.servers.contains(name));
        label.unsupported.is_none() && self.suits(label) && !is_of_another
    }

    fn suits(&self, label: &DumpLabel) -> bool {
        label.program.is_none_or(|program| self.programs.contains(&program))
    }
}
