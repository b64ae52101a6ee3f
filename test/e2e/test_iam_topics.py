"""IAM's devices, providers, certificates and keys through an unmodified boto3."""

import base64
import hashlib
import hmac
import json
import struct
import subprocess
import time

import botocore.exceptions
import pytest

ACCOUNT = "000000000000"


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def code_at(seed, seconds):
    mac = hmac.new(base64.b32decode(seed), struct.pack(">Q", int(seconds) // 30), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


@pytest.fixture
def iam(cloud):
    return cloud.client("iam")


@pytest.fixture
def user(iam, name):
    name = name[-60:]
    iam.create_user(UserName=name)
    return name


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(certificate, its key, another key) as PEM."""
    folder = tmp_path_factory.mktemp("pair")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "key"), "-out",
            str(folder / "cert"), "-days", "30", "-subj", "/CN=example.com")
    openssl("genrsa", "-out", str(folder / "other"), "2048")
    return tuple((folder / part).read_text() for part in ("cert", "key", "other"))


def test_devices(iam, user, name):
    """Scenario B3: seed, two codes, resync, deactivate."""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName=user, Path="/d/", Tags=[{"Key": "k", "Value": "v"}])
    serial, seed = made["VirtualMFADevice"]["SerialNumber"], made["VirtualMFADevice"]["Base32StringSeed"]
    assert serial == f"arn:aws:iam::{ACCOUNT}:mfa/d/{user}" and len(seed) == 64
    assert made["VirtualMFADevice"]["Tags"] == [{"Key": "k", "Value": "v"}]
    assert refusal(iam.create_virtual_mfa_device, VirtualMFADeviceName=user) == (
        "EntityAlreadyExists", "MFADevice entity at the same path and name already exists.")
    assert [d["SerialNumber"] for d in iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
            if d["SerialNumber"] == serial] == [serial]
    now = time.time()
    enable = {"UserName": user, "SerialNumber": serial}
    for codes in ((code_at(seed, now), code_at(seed, now)), (code_at(seed, now), code_at(seed, now + 60)),
                  (code_at(seed, now + 30), code_at(seed, now)), (code_at(seed, now - 3600), code_at(seed, now - 3570))):
        assert refusal(iam.enable_mfa_device, AuthenticationCode1=codes[0], AuthenticationCode2=codes[1], **enable) == (
            "InvalidAuthenticationCode", "Authentication code for device is not valid.")
    iam.enable_mfa_device(AuthenticationCode1=code_at(seed, now), AuthenticationCode2=code_at(seed, now + 30), **enable)
    assert refusal(iam.enable_mfa_device, AuthenticationCode1="123456", AuthenticationCode2="123456", **enable)[0] == (
        "EntityAlreadyExists")
    shown = [d for d in iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
             if d["SerialNumber"] == serial]
    assert shown[0]["User"]["UserName"] == user and "EnableDate" in shown[0]
    iam.resync_mfa_device(AuthenticationCode1=code_at(seed, now + 60), AuthenticationCode2=code_at(seed, now + 90), **enable)
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=serial) == (
        "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
    assert refusal(iam.delete_user, UserName=user)[0] == "DeleteConflict"
    iam.update_user(UserName=user, NewUserName="n" + user)
    assert iam.get_mfa_device(SerialNumber=serial, UserName="n" + user)["SerialNumber"] == serial
    iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "K", "Value": "w"}, {"Key": "l", "Value": "x"}])
    iam.untag_mfa_device(SerialNumber=serial, TagKeys=["L"])
    assert [t["Value"] for t in iam.list_mfa_device_tags(SerialNumber=serial)["Tags"]] == ["w"]
    iam.deactivate_mfa_device(UserName="n" + user, SerialNumber=serial)
    assert refusal(iam.deactivate_mfa_device, UserName="n" + user, SerialNumber=serial)[0] == "NoSuchEntity"
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    assert refusal(iam.get_mfa_device, SerialNumber=serial) == (
        "NoSuchEntity", f"VirtualMFADevice with serial number {serial} does not exist.")
    iam.delete_user(UserName="n" + user)


def test_oidc_providers(iam, name):
    host = f"{name.lower()}.example.com"
    made = iam.create_open_id_connect_provider(Url=f"https://{host}/realm/A", ClientIDList=["a", "b", "a"],
                                               ThumbprintList=["AB" * 20], Tags=[{"Key": "k", "Value": "v"}])
    arn = made["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}/realm/A"
    assert refusal(iam.create_open_id_connect_provider, Url=f"https://{host}/realm/A") == (
        "EntityAlreadyExists", f"Provider with url https://{host}/realm/A already exists.")
    for url in ("http://x.example.com", "ftp://x", "https://", "https://x.example.com?a=b"):
        assert refusal(iam.create_open_id_connect_provider, Url=url) == (
            "ValidationError", "Invalid Open ID Connect Provider URL"), url
    assert refusal(iam.create_open_id_connect_provider, Url="https://y.example.com", ThumbprintList=["z" * 40])[0] == "InvalidInput"
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["0" * 40])
    shown = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (shown["Url"], shown["ClientIDList"], shown["ThumbprintList"]) == (f"{host}/realm/A", ["b", "c"], ["0" * 40])
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "m", "Value": "n"}])
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["k"])
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == [{"Key": "m", "Value": "n"}]
    assert arn in [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refusal(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == (
        "NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")


def metadata(certificate, **attributes):
    body = "".join(certificate.strip().splitlines()[1:-1])
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return (f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com"{more}>'
            '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
            '<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>'
            f"<ds:X509Certificate>{body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            "</md:IDPSSODescriptor></md:EntityDescriptor>")


def test_saml_providers(iam, name, pair):
    name = name[-60:]
    document = metadata(pair[0], validUntil="2099-01-02T03:04:05Z")
    arn = iam.create_saml_provider(Name=name, SAMLMetadataDocument=document)["SAMLProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:saml-provider/{name}"
    shown = iam.get_saml_provider(SAMLProviderArn=arn)
    assert shown["SAMLMetadataDocument"] == document and shown["ValidUntil"].year == 2099
    assert refusal(iam.create_saml_provider, Name=name, SAMLMetadataDocument=document)[0] == "EntityAlreadyExists"
    padding = "<!--" + "x" * 1000 + "-->"
    for bad in ("x" * 1000, "<a/>" + padding, "<EntityDescriptor entityID='x'/>" + padding,
                '<!DOCTYPE a [<!ENTITY b "c">]>' + document):
        assert refusal(iam.create_saml_provider, Name="x" + name, SAMLMetadataDocument=bad) == (
            "InvalidInput", "Could not parse metadata")
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=metadata(pair[0]))
    assert "ValidUntil" not in iam.get_saml_provider(SAMLProviderArn=arn)
    iam.tag_saml_provider(SAMLProviderArn=arn, Tags=[{"Key": "m", "Value": "n"}])
    assert iam.list_saml_provider_tags(SAMLProviderArn=arn)["Tags"] == [{"Key": "m", "Value": "n"}]
    iam.untag_saml_provider(SAMLProviderArn=arn, TagKeys=["m"])
    assert arn in [p["Arn"] for p in iam.list_saml_providers()["SAMLProviderList"]]
    iam.delete_saml_provider(SAMLProviderArn=arn)
    assert refusal(iam.delete_saml_provider, SAMLProviderArn=arn)[0] == "NoSuchEntity"


def test_server_certificates(iam, name, pair):
    name = name[-60:]
    upload = {"ServerCertificateName": name, "CertificateBody": pair[0], "PrivateKey": pair[1], "Path": "/cf/"}
    made = iam.upload_server_certificate(**upload, CertificateChain=pair[0])["ServerCertificateMetadata"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/cf/{name}"
    assert made["ServerCertificateId"].startswith("ASCA") and "Expiration" in made
    assert refusal(iam.upload_server_certificate, **upload)[0] == "EntityAlreadyExists"
    other = {**upload, "ServerCertificateName": "x" + name}
    assert refusal(iam.upload_server_certificate, **{**other, "PrivateKey": pair[2]})[0] == "KeyPairMismatch"
    assert refusal(iam.upload_server_certificate, **{**other, "CertificateBody": "x"})[0] == "MalformedCertificate"
    assert refusal(iam.upload_server_certificate, **{**other, "PrivateKey": "x"})[0] == "MalformedCertificate"
    assert refusal(iam.upload_server_certificate, **{**other, "CertificateBody": pair[0] * 2})[0] == "MalformedCertificate"
    iam.update_server_certificate(ServerCertificateName=name, NewPath="/n/", NewServerCertificateName="n" + name)
    shown = iam.get_server_certificate(ServerCertificateName="n" + name)["ServerCertificate"]
    assert shown["CertificateBody"].strip() == pair[0].strip()
    assert shown["ServerCertificateMetadata"]["Path"] == "/n/"
    assert refusal(iam.get_server_certificate, ServerCertificateName=name) == (
        "NoSuchEntity", f"The Server Certificate with name {name} cannot be found.")
    listed = iam.list_server_certificates(PathPrefix="/n/")["ServerCertificateMetadataList"]
    assert [c["ServerCertificateName"] for c in listed] == ["n" + name]
    iam.tag_server_certificate(ServerCertificateName="n" + name, Tags=[{"Key": "a", "Value": "b"}])
    assert iam.list_server_certificate_tags(ServerCertificateName="n" + name)["Tags"] == [{"Key": "a", "Value": "b"}]
    iam.delete_server_certificate(ServerCertificateName="n" + name)


def test_signing_certificates(iam, user, pair):
    made = iam.upload_signing_certificate(UserName=user, CertificateBody=pair[0])["Certificate"]
    assert made["Status"] == "Active" and len(made["CertificateId"]) >= 24
    assert refusal(iam.upload_signing_certificate, UserName=user, CertificateBody=pair[0])[0] == "DuplicateCertificate"
    iam.update_signing_certificate(UserName=user, CertificateId=made["CertificateId"], Status="Inactive")
    assert [c["Status"] for c in iam.list_signing_certificates(UserName=user)["Certificates"]] == ["Inactive"]
    iam.delete_signing_certificate(UserName=user, CertificateId=made["CertificateId"])
    assert refusal(iam.delete_signing_certificate, UserName=user, CertificateId=made["CertificateId"])[0] == "NoSuchEntity"


def test_ssh_keys(iam, user, pair, tmp_path):
    pem = openssl("rsa", "-pubout", data=pair[1].encode()).decode()
    made = iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody=pem)["SSHPublicKey"]
    key = made["SSHPublicKeyId"]
    assert key.startswith("APKA") and made["SSHPublicKeyBody"].startswith("ssh-rsa AAAAB3NzaC1yc2E")
    blob = base64.b64decode(made["SSHPublicKeyBody"].split()[1])
    assert made["Fingerprint"].replace(":", "") == hashlib.md5(blob).hexdigest()
    shown = iam.get_ssh_public_key(UserName=user, SSHPublicKeyId=key, Encoding="PEM")["SSHPublicKey"]
    assert shown["SSHPublicKeyBody"] == pem
    assert refusal(iam.upload_ssh_public_key, UserName=user,
                   SSHPublicKeyBody=made["SSHPublicKeyBody"] + " me@here")[0] == "DuplicateSSHPublicKey"
    assert refusal(iam.upload_ssh_public_key, UserName=user, SSHPublicKeyBody="ssh-ed25519 AAAA")[0] == (
        "UnrecognizedPublicKeyEncoding")
    assert refusal(iam.upload_ssh_public_key, UserName=user, SSHPublicKeyBody="ssh-rsa AAAA")[0] == "InvalidPublicKey"
    small = openssl("rsa", "-pubout", data=openssl("genrsa", "1024")).decode()
    assert refusal(iam.upload_ssh_public_key, UserName=user, SSHPublicKeyBody=small)[0] == "InvalidPublicKey"
    iam.update_ssh_public_key(UserName=user, SSHPublicKeyId=key, Status="Inactive")
    assert [k["Status"] for k in iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"]] == ["Inactive"]
    assert refusal(iam.delete_user, UserName=user) == (
        "DeleteConflict", "Cannot delete entity, must remove referenced objects first.")
    iam.delete_ssh_public_key(UserName=user, SSHPublicKeyId=key)
    iam.delete_user(UserName=user)


def test_service_credentials(iam, user):
    git = {"UserName": user, "ServiceName": "codecommit.amazonaws.com"}
    one = iam.create_service_specific_credential(**git)["ServiceSpecificCredential"]
    two = iam.create_service_specific_credential(**git)["ServiceSpecificCredential"]
    assert (one["ServiceUserName"], two["ServiceUserName"]) == (f"{user}-at-{ACCOUNT}", f"{user}+1-at-{ACCOUNT}")
    assert refusal(iam.create_service_specific_credential, **git) == (
        "LimitExceeded", "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2")
    assert refusal(iam.create_service_specific_credential, UserName=user, ServiceName="s3.amazonaws.com")[0] == (
        "NotSupportedService")
    key = iam.create_service_specific_credential(UserName=user, ServiceName="bedrock.amazonaws.com",
                                                 CredentialAgeDays=30)["ServiceSpecificCredential"]
    assert "ServiceCredentialSecret" in key and "ExpirationDate" in key and "ServicePassword" not in key
    reset = iam.reset_service_specific_credential(UserName=user, ServiceSpecificCredentialId=one["ServiceSpecificCredentialId"])
    assert reset["ServiceSpecificCredential"]["ServicePassword"] != one["ServicePassword"]
    iam.update_service_specific_credential(UserName=user, ServiceSpecificCredentialId=one["ServiceSpecificCredentialId"],
                                           Status="Inactive")
    listed = iam.list_service_specific_credentials(**git)["ServiceSpecificCredentials"]
    assert sorted(c["Status"] for c in listed) == ["Active", "Inactive"]
    everybody = iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"]
    assert {c["ServiceSpecificCredentialId"] for c in everybody if c["UserName"] == user} == {
        c["ServiceSpecificCredentialId"] for c in (one, two, key)}
    for credential in (one, two, key):
        iam.delete_service_specific_credential(UserName=user,
                                               ServiceSpecificCredentialId=credential["ServiceSpecificCredentialId"])


def test_what_a_user_may_do_with_its_own_device(cloud, iam, user, name):
    """AWS's policy for users who manage their own MFA."""
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iam:CreateVirtualMFADevice", "iam:DeleteVirtualMFADevice"],
         "Resource": "arn:aws:iam::*:mfa/${aws:username}"},
        {"Effect": "Allow", "Action": ["iam:EnableMFADevice", "iam:ListMFADevices"],
         "Resource": "arn:aws:iam::*:user/${aws:username}"}]}
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    mine = cloud.client("iam", key["AccessKeyId"], key["SecretAccessKey"])
    assert refusal(mine.create_virtual_mfa_device, VirtualMFADeviceName="of-another")[1] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to perform: iam:CreateVirtualMFADevice on resource: "
        f"arn:aws:iam::{ACCOUNT}:mfa/of-another because no identity-based policy allows the iam:CreateVirtualMFADevice action")
    made = mine.create_virtual_mfa_device(VirtualMFADeviceName=user)["VirtualMFADevice"]
    assert mine.list_mfa_devices()["MFADevices"] == []
    mine.delete_virtual_mfa_device(SerialNumber=made["SerialNumber"])
