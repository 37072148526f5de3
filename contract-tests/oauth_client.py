"""A local system as its vendor would write it, with other people's libraries: Authlib gets tokens, PyJWT and joserfc verify
them offline. Everything is found from the gateway's metadata (RFC 8414).

    oauth_client.py <url of the gateway> <command that adds clients> …
"""

import json
import subprocess
import sys
import tempfile
import time

import jwt
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwk
from joserfc import jwt as jose
from joserfc.errors import BadSignatureError

URL, LIENTHONG = sys.argv[1], sys.argv[2:]
NEW_KEY = {
    "ES256": lambda: jwk.ECKey.generate_key("P-256"),
    "ES384": lambda: jwk.ECKey.generate_key("P-384"),
    "EdDSA": lambda: jwk.OKPKey.generate_key("Ed25519"),
    "PS256": lambda: jwk.RSAKey.generate_key(2048),
    "RS256": lambda: jwk.RSAKey.generate_key(2048),
}


def add(client_id, *proof):
    """As an operator does it; the secret, if one was made."""
    command = [*LIENTHONG, "client", "add", client_id, "--name", client_id, "--agency", "H15", *proof]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    time.sleep(0.6)  # in force within access.refresh_ms
    return next((line.split()[1] for line in printed.splitlines() if "client_secret" in line.split()[:1]), None)


def discover():
    metadata = AuthorizationServerMetadata(requests.get(f"{URL}/.well-known/oauth-authorization-server").json())
    metadata.validate()
    assert metadata["issuer"] == URL, metadata
    return metadata


def call(session):
    answer = session.get(f"{URL}/v1/dossiers")
    assert answer.status_code == 200, answer.text
    return session.token["access_token"]


def refused(expected, ask):
    try:
        ask()
    except OAuthError as error:
        assert error.error == expected, error
    else:
        raise AssertionError(f"{expected} was expected")


def by_secret(metadata):
    secret = add("by-secret")
    session = OAuth2Session("by-secret", secret, token_endpoint_auth_method="client_secret_basic")
    session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    given = session.token
    assert given["token_type"] == "Bearer" and set(given["scope"].split()) <= set(metadata["scopes_supported"]), given
    token = call(session)
    less = OAuth2Session("by-secret", secret, scope="dossiers:read")
    assert less.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["scope"] == "dossiers:read"
    for presented, scope, error in [("wrong", None, "invalid_client"), (secret, "operator", "invalid_scope")]:
        client = OAuth2Session("by-secret", presented, scope=scope)
        refused(error, lambda: client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials"))
    return token


def by_key(metadata, algorithm, folder):
    client_id, key, file = f"by-{algorithm}", NEW_KEY[algorithm](), f"{folder}/{algorithm}.json"
    with open(file, "w") as public:
        json.dump(key.as_dict(private=False), public)
    add(client_id, "--jwk", file)
    session = OAuth2Session(client_id, key, token_endpoint_auth_method="private_key_jwt")
    session.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"], alg=algorithm))
    session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    stranger = OAuth2Session(client_id, NEW_KEY[algorithm](), token_endpoint_auth_method="private_key_jwt")
    stranger.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"], alg=algorithm))
    refused("invalid_client", lambda: stranger.fetch_token(metadata["token_endpoint"], grant_type="client_credentials"))
    return call(session)


def changed(token):
    """The same claims under a signature of which one letter is another."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def verify_offline(metadata, token, client_id):
    options = {"require": ["iss", "aud", "sub", "exp", "iat", "jti", "client_id"]}
    issuer = metadata["issuer"]
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)

    def with_pyjwt(token):
        return jwt.decode(token, key, algorithms=["ES256"], audience=issuer, issuer=issuer, options=options)

    claims = with_pyjwt(token)
    assert claims["sub"] == claims["client_id"] == client_id, claims
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    keys = jwk.KeySet.import_key_set(requests.get(metadata["jwks_uri"]).json())
    decoded = jose.decode(token, keys, algorithms=["ES256"])
    essential = {"essential": True}
    registry = jose.JWTClaimsRegistry(iss={**essential, "value": issuer}, aud={**essential, "value": issuer}, exp=essential)
    registry.validate(decoded.claims)
    assert decoded.claims == claims
    for verify, error in [(with_pyjwt, jwt.InvalidSignatureError), (lambda t: jose.decode(t, keys), BadSignatureError)]:
        try:
            verify(changed(token))
        except error:
            continue
        raise AssertionError("a changed signature was taken")


def main():
    metadata = discover()
    verify_offline(metadata, by_secret(metadata), "by-secret")
    algorithms = metadata["token_endpoint_auth_signing_alg_values_supported"]
    assert sorted(algorithms) == sorted(NEW_KEY), algorithms
    with tempfile.TemporaryDirectory() as folder:
        for algorithm in algorithms:
            verify_offline(metadata, by_key(metadata, algorithm, folder), f"by-{algorithm}")
    print(f"Authlib got tokens by a secret and by {', '.join(algorithms)}; PyJWT and joserfc verified each offline")


main()
