//! HTTP to addresses that somebody else has given: only to allowed hosts, never into a network that nobody has opened, without
//! following anywhere, and with an end.

mod allowed;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

pub use allowed::{Allowed, NotAllowed};

/// A client for such addresses. It does not judge the address itself ([`Allowed::judge`]); what a name stands for it does.
pub fn client(allowed: &Arc<Allowed>, whole: Duration, pause: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .dns_resolver(Arc::new(Guard(Arc::clone(allowed))))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // A proxy would look names up by itself.
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(pause)
        .read_timeout(pause)
        .timeout(whole)
        .user_agent(concat!("lienthong/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Whether a call was not made because of what its name stands for.
pub fn is_not_allowed(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.any(|cause| cause.is::<NotAllowed>())
}

/// Looks names up, and keeps back what may not be reached.
struct Guard(Arc<Allowed>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<_> = found.filter(|address| allowed.admits(address.ip())).collect();
            if admitted.is_empty() {
                return Err(NotAllowed::Address.into());
            }
            let addresses: Addrs = Box::new(admitted.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str], networks: &[&str]) -> Allowed {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Allowed::hosts(&hosts).unwrap().with_networks(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn only_hosts_that_are_named_may_be_called_at_their_own_port() {
        let allowed = allowed(&["files.gov.vn", "*.dvc.gov.vn", "203.162.1.5:8080", "tls.gov.vn:443"], &[]);
        for (address, expected) in [
            ("https://files.gov.vn/a?b=c", Ok(())),
            ("http://FILES.gov.vn:80/", Ok(())),
            ("https://a.dvc.gov.vn/", Ok(())),
            ("https://a.b.dvc.gov.vn/", Ok(())),
            ("http://203.162.1.5:8080/x", Ok(())),
            ("http://0xcba20105:8080/x", Ok(())),
            ("http://203.162.1.5/x", Err(NotAllowed::Host)),
            ("https://tls.gov.vn/", Ok(())),
            ("http://tls.gov.vn/", Err(NotAllowed::Host)),
            ("https://dvc.gov.vn/", Err(NotAllowed::Host)),
            ("https://.dvc.gov.vn/", Err(NotAllowed::Host)),
            ("https://advc.gov.vn/", Err(NotAllowed::Host)),
            ("https://files.gov.vn.evil.example/", Err(NotAllowed::Host)),
            ("https://files.gov.vn./", Err(NotAllowed::Host)),
            ("https://files.gov.vn:8443/", Err(NotAllowed::Host)),
            ("https://files.gov.vn:80/", Err(NotAllowed::Host)),
            ("https://files.gov.vn@evil.example/", Err(NotAllowed::Host)),
            ("https://user@files.gov.vn/", Err(NotAllowed::Host)),
            ("https://:secret@files.gov.vn/", Err(NotAllowed::Host)),
            ("https://evil.example/files.gov.vn", Err(NotAllowed::Host)),
            ("https://evil.example\\@files.gov.vn/", Err(NotAllowed::Host)),
            ("ftp://files.gov.vn/", Err(NotAllowed::Host)),
            ("file:///etc/passwd", Err(NotAllowed::Host)),
            ("data:text/plain,x", Err(NotAllowed::Host)),
        ] {
            let url = reqwest::Url::parse(address).unwrap();
            assert_eq!(allowed.judge(&url), expected, "{address}");
        }
    }

    #[test]
    fn a_rule_that_is_no_host_is_a_mistake() {
        for text in
            ["", "*", "*.", "a/b", "a:b", "http://a", "a@b", "a.", "*.10.0.0.1", "a b", "a?b", "a#b", "a:0x50", "*.*.a"]
        {
            let texts = [text.to_owned()];
            assert_eq!(Allowed::hosts(&texts).map(|_| ()), Err(text));
        }
        for text in ["a", "a.b", "*.a", "10.0.0.1", "10.0.0.1:80", "[2001:db8::1]:8080", "A.gov.vn", "a:443"] {
            assert!(Allowed::hosts(&[text.to_owned()]).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_not_public_is_reached_only_where_its_network_is_named() {
        let nowhere = allowed(&[], &[]);
        for public in
            ["1.1.1.1", "113.160.0.1", "100.63.255.255", "172.32.0.1", "2405:4800::1", "2a00::1", "::ffff:1.1.1.1"]
        {
            assert!(nowhere.admits(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!nowhere.admits(private.parse().unwrap()), "{private}");
        }
        let own = allowed(&["10.1.2.3", "10.2.0.1", "[::ffff:a01:203]"], &["10.1.0.0/16"]);
        for (address, expected) in [
            ("http://10.1.2.3/", Ok(())),
            ("http://0xa010203/", Ok(())),
            ("http://[::ffff:10.1.2.3]/", Ok(())),
            ("http://10.2.0.1/", Err(NotAllowed::Address)),
        ] {
            assert_eq!(own.judge(&reqwest::Url::parse(address).unwrap()), expected, "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_into_a_network_that_nobody_has_opened_is_not_called() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = format!("localhost:{port}");
        let url = format!("http://{host}/");
        let pause = Duration::from_secs(5);
        let closed = client(&Arc::new(allowed(&[&host], &[])), pause, pause).unwrap();
        let error = closed.get(&url).send().await.unwrap_err();
        assert!(is_not_allowed(&error), "{error:?}");
        let opened = client(&Arc::new(allowed(&[&host], &["127.0.0.0/8", "::1/128"])), pause, pause).unwrap();
        let (called, accepted) = tokio::join!(opened.get(&url).send(), async {
            let accepted = listener.accept().await.is_ok();
            drop(listener);
            accepted
        });
        assert!(accepted && !is_not_allowed(&called.unwrap_err()));
    }
}
