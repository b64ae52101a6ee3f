"""Lambda's control plane through boto3: waiters, pages, downloads, S3, conflicts."""
import base64
import hashlib
import io
import json
import os
import stat
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def archive(**files):
    """A zip archive; the names' underscores before an ending are dots."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "/").replace("_py", ".py"), text)
    return out.getvalue()


def code_of(error):
    return error.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def role(cloud):
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="lambda-api", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.put_role_policy(RoleName="lambda-api", PolicyName="may", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
    return arn


@pytest.fixture(scope="module")
def client(cloud):
    return cloud.client("lambda")


@pytest.fixture
def function(client, role, request):
    """A function that is active, under the test's name."""
    name = request.node.name[:60].replace("[", "-").replace("]", "")
    client.create_function(FunctionName=name, Runtime="python3.12", Role=role, Handler="a.h",
                           Code={"ZipFile": archive(a_py="def h(event, context): return event\n")})
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


def test_create_wait_get_and_download(client, role):
    code = archive(a_py="def h(event, context): return 1\n")
    made = client.create_function(
        FunctionName="api-create", Runtime="python3.12", Role=role, Handler="a.h", Code={"ZipFile": code},
        Description="d", Timeout=7, MemorySize=256, Environment={"Variables": {"STAGE": "test"}},
        Tags={"team": "a"}, EphemeralStorage={"Size": 1024}, Architectures=["x86_64"],
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/my/group"}, TracingConfig={"Mode": "Active"})
    assert made["State"] == "Pending"
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    client.get_waiter("function_active").wait(FunctionName="api-create")
    client.get_waiter("function_exists").wait(FunctionName="api-create")
    client.get_waiter("function_active_v2").wait(FunctionName="api-create")
    got = client.get_function(FunctionName=made["FunctionArn"])
    assert got["Configuration"]["State"] == "Active"
    assert got["Configuration"]["MemorySize"] == 256
    assert got["Configuration"]["Environment"] == {"Variables": {"STAGE": "test"}}
    assert got["Configuration"]["LoggingConfig"] == {
        "LogFormat": "JSON", "LogGroup": "/my/group", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    assert got["Tags"] == {"team": "a"}
    with urllib.request.urlopen(got["Code"]["Location"]) as reply:
        assert reply.headers["Content-Type"] == "application/zip"
        assert reply.read() == code
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(got["Code"]["Location"][:-3] + "AAA")
    assert error.value.code == 403
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="api-create", Runtime="python3.12", Role=role, Handler="a.h",
                               Code={"ZipFile": code})
    assert code_of(error) == "ResourceConflictException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert client.delete_function(FunctionName="api-create")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="api-create")


def test_code_from_s3_by_version(cloud, client, role):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="lambda-code")
    s3.put_bucket_versioning(Bucket="lambda-code", VersioningConfiguration={"Status": "Enabled"})
    first, second = archive(a_py="1"), archive(a_py="2")
    version = s3.put_object(Bucket="lambda-code", Key="c.zip", Body=first)["VersionId"]
    s3.put_object(Bucket="lambda-code", Key="c.zip", Body=second)
    made = client.create_function(FunctionName="api-s3", Runtime="python3.12", Role=role, Handler="a.h",
                                  Code={"S3Bucket": "lambda-code", "S3Key": "c.zip", "S3ObjectVersion": version})
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(first).digest()).decode()
    client.get_waiter("function_active_v2").wait(FunctionName="api-s3")
    updated = client.update_function_code(FunctionName="api-s3", S3Bucket="lambda-code", S3Key="c.zip")
    assert updated["CodeSha256"] == base64.b64encode(hashlib.sha256(second).digest()).decode()
    assert updated["LastUpdateStatus"] == "InProgress"
    client.get_waiter("function_updated").wait(FunctionName="api-s3")
    client.get_waiter("function_updated_v2").wait(FunctionName="api-s3")
    with pytest.raises(ClientError) as error:
        client.update_function_code(FunctionName="api-s3", S3Bucket="lambda-code", S3Key="none.zip")
    assert error.value.response["Error"]["Message"] == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
    with pytest.raises(ClientError) as error:
        client.update_function_code(FunctionName="api-s3", S3Bucket="no-such-bucket-here", S3Key="c.zip")
    assert "NoSuchBucket" in error.value.response["Error"]["Message"]


