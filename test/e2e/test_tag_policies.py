"""Tag policies that are enforced, through boto3: each service refuses in its own words."""

import json

import pytest
from botocore.exceptions import ClientError

MASTER = "100000000001"
TEXT = "The tag policy does not allow the specified value for the following tag key: 'CostCenter'."
RULES = {
    "tags": {
        "costcenter": {
            "tag_key": {"@@assign": "CostCenter"},
            "tag_value": {"@@assign": ["100", "team-*"]},
            "enforced_for": {
                "@@assign": [
                    "sqs:queue", "dynamodb:ALL_SUPPORTED", "s3:bucket", "logs:log-group", "iam:ALL_SUPPORTED",
                    "cloudtrail:*", "organizations:ou",
                ]
            },
        }
    }
}  # fmt: skip
ASSUMED = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip


@pytest.fixture
def bound(own):
    """A cloud whose account MASTER has the rules."""
    org = own.client("organizations", key=MASTER)
    org.create_organization()
    root = org.list_roots()["Roots"][0]["Id"]
    org.enable_policy_type(RootId=root, PolicyType="TAG_POLICY")
    made = org.create_policy(Name="rules", Description="", Type="TAG_POLICY", Content=json.dumps(RULES))
    policy = made["Policy"]["PolicySummary"]["Id"]
    org.attach_policy(PolicyId=policy, TargetId=root)
    own.policy, own.root = policy, root
    return own


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    return error["Message"]


def tags(value, key="CostCenter"):
    return [{"Key": key, "Value": value}]


def test_sqs(bound):
    sqs = bound.client("sqs", key=MASTER)
    assert refused("InvalidParameterValue", sqs.create_queue, QueueName="q", tags={"CostCenter": "300"}) == TEXT
    url = sqs.create_queue(QueueName="q", tags={"CostCenter": "team-a"})["QueueUrl"]
    assert refused("InvalidParameterValue", sqs.tag_queue, QueueUrl=url, Tags={"CostCenter": "300"}) == TEXT
    wrong_case = refused("InvalidParameterValue", sqs.tag_queue, QueueUrl=url, Tags={"costCenter": "100"})
    assert wrong_case == TEXT.replace("CostCenter", "costCenter")
    sqs.tag_queue(QueueUrl=url, Tags={"CostCenter": "100", "other": "x"})
    sqs.create_queue(QueueName="untagged")
    org = bound.client("organizations", key=MASTER)
    org.detach_policy(PolicyId=bound.policy, TargetId=bound.root)
    sqs.tag_queue(QueueUrl=url, Tags={"CostCenter": "300"})


def test_dynamodb(bound):
    dynamodb = bound.client("dynamodb", key=MASTER)
    table = {
        "TableName": "table",
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    message = "One or more parameter values were invalid: " + TEXT
    assert refused("ValidationException", dynamodb.create_table, **table, Tags=tags("300")) == message
    arn = dynamodb.create_table(**table, Tags=tags("100"))["TableDescription"]["TableArn"]
    assert refused("ValidationException", dynamodb.tag_resource, ResourceArn=arn, Tags=tags("300")) == message
    dynamodb.tag_resource(ResourceArn=arn, Tags=tags("team-b"))


def test_s3(bound):
    s3 = bound.client("s3", key=MASTER)
    s3.create_bucket(Bucket="tagged-bucket")
    for bad in (tags("300"), tags("100") + tags("100", "COSTCENTER")):
        refused("TagPolicyException", s3.put_bucket_tagging, Bucket="tagged-bucket", Tagging={"TagSet": bad})
    s3.put_bucket_tagging(Bucket="tagged-bucket", Tagging={"TagSet": tags("100")})
    message = refused("TagPolicyException", s3.create_bucket, Bucket="another-bucket",
                      CreateBucketConfiguration={"Tags": tags("1")})  # fmt: skip
    assert message == TEXT
    # Objects are not among what enforcement knows.
    s3.put_object(Bucket="tagged-bucket", Key="k", Body=b"", Tagging="CostCenter=300")


def test_logs(bound):
    logs = bound.client("logs", key=MASTER)
    assert refused("InvalidParameterException", logs.create_log_group, logGroupName="g",
                   tags={"CostCenter": "300"}) == TEXT  # fmt: skip
    logs.create_log_group(logGroupName="g", tags={"CostCenter": "100"})
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    assert refused("InvalidParameterException", logs.tag_resource, resourceArn=arn, tags={"CostCenter": "1"}) == TEXT


def test_iam(bound):
    iam = bound.client("iam", key=MASTER)
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
    assert refused("InvalidInput", iam.create_policy, PolicyName="p", PolicyDocument=document,
                   Tags=tags("300")) == TEXT  # fmt: skip
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document, Tags=tags("100"))["Policy"]["Arn"]
    assert refused("InvalidInput", iam.tag_policy, PolicyArn=arn, Tags=tags("1")) == TEXT
    refused("InvalidInput", iam.create_instance_profile, InstanceProfileName="i", Tags=tags("1"))
    refused("InvalidInput", iam.create_virtual_mfa_device, VirtualMFADeviceName="m", Tags=tags("1"))
    # Users and roles are not among the types that AWS enforces on.
    iam.create_user(UserName="u", Tags=tags("300"))
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=ASSUMED, Tags=tags("300"))


def test_cloudtrail(bound):
    s3 = bound.client("s3", key=MASTER)
    s3.create_bucket(Bucket="trail-bucket")
    allowed = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:*",
             "Resource": ["arn:aws:s3:::trail-bucket", "arn:aws:s3:::trail-bucket/*"]},
        ],
    }  # fmt: skip
    s3.put_bucket_policy(Bucket="trail-bucket", Policy=json.dumps(allowed))
    trails = bound.client("cloudtrail", key=MASTER)
    message = refused("InvalidTagParameterException", trails.create_trail, Name="one", S3BucketName="trail-bucket",
                      TagsList=tags("300"))  # fmt: skip
    assert message == TEXT
    arn = trails.create_trail(Name="one", S3BucketName="trail-bucket", TagsList=tags("100"))["TrailARN"]
    refused("InvalidTagParameterException", trails.add_tags, ResourceId=arn, TagsList=tags("300"))


def test_organizations(bound):
    org = bound.client("organizations", key=MASTER)
    with pytest.raises(ClientError) as caught:
        org.create_organizational_unit(ParentId=bound.root, Name="u", Tags=tags("300"))
    assert caught.value.response["Error"]["Code"] == "ConstraintViolationException"
    assert caught.value.response["Reason"] == "TAG_POLICY_VIOLATION"
    org.create_organizational_unit(ParentId=bound.root, Name="u", Tags=tags("100"))
    refused("MalformedPolicyDocumentException", org.update_policy, PolicyId=bound.policy,
            Content=json.dumps({"tags": {"a": {"enforced_for": {"@@assign": ["iam:user"]}}}}))  # fmt: skip
