"""Organizations through boto3: scenarios B9 (tag policies), B12, B24 (many accounts), B25 (SCP)."""

import json

import pytest
from botocore.exceptions import ClientError

from accounts import new_account
from kumoniwa import wait_until

MASTER = "100000000001"


@pytest.fixture
def org(own):
    client = own.client("organizations", key=MASTER)
    client.create_organization()
    return client


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response


def test_an_organization_begins_and_ends(own):
    client = own.client("organizations", key=MASTER)
    refused("AWSOrganizationsNotInUseException", client.describe_organization)
    made = client.create_organization(FeatureSet="ALL")["Organization"]
    assert made["MasterAccountId"] == MASTER
    assert made["Arn"] == f"arn:aws:organizations::{MASTER}:organization/{made['Id']}"
    assert made["MasterAccountArn"] == f"arn:aws:organizations::{MASTER}:account/{made['Id']}/{MASTER}"
    assert client.describe_organization()["Organization"] == made
    refused("AlreadyInOrganizationException", client.create_organization)
    root = client.list_roots()["Roots"][0]
    assert root["Name"] == "Root" and root["PolicyTypes"] == []
    assert [a["Id"] for a in client.list_accounts()["Accounts"]] == [MASTER]
    own.kill()
    own.start()
    client = own.client("organizations", key=MASTER)
    assert client.describe_organization()["Organization"]["Id"] == made["Id"]
    client.delete_organization()
    refused("AWSOrganizationsNotInUseException", client.describe_organization)


def test_accounts_stand_in_units(org):
    root = org.list_roots()["Roots"][0]["Id"]
    prod = org.create_organizational_unit(ParentId=root, Name="prod", Tags=[{"Key": "a", "Value": "b"}])
    prod = prod["OrganizationalUnit"]
    assert prod["Id"].startswith("ou-" + root[2:] + "-")
    refused("DuplicateOrganizationalUnitException", org.create_organizational_unit, ParentId=root, Name="prod")
    refused("ParentNotFoundException", org.create_organizational_unit, ParentId="r-none", Name="x")
    status = new_account(org, "shop")
    assert status["State"] == "SUCCEEDED", status
    account = status["AccountId"]
    again = new_account(org, "other", email="SHOP@example.com")
    assert (again["State"], again["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert org.list_parents(ChildId=account)["Parents"] == [{"Id": root, "Type": "ROOT"}]
    refused("SourceParentNotFoundException", org.move_account, AccountId=account, SourceParentId=prod["Id"],
            DestinationParentId=root)  # fmt: skip
    org.move_account(AccountId=account, SourceParentId=root, DestinationParentId=prod["Id"])
    assert org.list_children(ParentId=prod["Id"], ChildType="ACCOUNT")["Children"] == [
        {"Id": account, "Type": "ACCOUNT"}
    ]
    shown = org.describe_account(AccountId=account)["Account"]
    assert shown["Paths"][0].endswith(f"/{root}/{prod['Id']}/{account}/")
    assert (shown["Status"], shown["JoinedMethod"], shown["Email"]) == ("ACTIVE", "CREATED", "shop@example.com")
    refused("OrganizationalUnitNotEmptyException", org.delete_organizational_unit, OrganizationalUnitId=prod["Id"])
    refused("OrganizationNotEmptyException", org.delete_organization)
    org.tag_resource(ResourceId=account, Tags=[{"Key": "cost", "Value": "1"}])
    assert org.list_tags_for_resource(ResourceId=account)["Tags"] == [{"Key": "cost", "Value": "1"}]
    org.remove_account_from_organization(AccountId=account)
    refused("AccountNotFoundException", org.describe_account, AccountId=account)
    org.delete_organizational_unit(OrganizationalUnitId=prod["Id"])
    refused("MasterCannotLeaveOrganizationException", org.leave_organization)


def test_units_nest_five_deep_and_pages_turn(org):
    parent = org.list_roots()["Roots"][0]["Id"]
    for i in range(25):
        org.create_organizational_unit(ParentId=parent, Name=f"unit-{i:02}")
    pages = org.get_paginator("list_organizational_units_for_parent").paginate(ParentId=parent)
    sizes = [len(page["OrganizationalUnits"]) for page in pages]
    assert sizes == [20, 5]
    for i in range(5):
        parent = org.create_organizational_unit(ParentId=parent, Name=f"deep-{i}")["OrganizationalUnit"]["Id"]
    error = refused("ConstraintViolationException", org.create_organizational_unit, ParentId=parent, Name="deeper")
    assert error["Reason"] == "OU_DEPTH_LIMIT_EXCEEDED"


def test_policies_are_attached_and_detached(org):
    root = org.list_roots()["Roots"][0]["Id"]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}
    made = org.create_policy(Name="no-sqs", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny))
    policy = made["Policy"]["PolicySummary"]
    refused("DuplicatePolicyException", org.create_policy, Name="no-sqs", Description="",
            Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny))  # fmt: skip
    refused("MalformedPolicyDocumentException", org.create_policy, Name="bad", Description="",
            Type="SERVICE_CONTROL_POLICY", Content="{}")  # fmt: skip
    refused("PolicyTypeNotEnabledException", org.attach_policy, PolicyId=policy["Id"], TargetId=root)
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    refused("PolicyTypeAlreadyEnabledException", org.enable_policy_type, RootId=root,
            PolicyType="SERVICE_CONTROL_POLICY")  # fmt: skip
    attached = org.list_policies_for_target(TargetId=MASTER, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert [p["Id"] for p in attached] == ["p-FullAWSAccess"]
    error = refused("ConstraintViolationException", org.detach_policy, PolicyId="p-FullAWSAccess", TargetId=MASTER)
    assert error["Reason"] == "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    org.attach_policy(PolicyId=policy["Id"], TargetId=root)
    refused("DuplicatePolicyAttachmentException", org.attach_policy, PolicyId=policy["Id"], TargetId=root)
    targets = org.list_targets_for_policy(PolicyId=policy["Id"])["Targets"]
    assert [(t["TargetId"], t["Type"], t["Name"]) for t in targets] == [(root, "ROOT", "Root")]
    refused("PolicyInUseException", org.delete_policy, PolicyId=policy["Id"])
    refused("InvalidInputException", org.update_policy, PolicyId="p-FullAWSAccess", Name="mine")
    org.detach_policy(PolicyId=policy["Id"], TargetId=root)
    refused("PolicyNotAttachedException", org.detach_policy, PolicyId=policy["Id"], TargetId=root)
    assert {p["Name"] for p in org.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]} == {
        "FullAWSAccess",
        "no-sqs",
    }
    org.delete_policy(PolicyId=policy["Id"])