def test_large_code_and_the_limits(client, role):
    incompressible = os.urandom(40 * 1024 * 1024)
    code = archive(a_py="def h(event, context): return 1\n", data_bin=incompressible)
    made = client.create_function(FunctionName="api-large", Runtime="python3.12", Role=role, Handler="a.h",
                                  Code={"ZipFile": code})
    assert made["CodeSize"] == len(code)
    client.get_waiter("function_active_v2").wait(FunctionName="api-large")
    bomb = archive(a_py="", zeros_bin=bytes(262144001))
    with pytest.raises(ClientError) as error:
        client.update_function_code(FunctionName="api-large", ZipFile=bomb)
    assert error.value.response["Error"]["Message"] == "Unzipped size must be smaller than 262144000 bytes"
    with pytest.raises(ClientError) as error:
        client.update_function_code(FunctionName="api-large", ZipFile=code + os.urandom(12 * 1024 * 1024))
    assert code_of(error) == "RequestEntityTooLargeException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    client.delete_function(FunctionName="api-large")


def test_paginators(client, role):
    code = {"ZipFile": archive(a_py="1")}
    for i in range(7):
        client.create_function(FunctionName=f"page-{i}", Runtime="python3.12", Role=role, Handler="a.h", Code=code)
    pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3})
    names = [f["FunctionName"] for page in pages for f in page["Functions"]]
    assert [n for n in names if n.startswith("page-")] == [f"page-{i}" for i in range(7)]
    client.get_waiter("function_active_v2").wait(FunctionName="page-0")
    for i in range(5):
        client.update_function_configuration(FunctionName="page-0", Timeout=10 + i)
        client.get_waiter("function_updated_v2").wait(FunctionName="page-0", WaiterConfig={"Delay": 0.15})
        client.publish_version(FunctionName="page-0")
    pages = client.get_paginator("list_versions_by_function").paginate(
        FunctionName="page-0", PaginationConfig={"PageSize": 2})
    versions = [v["Version"] for page in pages for v in page["Versions"]]
    assert versions == ["$LATEST", "1", "2", "3", "4", "5"]
    for i in range(5):
        client.create_alias(FunctionName="page-0", Name=f"a{i}", FunctionVersion=str(i + 1))
    pages = client.get_paginator("list_aliases").paginate(FunctionName="page-0", PaginationConfig={"PageSize": 2})
    assert [a["Name"] for page in pages for a in page["Aliases"]] == [f"a{i}" for i in range(5)]
    for i in range(7):
        client.delete_function(FunctionName=f"page-{i}")


def test_functions_survive_a_kill(make_cloud, tmp_path):
    cloud = make_cloud()
    cloud.start()
    role = cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    client = cloud.client("lambda")
    code = archive(a_py="def h(event, context): return event\n")
    client.create_function(FunctionName="f", Runtime="python3.12", Role=role, Handler="a.h", Code={"ZipFile": code})
    cloud.kill()
    folders = list(tmp_path.rglob("functions/code/*"))
    assert len(folders) == 1
    for path in folders[0].iterdir():  # what is unpacked may be lost
        path.unlink()
    folders[0].rmdir()
    cloud.start()
    client = cloud.client("lambda")
    got = client.get_function(FunctionName="f")
    with urllib.request.urlopen(got["Code"]["Location"]) as reply:
        assert reply.read() == code
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    assert client.get_account_settings()["AccountUsage"] == {"TotalCodeSize": len(code), "FunctionCount": 1}


