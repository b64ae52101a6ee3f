"""When services were last used in the organization, and which its policies let it use."""

import json

import pytest
from botocore.exceptions import ClientError

from accounts import new_account
from kumoniwa import wait_until

MASTER = "100000000001"


def report(iam, path, policy=None, **more):
    ask = {"EntityPath": path} | ({"OrganizationsPolicyId": policy} if policy else {})
    job = iam.generate_organizations_access_report(**ask)["JobId"]
    return iam.get_organizations_access_report(JobId=job, **more)


def test_access_in_the_organization(own):
    org, iam = own.client("organizations", key=MASTER), own.client("iam", key=MASTER)
    organization = org.create_organization()["Organization"]["Id"]
    root = org.list_roots()["Roots"][0]["Id"]
    unit = org.create_organizational_unit(ParentId=root, Name="u")["OrganizationalUnit"]["Id"]
    first, second = (new_account(org, name)["AccountId"] for name in ("first", "second"))
    org.move_account(AccountId=first, SourceParentId=root, DestinationParentId=unit)
    path = f"{organization}/{root}"
    failed = report(iam, path)
    assert failed["JobStatus"] == "FAILED" and failed["ErrorDetails"]["Code"] == "PolicyTypeNotEnabledException"
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    made = org.create_policy(Name="no-s3", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny))
    org.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=unit)
    only = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:*", "s3:Get*"], "Resource": "*"}]}
    made = org.create_policy(Name="only", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(only))
    narrow = made["Policy"]["PolicySummary"]["Id"]
    for one in (first, second):
        guest = own.client("iam", key=one)
        guest.create_user(UserName="u")
        guest.attach_user_policy(UserName="u", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        key = guest.create_access_key(UserName="u")["AccessKey"]
        own.client("sqs", key=key["AccessKeyId"], secret=key["SecretAccessKey"]).list_queues()

    def used():
        shown = report(iam, path)
        details = {d["ServiceNamespace"]: d for d in shown["AccessDetails"]}
        return details["sqs"]["TotalAuthenticatedEntities"] == 2 and (shown, details)

    whole, details = wait_until(used, message="no use is told of")
    assert whole["JobStatus"] == "COMPLETED"
    assert whole["NumberOfServicesAccessible"] == len(details) or whole["IsTruncated"]
    assert whole["NumberOfServicesNotAccessed"] < whole["NumberOfServicesAccessible"]
    assert details["sqs"]["Region"] == "us-east-1" and details["sqs"]["EntityPath"].startswith(path + "/")
    assert "LastAuthenticatedTime" not in details["kinesis"]
    names = list(details)
    assert names == sorted(names)
    below = report(iam, f"{path}/{unit}", MaxItems=1000)
    inside = {d["ServiceNamespace"]: d for d in below["AccessDetails"]}
    assert "s3" not in inside and inside["sqs"]["TotalAuthenticatedEntities"] == 1
    assert inside["sqs"]["EntityPath"] == f"{path}/{unit}/{first}"
    assert below["NumberOfServicesAccessible"] == whole["NumberOfServicesAccessible"] - 1
    alone = report(iam, f"{path}/{second}", SortKey="LAST_AUTHENTICATED_TIME_DESCENDING", MaxItems=2)
    assert alone["AccessDetails"][0]["ServiceNamespace"] == "sqs" and alone["IsTruncated"]
    policy = report(iam, path, policy=narrow)
    assert [d["ServiceNamespace"] for d in policy["AccessDetails"]] == ["s3", "sqs"]
    for wrong in (f"{organization}/{root}/{unit}/{second}", "o-aaaaaaaaaa/r-abcd"):
        assert report(iam, wrong)["JobStatus"] == "FAILED"
    assert report(own.client("iam", key=first), path)["JobStatus"] == "FAILED"
    with pytest.raises(ClientError) as caught:
        iam.get_organizations_access_report(JobId="0" * 36)
    assert caught.value.response["Error"]["Code"] == "NoSuchEntity"
    pages, marker = [], None
    job = iam.generate_organizations_access_report(EntityPath=path)["JobId"]
    while marker != "":
        page = iam.get_organizations_access_report(JobId=job, MaxItems=7, **({"Marker": marker} if marker else {}))
        pages += [d["ServiceNamespace"] for d in page["AccessDetails"]]
        marker = page.get("Marker", "")
    assert len(pages) == len(set(pages)) == whole["NumberOfServicesAccessible"] and pages == sorted(pages)