def test_tag_policies_are_inherited(org):
    root = org.list_roots()["Roots"][0]["Id"]
    org.enable_policy_type(RootId=root, PolicyType="TAG_POLICY")
    refused("EffectivePolicyNotFoundException", org.describe_effective_policy, PolicyType="TAG_POLICY")

    def attach(name, content, target):
        made = org.create_policy(Name=name, Description="", Type="TAG_POLICY", Content=json.dumps(content))
        org.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)

    attach(
        "root",
        {
            "tags": {
                "costcenter": {
                    "tag_key": {"@@assign": "CostCenter", "@@operators_allowed_for_child_policies": ["@@none"]},
                    "tag_value": {"@@assign": ["100", "200"]},
                }
            }
        },
        root,
    )
    attach(
        "account",
        {"tags": {"costcenter": {"tag_key": {"@@assign": "COSTCENTER"},
                                 "tag_value": {"@@append": ["300"], "@@remove": ["100"]}}}},
        MASTER,
    )  # fmt: skip
    effective = org.describe_effective_policy(PolicyType="TAG_POLICY", TargetId=MASTER)["EffectivePolicy"]
    assert json.loads(effective["PolicyContent"]) == {
        "tags": {"costcenter": {"tag_key": "CostCenter", "tag_value": ["200", "300"]}}
    }


def test_accounts_are_invited(own, org):
    guest = own.client("organizations", key="200000000002")
    stranger = own.client("organizations", key="300000000003")
    asked = org.invite_account_to_organization(Target={"Id": "200000000002", "Type": "ACCOUNT"}, Notes="come")
    handshake = asked["Handshake"]
    assert handshake["State"] == "OPEN" and handshake["Action"] == "INVITE"
    refused("DuplicateHandshakeException", org.invite_account_to_organization,
            Target={"Id": "200000000002", "Type": "ACCOUNT"})  # fmt: skip
    refused("HandshakeNotFoundException", stranger.accept_handshake, HandshakeId=handshake["Id"])
    refused("AccessDeniedException", org.accept_handshake, HandshakeId=handshake["Id"])
    assert [h["Id"] for h in guest.list_handshakes_for_account()["Handshakes"]] == [handshake["Id"]]
    assert guest.accept_handshake(HandshakeId=handshake["Id"])["Handshake"]["State"] == "ACCEPTED"
    refused("HandshakeAlreadyInStateException", guest.accept_handshake, HandshakeId=handshake["Id"])
    refused("InvalidHandshakeTransitionException", org.cancel_handshake, HandshakeId=handshake["Id"])
    assert "200000000002" in {a["Id"] for a in org.list_accounts()["Accounts"]}
    refused("AccessDeniedException", guest.list_accounts)
    guest.leave_organization()
    again = org.invite_account_to_organization(Target={"Id": "200000000002", "Type": "ACCOUNT"})["Handshake"]
    assert guest.decline_handshake(HandshakeId=again["Id"])["Handshake"]["State"] == "DECLINED"


