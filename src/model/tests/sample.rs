//! Sample values for tests.

use super::event::CaseInfo;
use super::mount::{Mount, MountOrigin, Strategy};
use super::plan::{DataSource, RestorePlan};
use super::service::{Image, Limits, NetworkMode, Privileges, Restart, Service, ServiceName};

/// A running service that has only a name.
pub fn service(name: ServiceName) -> Service {
    Service {
        container_id: format!("{:0<64}", name.service),
        container_name: match &name.stack {
            Some(stack) => format!("{stack}-{}-1", name.service),
            None => name.service.clone(),
        },
        running: true,
        unhealthy: None,
        created: "2026-01-01T00:00:00Z".to_owned(),
        image: Image { reference: "app:1".to_owned(), id: "sha256:0123456789abcdef".to_owned() },
        platform: None,
        entrypoint: None,
        command: None,
        env: Vec::new(),
        user: String::new(),
        group_add: Vec::new(),
        workdir: String::new(),
        hostname: String::new(),
        domainname: String::new(),
        tty: false,
        open_stdin: false,
        shell: None,
        stop_signal: None,
        stop_timeout: None,
        healthcheck: None,
        mounts: Vec::new(),
        exposed: Vec::new(),
        published: Vec::new(),
        network_mode: NetworkMode::Networks,
        networks: Vec::new(),
        ipv6: false,
        extra_hosts: Vec::new(),
        links: Vec::new(),
        limits: Limits::default(),
        sysctls: Vec::new(),
        read_only_root: false,
        init: None,
        shm_size: None,
        restart: Restart::No,
        privileges: Privileges::default(),
        other: Vec::new(),
        depends_on: Vec::new(),
        labels: Vec::new(),
        unheard: Vec::new(),
        declared: None,
        name,
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
