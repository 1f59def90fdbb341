//! Sample values for tests.

use super::event::CaseInfo;
use super::mount::{Mount, MountOrigin, Strategy};
use super::plan::{DataSource, RestorePlan};
use super::service::{Image, Service, ServiceName};

/// A running service that has only a name.
pub fn service(name: ServiceName) -> Service {
    Service {
        container_id: format!("{:0<64}", name.service),
        container_name: match &name.stack {
            Some(stack) => format!("{stack}-{}-1", name.service),
            None => name.service.clone(),
        },
        created: "2026-01-01T00:00:00Z".to_owned(),
        image: Image { reference: "app:1".to_owned(), id: "sha256:0123456789abcdef".to_owned() },
        ..Service::declared(name)
    }
}

/// What is known of a case before it runs, on live data.
pub fn case_info(name: ServiceName) -> CaseInfo {
    CaseInfo {
        name,
        source: "live".to_owned(),
        snapshot: None,
        image: Image { reference: "i:1".to_owned(), id: "sha256:1".to_owned() },
        changes: Vec::new(),
        ignored: None,
        declared: None,
        required: None,
        score_basis: None,
    }
}

/// A restore of the volume `data`, supplied by this.
pub fn restore(supply: DataSource) -> RestorePlan {
    let origin = MountOrigin::Volume { name: "data".to_owned(), driver: "local".to_owned() };
    RestorePlan {
        mount: Mount { target: "/data".to_owned(), origin, read_only: false },
        strategy: Strategy::Copy,
        cases: Vec::new(),
        max_copy: 0,
        witness: Default::default(),
        verify_content: false,
        ask: None,
        part: None,
        supply,
        has_live: true,
    }
}