def test_administration_is_delegated(own, org):
    member = new_account(org, "security")["AccountId"]
    error = refused("ConstraintViolationException", org.register_delegated_administrator, AccountId=member,
                    ServicePrincipal="guardduty.amazonaws.com")  # fmt: skip
    assert error["Reason"] == "SERVICE_ACCESS_NOT_ENABLED"
    org.enable_aws_service_access(ServicePrincipal="guardduty.amazonaws.com")
    org.register_delegated_administrator(AccountId=member, ServicePrincipal="guardduty.amazonaws.com")
    refused("AccountAlreadyRegisteredException", org.register_delegated_administrator, AccountId=member,
            ServicePrincipal="guardduty.amazonaws.com")  # fmt: skip
    delegate = own.client("organizations", key=member)
    assert len(delegate.list_accounts()["Accounts"]) == 2
    assert [a["Id"] for a in org.list_delegated_administrators()["DelegatedAdministrators"]] == [member]
    services = org.list_delegated_services_for_account(AccountId=member)["DelegatedServices"]
    assert [s["ServicePrincipal"] for s in services] == ["guardduty.amazonaws.com"]
    refused("ConstraintViolationException", org.remove_account_from_organization, AccountId=member)
    org.deregister_delegated_administrator(AccountId=member, ServicePrincipal="guardduty.amazonaws.com")
    org.close_account(AccountId=member)
    wait_until(lambda: org.describe_account(AccountId=member)["Account"]["State"] == "SUSPENDED", message="it is not suspended")
    refused("AccountAlreadyClosedException", org.close_account, AccountId=member)


def enabled(org, kind="SERVICE_CONTROL_POLICY"):
    root = org.list_roots()["Roots"][0]["Id"]
    org.enable_policy_type(RootId=root, PolicyType=kind)
    return root


def made(org, name, kind="SERVICE_CONTROL_POLICY", **statement):
    document = {"Version": "2012-10-17", "Statement": [{"Resource": "*", **statement}]}
    policy = org.create_policy(Name=name, Description="", Type=kind, Content=json.dumps(document))
    return policy["Policy"]["PolicySummary"]["Id"]


def test_service_control_policies_bind_members_not_the_management_account(own, org):
    root = enabled(org)
    member = new_account(org, "bound")["AccountId"]
    org.attach_policy(PolicyId=made(org, "no-queues", Effect="Deny", Action="sqs:CreateQueue"), TargetId=root)
    bound = own.client("sqs", key=member)
    error = refused("AccessDenied", bound.create_queue, QueueName="q")
    assert error["Error"]["Message"] == (
        f"User: arn:aws:iam::{member}:root is not authorized to perform: sqs:CreateQueue on resource: "
        f"arn:aws:sqs:us-east-1:{member}:q with an explicit deny in a service control policy"
    )
    assert bound.list_queues().get("QueueUrls", []) == []
    own.client("sqs", key=MASTER).create_queue(QueueName="q")
    unit = org.create_organizational_unit(ParentId=root, Name="free")["OrganizationalUnit"]["Id"]
    org.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    refused("AccessDenied", bound.create_queue, QueueName="q")
    only = made(org, "only-s3", Effect="Allow", Action="s3:*")
    org.attach_policy(PolicyId=only, TargetId=unit)
    org.detach_policy(PolicyId="p-FullAWSAccess", TargetId=unit)
    error = refused("AccessDenied", bound.list_queues)
    assert "because no service control policy allows the sqs:ListQueues action" in error["Error"]["Message"]
    own.client("s3", key=member).list_buckets()


