//! Reads `deploy`, as far as Compose itself obeys it.

use super::draft::{DraftService, set};
use super::error::ComposeError;
use super::keys::Reading::{NoEffect, Used};
use super::keys::{Table, read_keys, refuse_unknown};
use super::node::Node;
use crate::model::service::Restart;

const KEYS: Table<DraftService> = &[
    ("endpoint_mode", NoEffect("for a swarm")),
    ("labels", NoEffect("for a swarm")),
    ("mode", NoEffect("for a swarm")),
    ("placement", NoEffect("for a swarm")),
    ("replicas", Used(|draft, node| node.number().map(|number| draft.scale = number))),
    ("resources", Used(resources)),
    (
        "restart_policy",
        Used(|draft, node| {
            let condition = node.get("condition").map(|condition| condition.text()).transpose()?;
            if draft.service.restart == Restart::No {
                draft.service.restart = match condition.as_deref() {
                    Some("none") => Restart::No,
                    Some("on-failure") => Restart::OnFailure,
                    _ => Restart::Always,
                };
            }
            Ok(())
        }),
    ),
    ("rollback_config", NoEffect("for a swarm")),
    ("update_config", NoEffect("for a swarm")),
];

pub(super) fn read(draft: &mut DraftService, node: &Node<'_>) -> Result<(), ComposeError> {
    read_keys(draft, node, KEYS)
}

fn resources(draft: &mut DraftService, node: &Node<'_>) -> Result<(), ComposeError> {
    refuse_unknown(node, &["limits", "reservations"])?;
    let limits = &mut draft.service.limits;
    if let Some(of) = node.get("limits") {
        if let Some(memory) = of.get("memory") {
            limits.memory = set(memory.number()?);
        }
        if let Some(cpus) = of.get("cpus") {
            limits.nano_cpus = nano_cpus(&cpus)?;
        }
        if let Some(pids) = of.get("pids") {
            limits.pids = Some(pids.number()?).filter(|most| *most > 0);
        }
    }
    let Some(of) = node.get("reservations") else { return Ok(()) };
    if let Some(memory) = of.get("memory") {
        limits.memory_reservation = set(memory.number()?);
    }
    for device in of.get("devices").map(|devices| devices.list()).transpose()?.unwrap_or_default() {
        let capabilities = device.get("capabilities").map(|names| names.texts()).transpose()?.unwrap_or_default();
        draft.service.privileges.devices.push(capabilities.join("+"));
    }
    Ok(())
}

/// Processors in billionths; `None`: no limit.
pub(super) fn nano_cpus(node: &Node<'_>) -> Result<Option<i64>, ComposeError> {
    Ok(set((node.decimal()? * 1e9) as i64))
}
