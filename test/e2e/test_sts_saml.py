"""AssumeRoleWithSAML: responses signed as an identity provider signs them, and everything near them."""

import base64
import datetime
import hashlib
import json
import subprocess

import botocore
import botocore.config
import botocore.exceptions
import pytest

ACCOUNT = "000000000000"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def statement(action, resource=None, **more):
    made = {"Effect": "Allow", "Action": action, **more}
    if resource is not None:
        made["Resource"] = resource
    return json.dumps({"Version": "2012-10-17", "Statement": [made]})


def stamp(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Idp:
    """What it writes is in canonical form already, so that the bytes to digest are at hand."""

    def __init__(self, folder, entity="https://idp.example.com/"):
        self.entity, self.key, certificate = entity, folder / "key", folder / "cert"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(self.key), "-out", str(certificate),
                "-days", "3", "-subj", "/CN=idp")
        self.body = "".join(certificate.read_text().strip().splitlines()[1:-1])

    def metadata(self):
        return (f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.entity}">'
                '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
                f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DSIG}"><ds:X509Data><ds:X509Certificate>'
                f"{self.body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
                "</md:IDPSSODescriptor></md:EntityDescriptor>")

    def assertion(self, role, identifier="_a1", **change):
        what = {"issuer": self.entity, "until": stamp(300), "recipient": "https://signin.aws.amazon.com/saml",
                "audience": "urn:amazon:webservices", "name": "alice", "roles": [f"{role},{PROVIDER}"],
                "subject": "alice@example.com", "tags": {}, "more": {}, **change}
        attributes = {ATTRIBUTES + "Role": what["roles"], ATTRIBUTES + "RoleSessionName": [what["name"]],
                      **{ATTRIBUTES + "PrincipalTag:" + k: [v] for k, v in what["tags"].items()}, **what["more"]}
        text = "".join(
            f'<saml:Attribute Name="{name}">' +
            "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values) + "</saml:Attribute>"
            for name, values in attributes.items() if values[0] is not None)
        return (f'<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{identifier}" '
                f'IssueInstant="{stamp(0)}" Version="2.0"><saml:Issuer>{what["issuer"]}</saml:Issuer>',
                '<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">'
                f'{what["subject"]}</saml:NameID>'
                '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData '
                f'NotOnOrAfter="{what["until"]}" Recipient="{what["recipient"]}"></saml:SubjectConfirmationData>'
                f'</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{stamp(-60)}" '
                f'NotOnOrAfter="{what["until"]}"><saml:AudienceRestriction><saml:Audience>{what["audience"]}</saml:Audience>'
                f"</saml:AudienceRestriction></saml:Conditions><saml:AttributeStatement>{text}</saml:AttributeStatement>"
                "</saml:Assertion>")

    def signature(self, canonical, identifier):
        digest = base64.b64encode(hashlib.sha256(canonical.encode()).digest()).decode()
        info = (f'<ds:SignedInfo xmlns:ds="{DSIG}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}">'
                '</ds:CanonicalizationMethod><ds:SignatureMethod '
                'Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>'
                f'<ds:Reference URI="#{identifier}"><ds:Transforms><ds:Transform Algorithm="{DSIG}enveloped-signature">'
                f'</ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms><ds:DigestMethod '
                'Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
                f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>")
        value = base64.b64encode(openssl("dgst", "-sha256", "-sign", str(self.key), data=info.encode())).decode()
        return (f'<ds:Signature xmlns:ds="{DSIG}">' + info.replace(f' xmlns:ds="{DSIG}"', "") +
                f"<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>")

    def signed(self, role, **change):
        head, tail = self.assertion(role, **change)
        return head + self.signature(head + tail, change.get("identifier", "_a1")) + tail

    def response(self, inside, status="Success"):
        return (f'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0">'
                f'<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"></samlp:StatusCode>'
                f"</samlp:Status>{inside}</samlp:Response>")


@pytest.fixture(scope="module")
def idp(tmp_path_factory):
    return Idp(tmp_path_factory.mktemp("idp"))


@pytest.fixture(scope="module")
def role(cloud, idp):
    iam = cloud.client("iam")
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata())
    trust = statement(["sts:AssumeRoleWithSAML", "sts:TagSession"], Principal={"Federated": PROVIDER},
                      Condition={"StringEquals": {"saml:aud": "https://signin.aws.amazon.com/saml",
                                                  "saml:sub_type": "persistent", "saml:doc": f"{ACCOUNT}/idp"}})
    arn = iam.create_role(RoleName="by-saml", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="by-saml", PolicyName="own", PolicyDocument=statement(
        "sqs:*", "*", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}}))
    return arn


@pytest.fixture(scope="module")
def assume(cloud, role):
    import boto3

    sts = boto3.session.Session(region_name="us-east-1").client(
        "sts", endpoint_url=cloud.endpoint,
        config=botocore.config.Config(signature_version=botocore.UNSIGNED, proxies={}, retries={"total_max_attempts": 1}))

    def call(response, **more):
        return sts.assume_role_with_saml(RoleArn=role, PrincipalArn=PROVIDER,
                                         SAMLAssertion=base64.b64encode(response.encode()).decode(), **more)

    return call