def test_resource_control_policies_bind_the_resource(own, org):
    root = enabled(org, "RESOURCE_CONTROL_POLICY")
    member = new_account(org, "owner")["AccountId"]
    queue = own.client("sqs", key=member).create_queue(QueueName="kept")["QueueUrl"]
    policy = {"Version": "2012-10-17",
              "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}  # fmt: skip
    own.client("sqs", key=member).set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    stranger = own.client("sqs", key="999999999999")
    stranger.send_message(QueueUrl=queue, MessageBody="hello")
    organization = org.describe_organization()["Organization"]["Id"]
    fence = made(org, "fence", kind="RESOURCE_CONTROL_POLICY", Effect="Deny", Principal="*", Action="sqs:*",
                 Condition={"StringNotEquals": {"aws:PrincipalOrgID": organization}})  # fmt: skip
    org.attach_policy(PolicyId=fence, TargetId=root)
    error = refused("AccessDenied", stranger.send_message, QueueUrl=queue, MessageBody="again")
    assert "with an explicit deny in a resource control policy" in error["Error"]["Message"]
    own.client("sqs", key=MASTER).send_message(QueueUrl=queue, MessageBody="of the family")


def test_a_member_account_is_reached_by_its_role(own, org):
    """B24: from the management account into a member's, as an administrator there; a stranger's account is not let in."""
    member = new_account(org, "team")["AccountId"]
    role = f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"
    iam = own.client("iam", key=MASTER)
    iam.create_user(UserName="admin")
    iam.attach_user_policy(UserName="admin", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="admin")["AccessKey"]
    sts = own.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    session = sts.assume_role(RoleArn=role, RoleSessionName="visit")["Credentials"]
    inside = {"key": session["AccessKeyId"], "secret": session["SecretAccessKey"], "token": session["SessionToken"]}
    assert own.client("sts", **inside).get_caller_identity()["Arn"] == (
        f"arn:aws:sts::{member}:assumed-role/OrganizationAccountAccessRole/visit"
    )
    queue = own.client("sqs", **inside).create_queue(QueueName="theirs")["QueueUrl"]
    assert f"/{member}/theirs" in queue
    other = own.client("iam", key="999999999999")
    other.create_user(UserName="stranger")
    other.attach_user_policy(UserName="stranger", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = other.create_access_key(UserName="stranger")["AccessKey"]
    stranger = own.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    refused("AccessDenied", stranger.assume_role, RoleArn=role, RoleSessionName="visit")


def test_all_features_are_enabled_with_everybodys_approval(own):
    org = own.client("organizations", key=MASTER)
    guest = own.client("organizations", key="200000000002")
    org.create_organization(FeatureSet="CONSOLIDATED_BILLING")
    new_account(org, "made")
    asked = org.invite_account_to_organization(Target={"Id": "200000000002", "Type": "ACCOUNT"})["Handshake"]["Id"]
    guest.accept_handshake(HandshakeId=asked)
    root = org.list_roots()["Roots"][0]["Id"]
    refused("PolicyTypeNotAvailableForOrganizationException", org.enable_policy_type, RootId=root,
            PolicyType="SERVICE_CONTROL_POLICY")  # fmt: skip
    refused("AccessDeniedException", guest.enable_all_features)
    parent = org.enable_all_features()["Handshake"]
    assert (parent["Action"], parent["State"]) == ("ENABLE_ALL_FEATURES", "REQUESTED")
    assert [p["Type"] for p in parent["Parties"]] == ["ORGANIZATION"]
    error = refused("HandshakeConstraintViolationException", org.enable_all_features)
    assert error["Reason"] == "ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION"
    error = refused("HandshakeConstraintViolationException", org.invite_account_to_organization,
                    Target={"Id": "300000000003", "Type": "ACCOUNT"})  # fmt: skip
    assert error["Reason"] == "INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES"
    refused("InvalidHandshakeTransitionException", org.accept_handshake, HandshakeId=parent["Id"])
    children = org.list_handshakes_for_organization(Filter={"ParentHandshakeId": parent["Id"]})["Handshakes"]
    assert [(c["Action"], c["Parties"][1]["Id"]) for c in children] == [("APPROVE_ALL_FEATURES", "200000000002")]
    listed = guest.list_handshakes_for_account(Filter={"ActionType": "APPROVE_ALL_FEATURES"})["Handshakes"]
    assert [h["Id"] for h in listed] == [children[0]["Id"]]
    refused("AccessDeniedException", org.accept_handshake, HandshakeId=children[0]["Id"])
    # Cancelled, it begins anew.
    assert org.cancel_handshake(HandshakeId=parent["Id"])["Handshake"]["State"] == "CANCELED"
    refused("InvalidHandshakeTransitionException", guest.accept_handshake, HandshakeId=children[0]["Id"])
    parent = org.enable_all_features()["Handshake"]
    child = guest.list_handshakes_for_account(Filter={"ParentHandshakeId": parent["Id"]})["Handshakes"][0]
    assert guest.accept_handshake(HandshakeId=child["Id"])["Handshake"]["State"] == "ACCEPTED"
    assert org.describe_handshake(HandshakeId=parent["Id"])["Handshake"]["State"] == "OPEN"
    assert org.describe_organization()["Organization"]["FeatureSet"] == "CONSOLIDATED_BILLING"
    assert org.accept_handshake(HandshakeId=parent["Id"])["Handshake"]["State"] == "ACCEPTED"
    assert org.describe_organization()["Organization"]["FeatureSet"] == "ALL"
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    error = refused("HandshakeConstraintViolationException", org.enable_all_features)
    assert error["Reason"] == "ORGANIZATION_ALREADY_HAS_ALL_FEATURES"