def test_hot_reload_names_a_folder(client, role, tmp_path):
    (tmp_path / "a.py").write_text("def h(event, context): return 1\n")
    os.chmod(tmp_path, stat.S_IRWXU | stat.S_IROTH | stat.S_IXOTH | stat.S_IRGRP | stat.S_IXGRP)
    made = client.create_function(FunctionName="api-hot", Runtime="python3.12", Role=role, Handler="a.h",
                                  Code={"S3Bucket": "hot-reload", "S3Key": str(tmp_path)})
    assert made["CodeSize"] == 0
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="api-hot-2", Runtime="python3.12", Role=role, Handler="a.h",
                               Code={"S3Bucket": "hot-reload", "S3Key": "relative"})
    assert code_of(error) == "InvalidParameterValueException"
    client.delete_function(FunctionName="api-hot")


def test_images_must_be_here(client, role):
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="api-image", Role=role, PackageType="Image",
                               Code={"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1"})
    assert "Provide a valid source image" in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as error:
        client.create_function(FunctionName="api-image", Role=role, PackageType="Image", Handler="a.h",
                               Runtime="python3.12", Code={"ImageUri": "oci:/x"})
    assert error.value.response["Error"]["Message"] == (
        "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.")


def test_what_is_not_built_says_so(client, role, function):
    for members in ({"FileSystemConfigs": [{
            "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
            "LocalMountPath": "/mnt/x"}]},
            {"DurableConfig": {"ExecutionTimeout": 60}}):
        with pytest.raises(ClientError) as error:
            client.update_function_configuration(FunctionName=function, **members)
        assert code_of(error) == "NotImplemented"
        assert list(members)[0] in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as error:
        client.list_capacity_providers()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_layers_end_up_in_the_function(cloud, client, role, function):
    one = client.publish_layer_version(LayerName="one", Content={"ZipFile": archive(python__shared_py="WHO = 'one'")},
                                       CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64"])
    two = client.publish_layer_version(LayerName="two", Content={"ZipFile": archive(python__shared_py="WHO = 'two'")})
    with urllib.request.urlopen(one["Content"]["Location"]) as reply:
        assert zipfile.ZipFile(io.BytesIO(reply.read())).namelist() == ["python/shared.py"]
    updated = client.update_function_configuration(
        FunctionName=function, Layers=[one["LayerVersionArn"], two["LayerVersionArn"]])
    assert [layer["Arn"] for layer in updated["Layers"]] == [one["LayerVersionArn"], two["LayerVersionArn"]]
    pages = client.get_paginator("list_layers").paginate(CompatibleRuntime="python3.12")
    assert [layer["LayerName"] for page in pages for layer in page["Layers"]] == ["one"]
    client.delete_layer_version(LayerName="one", VersionNumber=1)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    got = client.get_function_configuration(FunctionName=function)
    assert len(got["Layers"]) == 2


def test_users_have_what_their_policies_say(cloud, client, role, function):
    iam = cloud.client("iam")
    iam.create_user(UserName="lambda-dev")
    key = iam.create_access_key(UserName="lambda-dev")["AccessKey"]
    theirs = cloud.client("lambda", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(ClientError) as error:
        theirs.get_function(FunctionName=function)
    assert code_of(error) == "AccessDeniedException"
    arn = client.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    iam.put_user_policy(UserName="lambda-dev", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["lambda:GetFunction", "lambda:CreateFunction"], "Resource": "*"}]}))
    assert theirs.get_function(FunctionName=function)["Configuration"]["FunctionArn"] == arn
    with pytest.raises(ClientError) as error:
        theirs.create_function(FunctionName="theirs", Runtime="python3.12", Role=role, Handler="a.h",
                               Code={"ZipFile": archive(a_py="1")})
    assert "iam:PassRole" in error.value.response["Error"]["Message"]
