//! Where an issuer's keys are, as its metadata says (OpenID Connect Discovery 1.0, section 4; RFC 8414, section 3).

use reqwest::Url;
use serde_json::Value;

use super::fetch::NotHad;

/// Whether tokens and keys may be entrusted to this address: https, or http that does not leave this machine.
pub fn is_sound(address: &Url) -> bool {
    let is_bare = address.username().is_empty() && address.password().is_none() && address.fragment().is_none();
    is_bare && (address.scheme() == "https" || is_on_this_machine(address))
}

fn is_on_this_machine(address: &Url) -> bool {
    address.scheme() == "http" && matches!(address.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
}

/// Where the metadata may be: that of an OpenID provider stands behind the issuer's path, that of an OAuth server before it.
pub(super) fn addresses(issuer: &str) -> Result<[Url; 2], NotHad> {
    let parsed = |address: String| Url::parse(&address).map_err(|_| NotHad::OtherIssuer);
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    let host = issuer.find("://").map_or(0, |at| at + 3);
    let (origin, path) = issuer.split_at(issuer[host..].find('/').map_or(issuer.len(), |at| host + at));
    Ok([
        parsed(format!("{issuer}/.well-known/openid-configuration"))?,
        parsed(format!("{origin}/.well-known/oauth-authorization-server{path}"))?,
    ])
}

/// Where the keys are, if the metadata is this issuer's.
pub(super) fn keys_address(metadata: &Value, issuer: &str) -> Result<Url, NotHad> {
    if metadata["issuer"].as_str() != Some(issuer) {
        return Err(NotHad::OtherIssuer);
    }
    let address = metadata["jwks_uri"].as_str().and_then(|address| Url::parse(address).ok());
    let address = address.filter(is_sound).ok_or(NotHad::KeysAddress)?;
    // An issuer elsewhere must not lead us to what listens on this machine only.
    let is_within = address.scheme() == "https" || Url::parse(issuer).is_ok_and(|issuer| is_on_this_machine(&issuer));
    if is_within { Ok(address) } else { Err(NotHad::KeysAddress) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_metadata_stands_where_the_standards_say() {
        for (issuer, provider, server) in [
            ("https://a.example", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
            ("https://a.example/", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
            (
                "https://a.example/realms/tinh",
                "/realms/tinh/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/realms/tinh",
            ),
            (
                "https://a.example:9443/oauth2/token/",
                "/oauth2/token/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/oauth2/token",
            ),
        ] {
            let [openid, oauth] = addresses(issuer).unwrap();
            assert_eq!((openid.path(), oauth.path()), (provider, server), "{issuer}");
            assert_eq!((openid.host_str(), openid.port()), (oauth.host_str(), oauth.port()), "{issuer}");
        }
    }

    #[test]
    fn keys_are_looked_for_only_where_they_may_be_entrusted() {
        let remote = "https://a.example/realms/tinh";
        let local = "http://127.0.0.1:8080";
        let address = |issuer: &str, uri: &str| keys_address(&json!({ "issuer": issuer, "jwks_uri": uri }), issuer);
        for (issuer, uri, is_taken) in [
            (remote, "https://a.example/keys", true),
            (remote, "https://keys.example:8443/keys?v=1", true),
            (remote, "http://a.example/keys", false),
            (remote, "http://127.0.0.1/keys", false),
            (remote, "http://localhost/keys", false),
            (remote, "https://user:password@a.example/keys", false),
            (remote, "https://a.example/keys#x", false),
            (remote, "file:///etc/passwd", false),
            (remote, "/keys", false),
            (local, "http://127.0.0.1:8081/keys", true),
            (local, "http://localhost/keys", true),
            (local, "http://127.0.0.1.example/keys", false),
            (local, "http://10.0.0.1/keys", false),
        ] {
            assert_eq!(address(issuer, uri).is_ok(), is_taken, "{issuer} {uri}");
        }
        for metadata in [json!({ "issuer": remote }), json!({ "issuer": remote, "jwks_uri": 7 })] {
            assert_eq!(keys_address(&metadata, remote), Err(NotHad::KeysAddress));
        }
        for other in ["https://a.example/realms/tinh/", "https://A.example/realms/tinh", "https://a.example", ""] {
            let metadata = json!({ "issuer": other, "jwks_uri": "https://a.example/keys" });
            assert_eq!(keys_address(&metadata, remote), Err(NotHad::OtherIssuer), "{other}");
        }
    }
}
