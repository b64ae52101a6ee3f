"""Outbound web identity federation: tokens that others can verify, by the pages that the issuer really serves."""

import base64
import hashlib
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from kumoniwa import Cloud

ACCOUNT = "100000000001"
AUDIENCE = "https://api.example.com"


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    return error["Message"]


def of64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    head, payload, signature = token.split(".")
    return json.loads(of64(head)), json.loads(of64(payload)), of64(signature), f"{head}.{payload}".encode()


def fetch(url):
    with urllib.request.urlopen(url) as reply:
        assert reply.headers["Content-Type"] == "application/json"
        return json.load(reply)


def rsa_is_good(key, signature, text):
    """RFC 8017, 8.2.2, by hand."""
    modulus = int.from_bytes(of64(key["n"]), "big")
    opened = pow(int.from_bytes(signature, "big"), int.from_bytes(of64(key["e"]), "big"), modulus)
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    digest = prefix + hashlib.sha256(text).digest()
    return opened.to_bytes(256, "big") == b"\0\1" + b"\xff" * (253 - len(digest)) + b"\0" + digest


def new_key(iam, user, *actions, **condition):
    iam.create_user(UserName=user, Tags=[{"Key": "team", "Value": "blue"}])
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": condition}
    iam.put_user_policy(UserName=user, PolicyName="p",
                        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))  # fmt: skip
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def test_the_feature_is_turned_on_and_off(own):
    iam = own.client("iam", key=ACCOUNT)
    refused("FeatureDisabled", iam.get_outbound_web_identity_federation_info)
    refused("FeatureDisabled", iam.disable_outbound_web_identity_federation)
    ask = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384"}
    refused("OutboundWebIdentityFederationDisabledException", own.client("sts", key=ACCOUNT).get_web_identity_token, **ask)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    refused("FeatureEnabled", iam.enable_outbound_web_identity_federation)
    info = iam.get_outbound_web_identity_federation_info()
    assert (info["IssuerIdentifier"], info["JwtVendingEnabled"]) == (issuer, True)
    other = own.client("iam", key="200000000002").enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert other != issuer
    assert fetch(issuer + "/.well-known/jwks.json") == {"keys": []}
    iam.disable_outbound_web_identity_federation()
    refused("OutboundWebIdentityFederationDisabledException", own.client("sts", key=ACCOUNT).get_web_identity_token, **ask)
    assert iam.enable_outbound_web_identity_federation()["IssuerIdentifier"] == issuer
    for path in ("/.well-known/other", "x/.well-known/jwks.json"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(issuer + path)
        assert caught.value.code == 404


def test_a_token_says_who_and_is_verified_by_the_issuers_keys(own):
    org = own.client("organizations", key=ACCOUNT)
    organization = org.create_organization()["Organization"]["Id"]
    iam = own.client("iam", key=ACCOUNT)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    mine = new_key(iam, "caller", "sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken")
    sts = own.client("sts", **mine)
    before = int(time.time())
    made = sts.get_web_identity_token(Audience=[AUDIENCE], SigningAlgorithm="RS256", DurationSeconds=600,
                                      Tags=[{"Key": "job-id", "Value": "job 7"}])  # fmt: skip
    header, claims, signature, text = parts(made["WebIdentityToken"])
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    assert before <= claims["iat"] <= time.time() and claims["exp"] == claims["iat"] + 600
    assert int(made["Expiration"].timestamp()) == claims["exp"]
    assert (claims["iss"], claims["aud"]) == (issuer, AUDIENCE)
    assert claims["sub"] == f"arn:aws:iam::{ACCOUNT}:user/caller"
    assert re.fullmatch("[0-9a-f-]{36}", claims["jti"])
    own_claims = claims["https://sts.amazonaws.com/"]
    assert own_claims.pop("ou_path").startswith(organization + "/r-")
    assert own_claims == {
        "aws_account": ACCOUNT, "source_region": "us-east-1", "org_id": organization,
        "principal_tags": {"team": "blue"}, "request_tags": {"job-id": "job 7"},
    }  # fmt: skip
    document = fetch(issuer + "/.well-known/openid-configuration")
    assert document["issuer"] == issuer
    assert set(document["id_token_signing_alg_values_supported"]) == {"RS256", "ES384"}
    keys = {key["kid"]: key for key in fetch(document["jwks_uri"])["keys"]}
    assert rsa_is_good(keys[header["kid"]], signature, text)
    assert not rsa_is_good(keys[header["kid"]], signature, text + b"x")
    # The key stays, over a crash too; another algorithm has another.
    own.kill()
    own.start()
    sts = own.client("sts", **mine)
    made = sts.get_web_identity_token(Audience=["a", "b"], SigningAlgorithm="ES384")
    header, claims, signature, _ = parts(made["WebIdentityToken"])
    assert (header["alg"], len(signature), claims["aud"]) == ("ES384", 96, ["a", "b"])
    assert claims["exp"] - claims["iat"] == 300
    again = {key["kid"]: key for key in fetch(claims["iss"] + "/.well-known/jwks.json")["keys"]}
    assert len(again) == 2 and again[list(keys)[0]] == keys[list(keys)[0]]


def test_who_may_have_a_token(own):
    iam = own.client("iam", key=ACCOUNT)
    iam.enable_outbound_web_identity_federation()
    limits = {"ForAllValues:StringEquals": {"sts:IdentityTokenAudience": AUDIENCE},
              "StringEquals": {"sts:SigningAlgorithm": "ES384"},
              "NumericLessThanEquals": {"sts:DurationSeconds": 300}}  # fmt: skip
    sts = own.client("sts", **new_key(iam, "limited", "sts:GetWebIdentityToken", **limits))
    ask = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384"}
    sts.get_web_identity_token(**ask)
    for change in ({"Audience": ["x"]}, {"Audience": [AUDIENCE, "x"]}, {"SigningAlgorithm": "RS256"},
                   {"DurationSeconds": 301}):  # fmt: skip
        refused("AccessDenied", sts.get_web_identity_token, **{**ask, **change})
    message = refused("AccessDenied", sts.get_web_identity_token, Tags=[{"Key": "a", "Value": "b"}], **ask)
    assert f"sts:TagGetWebIdentityToken on resource: arn:aws:sts::{ACCOUNT}:self" in message
    refused("ValidationError", sts.get_web_identity_token, **{**ask, "SigningAlgorithm": "HS256"})
    refused("ValidationError", sts.get_web_identity_token, DurationSeconds=3601, **ask)
    # Not longer than the session.
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT},
                                                     "Action": ["sts:AssumeRole", "sts:TagSession"]}]}  # fmt: skip
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust),
                           Tags=[{"Key": "a", "Value": "role"}, {"Key": "b", "Value": "role"}])["Role"]["Arn"]  # fmt: skip
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    session = own.client("sts", key=ACCOUNT).assume_role(
        RoleArn=role, RoleSessionName="visit", DurationSeconds=900, Tags=[{"Key": "b", "Value": "session"}])["Credentials"]  # fmt: skip
    inside = own.client("sts", key=session["AccessKeyId"], secret=session["SecretAccessKey"],
                        token=session["SessionToken"])  # fmt: skip
    refused("SessionDurationEscalationException", inside.get_web_identity_token, DurationSeconds=901, **ask)
    claims = parts(inside.get_web_identity_token(**ask)["WebIdentityToken"])[1]
    assert claims["sub"] == role
    more = claims["https://sts.amazonaws.com/"]
    assert more["principal_tags"] == {"a": "role", "b": "session"} and "original_session_exp" in more
    refused("JWTPayloadSizeExceededException", inside.get_web_identity_token,
            Tags=[{"Key": f"{i:0128}", "Value": "v" * 256} for i in range(50)], **ask)  # fmt: skip


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_another_cloud_takes_the_token_and_its_own_does_not(tmp_path, algorithm):
    """Another cloud knows the issuer as any OpenID Connect provider; "into AWS" itself such tokens lead nowhere."""
    with Cloud(tmp_path / "issuing", tls=True) as issuing, Cloud(tmp_path / "relying") as relying:
        iam = issuing.client("iam", key=ACCOUNT)
        issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
        mine = new_key(iam, "caller", "sts:GetWebIdentityToken")
        token = issuing.client("sts", **mine).get_web_identity_token(
            Audience=["audience"], SigningAlgorithm=algorithm)["WebIdentityToken"]  # fmt: skip
        host, port = re.fullmatch(r"https://([^:/]+):(\d+)/.*", issuer).groups()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain) as connection:
            thumbprint = hashlib.sha1(connection.getpeercert(True)).hexdigest()
        subject = f"arn:aws:iam::{ACCOUNT}:user/caller"
        for cloud in (relying, issuing):
            iam = cloud.client("iam", key="300000000003")
            provider = iam.create_open_id_connect_provider(
                Url=issuer, ClientIDList=["audience"], ThumbprintList=[thumbprint])["OpenIDConnectProviderArn"]  # fmt: skip
            trust = {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {issuer.removeprefix("https://") + ":sub": subject}}}]}  # fmt: skip
            role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
            ask = {"RoleArn": role, "RoleSessionName": "visit", "WebIdentityToken": token}
            sts = cloud.client("sts", key="300000000003")
            if cloud is relying:
                made = sts.assume_role_with_web_identity(**ask)
                assert made["SubjectFromWebIdentityToken"] == subject
                head, payload, signature = token.split(".")
                forged = ".".join([head, payload, signature[:-8] + "AAAAAAAA"])
                refused("InvalidIdentityToken", sts.assume_role_with_web_identity, **{**ask, "WebIdentityToken": forged})
            else:
                refused("InvalidIdentityToken", sts.assume_role_with_web_identity, **ask)