def test_a_person_comes_in(cloud, idp, role, assume, queue):
    made = assume(idp.response(idp.signed(role, tags={"team": "blue"})))
    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/by-saml/alice"
    assert (made["Subject"], made["SubjectType"], made["Issuer"]) == ("alice@example.com", "persistent", idp.entity)
    assert made["Audience"] == "https://signin.aws.amazon.com/saml"
    expected = hashlib.sha1(f"{idp.entity}{ACCOUNT}/idp".encode()).digest()
    assert made["NameQualifier"] == base64.b64encode(expected).decode()
    mine = made["Credentials"]
    sqs = cloud.client("sqs", mine["AccessKeyId"], mine["SecretAccessKey"], mine["SessionToken"])
    sqs.send_message(QueueUrl=queue, MessageBody="x")


def test_a_signed_response(idp, role, assume):
    plain = idp.response("".join(idp.assertion(role)))
    # The assertion's namespace is its own; that of the response is declared on it: canonical as it stands.
    cut = plain.index("<samlp:Status>")
    assume(plain[:cut] + idp.signature(plain, "_r1") + plain[cut:])
    with pytest.raises(botocore.exceptions.ClientError):
        assume(plain)


def test_another_way_to_write_the_same(idp, role, assume):
    text = idp.response(idp.signed(role))
    text = text.replace('ID="_a1" ', "").replace('Version="2.0"><saml:Issuer>', "  Version='2.0' ID='_a1'\n><saml:Issuer>")
    text = text.replace("></ds:Transform>", "/>").replace("></saml:SubjectConfirmationData>", "/>")
    assume("<?xml version='1.0'?>\n" + text.replace("<samlp:Response ", '<samlp:Response xmlns:other="urn:x" ', 1) + "\n")


def test_what_is_forged(idp, role, assume, tmp_path):
    def refused(text):
        return refusal(assume, **{"response": text})

    good = idp.signed(role)
    invalid = ("InvalidIdentityToken", "Response signature invalid")
    assert refused(idp.response(good.replace("alice@", "admin@"))) == invalid
    assert refused(idp.response("".join(idp.assertion(role)))) == invalid
    other = Idp(tmp_path)
    assert refused(other.response(other.signed(role))) == invalid
    assert refused(idp.response(good.replace('URI="#_a1"', 'URI=""'))) == invalid
    # The signed assertion is put away, another stands in its place.
    evil = "".join(idp.assertion(role, identifier="_evil", subject="admin@example.com"))
    assert refused(idp.response(f"<samlp:Extensions>{good}</samlp:Extensions>{evil}")) == invalid
    assert refused(idp.response(evil + good))[0] == "InvalidIdentityToken"
    signature = good[good.index("<ds:Signature "):good.index("</ds:Signature>") + 15]
    head, tail = idp.assertion(role, identifier="_evil", subject="admin@example.com")
    hidden = signature.replace("</ds:Signature>", f"<ds:Object>{good.replace(signature, '')}</ds:Object></ds:Signature>")
    assert refused(idp.response(head + hidden + tail)) == invalid
    for text in ("nonsense", "<a/>", '<!DOCTYPE a [<!ENTITY b "c">]>' + idp.response(good), idp.response("")):
        assert refused(text) == ("InvalidIdentityToken", "Invalid SAML response"), text[:40]
    assert refused(idp.response(good, status="Requester"))[0] == "IDPRejectedClaim"


def test_what_is_not_for_us(cloud, idp, role, assume):
    def refused(**change):
        return refusal(assume, **{"response": idp.response(idp.signed(role, **change))})

    assert refused(issuer="https://other.example.com/") == (
        "InvalidIdentityToken", "Issuer not present in specified provider")
    assert refused(until=stamp(-1)) == ("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")
    assert refused(recipient="https://evil.example.com/saml")[0] == "InvalidIdentityToken"
    assert refused(audience="https://evil.example.com")[0] == "InvalidIdentityToken"
    assert refused(name=None) == ("InvalidIdentityToken", "RoleSessionName is required in AuthnResponse")
    assert refused(name="a b") == (
        "InvalidIdentityToken", "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    assert refused(roles=[f"{role}x,{PROVIDER}"]) == ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
    assert refused(more={ATTRIBUTES + "SourceIdentity": ["alice"]}) == (
        "AccessDenied", "Not authorized to perform sts:SetSourceIdentity")
    # A comment does not cut a name short.
    made = assume(idp.response(idp.signed(role)).replace("alice@example.com", "alice@example<!-- x -->.com"))
    assert made["Subject"] == "alice@example.com"
    assert refusal(cloud.client("sts").assume_role_with_saml, RoleArn=role, PrincipalArn=PROVIDER + "x",
                   SAMLAssertion="AAAA") == ("InvalidIdentityToken", "Specified provider doesn't exist")
