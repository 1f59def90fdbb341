//! The inspect job: one walk for the observers of all wanted parts, and their results.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Stat;

use super::access;
use super::fingerprint::{FingerprintTaker, open_parent};
use super::lost_content::LostContentFinder;
use super::manifest::copied;
use super::manifest::unpacked::UnpackedComparison;
use super::names::TopNames;
use super::owners::OwnerCounter;
use super::sqlite::{DatabaseFinder, check_databases};
use super::tally::TreeCounter;
use super::versions::VersionFileFinder;
use crate::worker::expected::{Expected, FilledVolumes};
use crate::worker::fs::observe::{TreeObserver, observe};
use crate::worker::fs::root::{open_root, open_volume, stat_root};
use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Failure, InspectJob, InspectWants, Inspected, ManifestWant, RootKind};

/// Inspects a tree.
pub fn inspect(job: &InspectJob, filled: &FilledVolumes, control: &Arc<JobControl>) -> Result<Inspected, JobStop> {
    let InspectJob { path, max_entries, wants } = job;
    let (root, stat) = stat_root(path)?;
    let manifest = match &wants.manifest {
        Some(want) => Some((want, take_expected(filled, want)?)),
        None => None,
    };
    let (mut inventory, mut comparison) = (None, None);
    match &manifest {
        Some((want, Expected::Copied(source))) => {
            inventory = Some(copied::compare(&want.volume, source, want.contents, control)?);
        }
        Some((want, Expected::Unpacked(manifest))) => {
            comparison = Some(UnpackedComparison::begin(&want.volume, manifest, want.contents, control)?);
        }
        None => {}
    }
    let observers = Observers::of(wants, root, stat)?;
    let mut watching = observers.all();
    watching.extend(comparison.iter().map(|comparison| comparison as &dyn TreeObserver));
    let complete = match (root, &wants.manifest) {
        (RootKind::Folder, _) if watching.is_empty() => true,
        (RootKind::Folder, _) => observe(open_root(path, root)?, &watching, *max_entries, control)?,
        // The volume of a single file: its folder is what the manifest is about.
        (_, Some(want)) if let Some(comparison) = &comparison => {
            observe(open_volume(&want.volume)?, &[comparison], *max_entries, control)?
        }
        _ => true,
    };
    inventory = comparison.map(UnpackedComparison::finish).or(inventory);
    Ok(Inspected { inventory, ..observers.finish(job, root, complete, control)? })
}

fn take_expected(filled: &FilledVolumes, want: &ManifestWant) -> Result<Expected, JobStop> {
    filled.take(&want.volume).ok_or_else(|| {
        let error = format!("nothing is known of how {} was filled", want.volume);
        Failure::BadRequest { error }.into()
    })
}

/// The observers of all wanted parts but the manifest.
struct Observers {
    names: Option<TopNames>,
    owners: Option<OwnerCounter>,
    version_files: Option<VersionFileFinder>,
    fingerprint: Option<FingerprintTaker>,
    databases: Option<DatabaseFinder>,
    lost: Option<LostContentFinder>,
    tally: Option<TreeCounter>,
}

impl Observers {
    fn of(wants: &InspectWants, root: RootKind, stat: Stat) -> Result<Self, JobStop> {
        Ok(Self {
            names: wants.names.then(TopNames::default),
            owners: wants.owners.then(|| OwnerCounter::new(stat)),
            version_files: wants.version_files.then(VersionFileFinder::default),
            fingerprint: (wants.fingerprint && root == RootKind::Folder).then(FingerprintTaker::default),
            databases: wants.sqlite.is_some().then(DatabaseFinder::default),
            lost: wants.lost_in.as_deref().map(|restored| LostContentFinder::new(restored, root)).transpose()?,
            tally: (wants.tally && root == RootKind::Folder).then(TreeCounter::default),
        })
    }

    fn all(&self) -> Vec<&dyn TreeObserver> {
        let Self { names, owners, version_files, fingerprint, databases, lost, tally } = self;
        let all: [Option<&dyn TreeObserver>; 7] = [
            names.as_ref().map(|observer| observer as _),
            owners.as_ref().map(|observer| observer as _),
            version_files.as_ref().map(|observer| observer as _),
            fingerprint.as_ref().map(|observer| observer as _),
            databases.as_ref().map(|observer| observer as _),
            lost.as_ref().map(|observer| observer as _),
            tally.as_ref().map(|observer| observer as _),
        ];
        all.into_iter().flatten().collect()
    }

