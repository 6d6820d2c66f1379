//! Where HTTP tasks may go. A definition is written by someone who may run flows, not by someone who
//! may reach everything the controller can: the cloud's metadata service, the machine itself and the
//! API server are out of reach unless the operator allows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses may be called.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// Nothing is refused: `millrace run` on a person's own machine.
    is_open: bool,
    /// Allowed whatever they are.
    allowed: Vec<IpNet>,
    /// Addresses of the API server.
    api_server: Vec<IpAddr>,
}

/// An address that may not be called.
#[derive(Debug, thiserror::Error)]
#[error(
    "calls to {address} ({class}) are not allowed; the controller's option --allow-egress can allow them"
)]
pub struct Refused {
    address: IpAddr,
    class: &'static str,
}

impl Egress {
    /// Everything may be called.
    #[must_use]
    pub fn open() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    /// Everything but link-local, loopback, metadata services and the API server may be called, and what is `allowed`.
    #[must_use]
    pub fn guarded(allowed: Vec<IpNet>, api_server: Vec<IpAddr>) -> Self {
        Self { is_open: false, allowed, api_server }
    }

    /// Whether an address may be called.
    ///
    /// # Errors
    /// Where it may not; the message says what kind of address it is and what to do.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let address = unmapped(address);
        if self.is_open || self.allowed.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        let class = if self.api_server.iter().any(|own| unmapped(*own) == address) {
            "the API server"
        } else if address.is_loopback() {
            "loopback"
        } else if address.is_unspecified() || address.is_multicast() {
            "no host"
        } else if METADATA_SERVICES.contains(&address) {
            "metadata service"
        } else if is_link_local(address) {
            "link-local"
        } else {
            return Ok(());
        };
        Err(Refused { address, class })
    }
}

/// Addresses at which clouds tell a machine its credentials and that are not link-local: Alibaba Cloud's,
/// Amazon's, Google's.
const METADATA_SERVICES: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// An IPv4 address in the clothes of IPv6 is an IPv4 address: mapped, or behind the prefix by which
/// networks of IPv6 reach those of IPv4.
fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match (v6.to_ipv4_mapped(), v6.octets()) {
        (Some(v4), _) => IpAddr::V4(v4),
        (None, [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]) => {
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        (None, _) => address,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Resolves names and drops the addresses that may not be called, so that a name cannot lead where
/// its address could not.
#[derive(Debug)]
pub(super) struct GuardedResolver(pub(super) Arc<Egress>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut allowed = Vec::with_capacity(found.len());
            let mut refused = None;
            for address in found {
                match egress.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refused = Some(why),
                }
            }
            match (allowed.is_empty(), refused) {
                (true, Some(refused)) => Err(refused.into()),
                (true, None) | (false, _) => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_business_is_out_of_reach() {
        let own: IpAddr = "10.96.0.1".parse().unwrap();
        let egress = Egress::guarded(vec!["127.0.0.2/32".parse().unwrap()], vec![own]);
        let cases = [
            ("93.184.216.34", None),
            ("10.0.0.7", None),
            ("127.0.0.1", Some("loopback")),
            ("127.0.0.2", None),
            ("::1", Some("loopback")),
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:127.0.0.2", None),
            ("169.254.169.254", Some("link-local")),
            ("::ffff:169.254.169.254", Some("link-local")),
            ("fe80::1", Some("link-local")),
            ("64:ff9b::169.254.169.254", Some("link-local")),
            ("fd00:ec2::254", Some("metadata service")),
            ("100.100.100.200", Some("metadata service")),
            ("10.96.0.1", Some("the API server")),
            ("0.0.0.0", Some("no host")),
            ("::", Some("no host")),
        ];
        for (address, class) in cases {
            let found = egress.check(address.parse().unwrap()).err().map(|refused| refused.class);
            assert_eq!(found, class, "{address}");
        }
        assert!(Egress::open().check("169.254.169.254".parse().unwrap()).is_ok());
    }
}
