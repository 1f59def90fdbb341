//! Networks: the sandbox's own, and those of the host that it must not reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptions;

use crate::model::sandbox::ObjectLabels;

use super::client::Daemon;
use super::connection::{Connection, in_path};
use super::containers::is_not_found;
use super::errors::{DockerError, DockerErrorKind, Result};
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
/// Ranges that are tried for a wire.
const RANGES_TRIED: u32 = 16;

/// The device that carries a sandbox's packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A bridge of the host, on which the host has no address.
    Bridge,
    /// A device of the kernel's own that leads nowhere.
    Dummy,
    /// A bridge of the host for [`Device::Over`]. No service is on it.
    Wire,
    /// The wire of this other network of ours. What containers send over it reaches the bridge's ports, and not the
    /// host, since it leaves the host's own device.
    Over(NetworkInfo),
}

impl Daemon {
    /// Creates an internal network on which the host has no address.
    pub async fn create_network(&self, name: &str, device: &Device, marks: &ObjectLabels) -> Result<NetworkInfo> {
        let (begin, mut tries) = (start_of(name), 0);
        loop {
            let mut request = request(name, device, marks, self.connection.engine_api);
            request.ipam = (*device == Device::Wire).then(|| wire_range(begin.wrapping_add(tries)));
            tries += 1;
            match create(&self.connection, name, request).await {
                Err(error) if *device == Device::Wire && is_taken(&error) && tries < RANGES_TRIED => {}
                done => return done,
            }
        }
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

async fn create(connection: &Connection, name: &str, request: NetworkCreateRequest) -> Result<NetworkInfo> {
    const CREATE: &str = "create network";
    const LOOK: &str = "inspect network";
    let created = connection.call(CREATE, name, |docker| docker.create_network(request)).await?;
    let id = in_path(LOOK, &created.id)?;
    let network = connection.call(LOOK, name, |docker| docker.inspect_network(id, None)).await?;
    Ok(NetworkInfo { id: created.id, name: name.to_owned(), gateways: gateways(network.ipam) })
}

/// The request for a sandbox network.
fn request(name: &str, device: &Device, marks: &ObjectLabels, engine: (u16, u16)) -> NetworkCreateRequest {
    let (driver, options) = match device {
        Device::Bridge | Device::Wire => ("bridge", bridge_options(engine)),
        // Without a parent the engine makes a dummy device.
        Device::Dummy => ("macvlan", vec![("macvlan_mode", "bridge".to_owned())]),
        Device::Over(wire) => ("macvlan", vec![("macvlan_mode", "bridge".to_owned()), ("parent", wire.bridge())]),
    };
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some(driver.to_owned()),
        scope: None,
        internal: Some(true),
        attachable: Some(false),
        ingress: Some(false),
        config_only: None,
        config_from: None,
        ipam: None,
        enable_ipv4: None,
        enable_ipv6: Some(false),
        options: Some(options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        labels: Some(labels::write(marks)),
    }
}

fn bridge_options(engine: (u16, u16)) -> Vec<(&'static str, String)> {
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
    let talk = ("com.docker.network.bridge.enable_icc", "true");
    no_address.iter().chain([&talk]).map(|&(key, value)| (key, value.to_owned())).collect()
}

impl NetworkInfo {
    /// The name that the engine gives to the host's device of a bridge network.
    fn bridge(&self) -> String {
        format!("br-{}", self.id.get(..12).unwrap_or(&self.id))
    }
}

/// A range of addresses for a wire, by its number: one of the 16384 with eight addresses in 198.18.0.0/15, which is
/// kept for benchmarks (RFC 2544). The engine would give away one of the about thirty ranges that it has for networks.
fn wire_range(number: u32) -> Ipam {
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (number % 16_384) * 8;
    let config = IpamConfig {
        subnet: Some(format!("{}/29", Ipv4Addr::from(first))),
        ip_range: None,
        gateway: None,
        auxiliary_addresses: None,
    };
    Ipam { driver: None, config: Some(vec![config]), options: None }
}

/// The number at which a wire begins to look for a free range: another one for each name.
fn start_of(name: &str) -> u32 {
    name.bytes().fold(0, |number: u32, byte| number.wrapping_mul(31).wrapping_add(u32::from(byte)))
}

/// Whether the engine refused a range because another network has it.
fn is_taken(error: &DockerError) -> bool {
    let (DockerErrorKind::Engine(words) | DockerErrorKind::Conflict(words)) = &error.kind else { return false };
    words.to_lowercase().contains("overlap")
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
        let options = |engine| request("n", &Device::Bridge, &marks(), engine).options.expect("options");
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
        let wire = NetworkInfo { id: "0123456789abcdef".into(), name: "w".into(), gateways: Vec::new() };
        for device in [Device::Bridge, Device::Dummy, Device::Wire, Device::Over(wire)] {
            let request = request("n", &device, &marks(), (1, 41));
            let kinds = (request.internal, request.attachable, request.enable_ipv6);
            assert_eq!(kinds, (Some(true), Some(false), Some(false)), "{device:?}");
            assert_eq!(request.labels.expect("labels")[labels::SESSION], "s");
        }
    }

    #[test]
    fn a_network_over_a_wire_names_the_wires_device() {
        let wire = NetworkInfo { id: "0123456789abcdef".into(), name: "w".into(), gateways: Vec::new() };
        let request = |device| request("n", &device, &marks(), (1, 48));
        let over = request(Device::Over(wire));
        assert_eq!(over.driver.as_deref(), Some("macvlan"));
        assert_eq!(over.options.expect("options")["parent"], "br-0123456789ab");
        let dummy = request(Device::Dummy);
        assert_eq!(dummy.driver.as_deref(), Some("macvlan"));
        assert!(!dummy.options.expect("options").contains_key("parent"), "a parent would be a device of the host");
    }

    #[test]
    fn wires_take_no_range_of_the_engine_and_each_another() {
        let subnet = |number| wire_range(number).config.expect("a range").remove(0).subnet.expect("a subnet");
        assert_eq!((subnet(0), subnet(1)), ("198.18.0.0/29".to_owned(), "198.18.0.8/29".to_owned()));
        assert_eq!(subnet(16_383), "198.19.255.248/29");
        assert_eq!(subnet(16_384), subnet(0));
        assert_ne!(start_of("rehearsa-a-wire"), start_of("rehearsa-b-wire"));
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