    /// What they found. The walk has only chosen the sample of the fingerprint and the databases: they are read here.
    fn finish(
        self,
        job: &InspectJob,
        root: RootKind,
        complete: bool,
        control: &Arc<JobControl>,
    ) -> Result<Inspected, JobStop> {
        let mut inspected = Inspected {
            names: self.names.map(TopNames::finish),
            owners: self.owners.map(|owners| owners.finish(complete)),
            version_files: self.version_files.map(VersionFileFinder::finish),
            tally: self.tally.filter(|_| complete).map(TreeCounter::finish),
            ..Inspected::of(root)
        };
        if let Some(lost) = self.lost {
            if root == RootKind::File {
                lost.see_single_file(&open_root(&job.path, root)?);
            }
            inspected.lost = Some(lost.finish());
        }
        if let Some(fingerprint) = self.fingerprint {
            inspected.fingerprint = Some(fingerprint.finish(&open_root(&job.path, root)?, control)?);
        }
        if let (Some(finder), Some(want)) = (self.databases, &job.wants.sqlite) {
            if root == RootKind::File {
                finder.see_single_file(&open_root(&job.path, root)?)?;
            }
            let databases = finder.finish();
            inspected.databases = Some(check_databases(&job.path, want, &databases, control)?);
            if inspected.fingerprint.is_some() {
                arm_databases(&open_root(&job.path, root)?, &databases.databases);
            }
        }
        // Last: what the worker has read itself until now does not count.
        if let Some(fingerprint) = &mut inspected.fingerprint {
            fingerprint.mark = access::mark(&open_root(&job.path, root)?);
        }
        Ok(inspected)
    }
}

/// Lets the kernel note the next read of these databases, which SQLite has just read.
fn arm_databases(root: &OwnedFd, databases: &[Vec<u8>]) {
    for (folder, name) in databases.iter().filter_map(|path| open_parent(root, path)) {
        access::arm_again(&folder, &name);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn job(path: &std::path::Path, wants: InspectWants) -> InspectJob {
        InspectJob { path: path.to_str().unwrap().to_owned(), max_entries: 0, wants }
    }

    fn inspected(job: &InspectJob) -> Inspected {
        inspect(job, &FilledVolumes::default(), &Arc::new(JobControl::default())).unwrap()
    }

    #[test]
    fn what_is_not_asked_for_is_not_answered() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        assert_eq!(inspected(&job(dir.path(), InspectWants::default())), Inspected::of(RootKind::Folder));
        let file = job(&dir.path().join("file"), InspectWants { names: true, fingerprint: true, ..Default::default() });
        let expected = Inspected { names: Some(Vec::new()), ..Inspected::of(RootKind::File) };
        assert_eq!(inspected(&file), expected, "only a folder lists names, and only a folder has a fingerprint");
    }

    #[test]
    fn one_walk_answers_every_question() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/dump.rdb"), "REDIS0011\u{ff}").unwrap();
        fs::write(dir.path().join("a file"), "x").unwrap();
        let wants =
            InspectWants { names: true, owners: true, version_files: true, fingerprint: true, ..Default::default() };
        let inspected = inspected(&job(dir.path(), wants));
        let names: BTreeSet<_> = inspected.names.unwrap().into_iter().collect();
        assert_eq!(names, BTreeSet::from([b"a file".to_vec(), b"sub".to_vec()]));
        let owners = inspected.owners.unwrap();
        assert_eq!(owners.users.iter().map(|(_, count)| count).sum::<u64>(), 4, "the root is counted, too");
        assert!(owners.complete);
        let versions = inspected.version_files.unwrap();
        assert_eq!((versions.len(), versions[0].file.as_str()), (1, "sub/dump.rdb"));
        assert_eq!(inspected.fingerprint.unwrap().amount.files, 2);
        assert_eq!((inspected.inventory, inspected.databases), (None, None));
    }

    #[test]
    fn a_bound_ends_the_walk_and_shows() {
        let dir = tempfile::tempdir().unwrap();
        for name in 0..10 {
            fs::write(dir.path().join(name.to_string()), "x").unwrap();
        }
        let wants = || InspectWants { owners: true, ..Default::default() };
        for (max_entries, complete) in [(9, false), (10, true), (0, true)] {
            let job = InspectJob { max_entries, ..job(dir.path(), wants()) };
            assert_eq!(inspected(&job).owners.unwrap().complete, complete, "{max_entries}");
        }
    }

    #[test]
    fn a_volume_that_this_worker_did_not_fill_has_no_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().to_str().unwrap().to_owned();
        let wants = InspectWants { manifest: Some(ManifestWant { volume, contents: false }), ..Default::default() };
        let refused = inspect(&job(dir.path(), wants), &FilledVolumes::default(), &Arc::new(JobControl::default()));
        assert!(matches!(refused, Err(JobStop::Failed(Failure::BadRequest { .. }))), "{refused:?}");
    }
}
