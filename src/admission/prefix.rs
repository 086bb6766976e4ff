//! By what peers are told apart: an address of IPv4, a network of IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One peer, as far as anybody can tell: an IPv4 address, or the /64 of an IPv6 one, which is the least
/// that a network is given and out of which a host takes as many addresses as it likes (RFC 4291, 2.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    V4(Ipv4Addr),
    /// The upper half, and the link of a link-local one.
    V6(u64, u32),
}

impl Prefix {
    /// The prefix of a peer. IPv4 in IPv6's clothes (`::ffff:10.0.0.7`) is IPv4.
    #[must_use]
    pub fn of(peer: SocketAddr) -> Self {
        match peer {
            SocketAddr::V4(peer) => Self(Kind::V4(*peer.ip())),
            SocketAddr::V6(peer) => match peer.ip().to_canonical() {
                IpAddr::V4(ip) => Self(Kind::V4(ip)),
                IpAddr::V6(ip) => {
                    // All link-local addresses have one /64; the link tells them apart.
                    let link = if ip.is_unicast_link_local() { peer.scope_id() } else { 0 };
                    Self(Kind::V6((ip.to_bits() >> 64) as u64, link))
                }
            },
        }
    }
}

impl Prefix {
    /// True for this machine, for a link and for a network that is somebody's own: RFC 1918, RFC 4193, loopback,
    /// link-local (RFC 3927, RFC 4291).
    #[must_use]
    pub const fn is_local(self) -> bool {
        match self.0 {
            Kind::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            Kind::V6(upper, _) => {
                let ip = Ipv6Addr::from_bits((upper as u128) << 64);
                // Loopback (`::1`) is all that there is of its /64.
                upper == 0 || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::V4(ip) => ip.fmt(f),
            Kind::V6(upper, link) => {
                write!(f, "{}", Ipv6Addr::from_bits(u128::from(upper) << 64))?;
                if link != 0 {
                    write!(f, "%{link}")?;
                }
                f.write_str("/64")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_ipv6_is_its_network_and_one_of_ipv4_itself() {
        let told = |peer: &str| Prefix::of(peer.parse().unwrap()).to_string();
        for (peer, prefix) in [
            ("10.0.0.7:5000", "10.0.0.7"),
            ("[::ffff:10.0.0.7]:80", "10.0.0.7"),
            ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::1]:81", "2001:db8:1:2::/64"),
            ("[fe80::1%3]:81", "fe80::%3/64"),
            ("[::1]:81", "::/64"),
        ] {
            assert_eq!(told(peer), prefix);
        }
        let link = |scope| {
            Prefix::of(std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1, 0, scope).into())
        };
        assert_ne!(link(2), link(3));
    }

    #[test]
    fn a_network_of_ones_own_is_told_from_all_others() {
        for (peer, is_local) in [
            ("10.0.0.7:1", true),
            ("172.16.0.1:1", true),
            ("172.32.0.1:1", false),
            ("192.168.1.1:1", true),
            ("127.0.0.1:1", true),
            ("169.254.3.4:1", true),
            ("203.0.113.9:1", false),
            ("100.64.0.1:1", false),
            ("[::1]:1", true),
            ("[::ffff:192.168.0.1]:1", true),
            ("[::ffff:8.8.8.8]:1", false),
            ("[fe80::1%2]:1", true),
            ("[fd12:3456::1]:1", true),
            ("[2001:db8::1]:1", false),
        ] {
            assert_eq!(Prefix::of(peer.parse().unwrap()).is_local(), is_local, "{peer}");
        }
    }
}
