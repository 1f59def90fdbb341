//! Networks: the sandbox's own, and those of the host that it must not reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptions;

use crate::model::sandbox::ObjectLabels;

use super::client::Daemon;
use super::connection::in_path;
use super::containers::is_not_found;
use super::errors::Result;
use super::labels;

/// A network of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Gateway addresses.
    pub gateways: Vec<String>,
}

/// The first API version (Docker 28) with a gateway mode that leaves the bridge without an address.
const ISOLATED_MODE: (u16, u16) = (1, 48);

impl Daemon {
    /// Creates an internal network on which the host has no address.
    pub async fn create_network(&self, name: &str, marks: &ObjectLabels) -> Result<NetworkInfo> {
        const CREATE: &str = "create network";
        const LOOK: &str = "inspect network";
        let request = request(name, marks, self.connection.engine_api);
        let created = self.connection.call(CREATE, name, |docker| docker.create_network(request)).await?;
        let id = in_path(LOOK, &created.id)?;
        let network = self.connection.call(LOOK, name, |docker| docker.inspect_network(id, None)).await?;
        Ok(NetworkInfo { id: created.id, name: name.to_owned(), gateways: gateways(network.ipam) })
    }

    /// Removes a network; one that is not there is success.
    pub async fn remove_network(&self, id: &str) -> Result<()> {
        const REMOVE: &str = "remove network";
        let id = in_path(REMOVE, id)?;
        match self.connection.call(REMOVE, id, |docker| docker.remove_network(id)).await {
            Err(error) if is_not_found(&error) => Ok(()),
            done => done,
        }
    }

    /// Every network of the engine.
    pub async fn networks(&self) -> Result<Vec<NetworkInfo>> {
        let list = self
            .connection
            .call("list networks", "", |docker| docker.list_networks(None::<ListNetworksOptions>))
            .await?;
        let mut networks: Vec<_> = list
            .into_iter()
            .map(|network| NetworkInfo {
                id: network.id.unwrap_or_default(),
                name: network.name.unwrap_or_default(),
                gateways: gateways(network.ipam),
            })
            .collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        Ok(networks)
    }
}

/// The request for a sandbox network.
fn request(name: &str, marks: &ObjectLabels, engine: (u16, u16)) -> NetworkCreateRequest {
    // An `internal` network still gives the host an address on the bridge, and through it containers reach everything
    // that listens on the host.
    let no_address: &[(&str, &str)] = if engine >= ISOLATED_MODE {
        &[
            ("com.docker.network.bridge.gateway_mode_ipv4", "isolated"),
            ("com.docker.network.bridge.gateway_mode_ipv6", "isolated"),
        ]
    } else {
        &[("com.docker.network.bridge.inhibit_ipv4", "true")]
    };
    // The engine's default may forbid containers to talk to each other. A stack's services have to.
    let talk = [("com.docker.network.bridge.enable_icc", "true")];
    let options = no_address.iter().chain(&talk).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        scope: None,
        internal: Some(true),
        attachable: Some(false),
        ingress: Some(false),
        config_only: None,
        config_from: None,
        ipam: None,
        enable_ipv4: None,
        enable_ipv6: Some(false),
        options: Some(options.collect()),
        labels: Some(labels::write(marks)),
    }
}

/// The addresses of the gateways. An engine leaves out the gateway of a network whose subnet it picked itself (`bridge`
/// first of all); that gateway is the subnet's first address.
fn gateways(ipam: Option<Ipam>) -> Vec<String> {
    let configs = ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateway = |IpamConfig { subnet, ip_range: _, gateway, auxiliary_addresses: _ }| {
        // Some engines write the length of the subnet behind the address.
        let given = gateway.map(|text: String| text.split('/').next().unwrap_or_default().to_owned());
        given.filter(|text| !text.is_empty()).or_else(|| first_address(&subnet?))
    };
    configs.into_iter().filter_map(gateway).collect()
}

/// The first address of a subnet in which hosts are numbered: `172.17.0.1` for `172.17.0.0/16`.
fn first_address(subnet: &str) -> Option<String> {
    let (address, length) = subnet.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
            Some(Ipv4Addr::from((u32::from(address) & mask).checked_add(1)?).to_string())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
            Some(Ipv6Addr::from((u128::from(address) & mask).checked_add(1)?).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn marks() -> ObjectLabels {
        ObjectLabels { session: "s".into(), stack: "a".into(), host: "h".into(), process: "1.2".into(), expires: 3 }
    }

    #[test]
    fn the_bridge_has_no_address_whatever_the_engine() {
        let options = |engine| request("n", &marks(), engine).options.expect("options");
        let old = options((1, 41));
        assert_eq!(old["com.docker.network.bridge.inhibit_ipv4"], "true");
        assert_eq!(old.len(), 2);
        let new = options((1, 48));
        assert_eq!(new["com.docker.network.bridge.gateway_mode_ipv4"], "isolated");
        assert_eq!(new["com.docker.network.bridge.gateway_mode_ipv6"], "isolated");
        assert!(!new.contains_key("com.docker.network.bridge.inhibit_ipv4"));
    }

    #[test]
    fn the_network_is_internal_and_marked() {
        let request = request("n", &marks(), (1, 41));
        assert_eq!((request.internal, request.attachable, request.enable_ipv6), (Some(true), Some(false), Some(false)));
        assert_eq!(request.labels.expect("labels")[labels::SESSION], "s");
    }

    #[test]
    fn gateways_are_addresses_and_never_left_out() {
        let config = |subnet: &str, gateway: &str| IpamConfig {
            subnet: Some(subnet.into()),
            ip_range: None,
            gateway: Some(gateway.into()),
            auxiliary_addresses: Some(HashMap::new()),
        };
        let of = |configs| gateways(Some(Ipam { driver: None, config: Some(configs), options: None }));
        assert_eq!(
            of(vec![config("172.18.0.0/16", "172.18.0.9/16"), config("fd00::/64", "fd00::7")]),
            ["172.18.0.9", "fd00::7"]
        );
        assert_eq!(of(vec![config("172.17.0.0/16", ""), config("fd00:1::/64", "")]), ["172.17.0.1", "fd00:1::1"]);
        assert_eq!(of(vec![config("10.1.2.3/8", ""), config("0.0.0.0/0", "")]), ["10.0.0.1", "0.0.0.1"]);
        assert!(of(vec![config("garbage", ""), config("10.0.0.0/99", "")]).is_empty());
        assert!(gateways(None).is_empty());
    }
}
