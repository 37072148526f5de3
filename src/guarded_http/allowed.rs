//! Which addresses may be called where the address comes from somebody else (server-side request forgery). A name is judged before it
//! is looked up, and what it stands for once more: a name that is ours to believe may still lead into our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;

/// Hosts that may be called, and networks that may be reached although they are not public.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    hosts: Vec<HostRule>,
    networks: Vec<IpNet>,
}

/// Why something may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    #[error("the host is not among those that may be called")]
    Host,
    #[error("the host has no address that may be called")]
    Address,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct HostRule {
    /// As in a URL; of `*.` the part after the asterisk.
    host: String,
    is_suffix: bool,
    /// `None`: the scheme's own.
    port: Option<u16>,
}

impl Allowed {
    /// `hosts`: `files.example.gov.vn`, `*.example.gov.vn` (not the name itself), `10.0.0.5:8080`. An error is the one that cannot be read.
    pub fn hosts(texts: &[String]) -> Result<Self, &str> {
        let rule = |text| HostRule::parse(text).ok_or(text);
        Ok(Self { hosts: texts.iter().map(String::as_str).map(rule).collect::<Result<_, _>>()?, networks: Vec::new() })
    }

    /// Also what is in these networks.
    #[must_use]
    pub fn with_networks(self, networks: Vec<IpNet>) -> Self {
        Self { networks, ..self }
    }

    /// Whether the address may be called, as far as it says so itself.
    pub fn judge(&self, url: &Url) -> Result<(), NotAllowed> {
        let is_plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|_| is_plain).ok_or(NotAllowed::Host)?;
        if !self.hosts.iter().any(|rule| rule.fits(host, url)) {
            return Err(NotAllowed::Host);
        }
        // Nobody looks up what is an address already.
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) if !self.admits(address) => Err(NotAllowed::Address),
            _ => Ok(()),
        }
    }

    /// Whether this address may be reached: a public one, or one of the networks.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.networks.iter().any(|network| network.contains(&address))
    }
}

impl HostRule {
    fn parse(text: &str) -> Option<Self> {
        let (name, is_suffix) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        // As a URL writes it. What is more than a host and a port is a mistake.
        let url = Url::parse(&format!("ftp://{name}")).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty() && !host.ends_with('.') && !host.contains('*'))?;
        let port = url.port();
        let written = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        (written.eq_ignore_ascii_case(name) && !(is_suffix && is_address)).then(|| Self {
            host: host.to_owned(),
            is_suffix,
            port,
        })
    }

    fn fits(&self, host: &str, url: &Url) -> bool {
        let is_host = match self.is_suffix {
            true => host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => host == self.host,
        };
        let is_port = self.port.map_or(url.port().is_none(), |port| url.port_or_known_default() == Some(port));
        is_host && is_port
    }
}

const fn v4(a: u8, b: u8, c: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), bits)
}

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// What is not globally reachable (IANA IPv4 Special-Purpose Address Registry), groups, and what is reserved.
const NOT_PUBLIC_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 31, 196, 24),
    v4(192, 52, 193, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(224, 0, 0, 3),
];
/// Only this is given out to anybody (IANA IPv6 Global Unicast Address Assignments).
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 3);
/// Of it: protocol assignments with Teredo, documentation, 6to4 (an IPv4 address in it may be any), documentation.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0x0db8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}
