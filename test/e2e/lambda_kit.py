"""Functions for tests: a role, code as a zip, a client that waits."""
import io
import json
import shutil
import subprocess
import zipfile

import pytest

import kumoniwa

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
LOGS = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}


def sandboxes_work(program=None):
    told = subprocess.run([str(program or kumoniwa.PROGRAM), "doctor"], capture_output=True, text=True, check=False).stdout
    return any(line.startswith("ok") and "sandbox" in line for line in told.splitlines())


needs_sandboxes = pytest.mark.skipif(not sandboxes_work(), reason="sandboxes do not work here: kumoniwa doctor")


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program}")


def zip_of(files):
    """{path: text or bytes} as a zip; everything may be executed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o755 << 16
            archive.writestr(info, data)
    return out.getvalue()


class Kit:
    """A cloud's Lambda, for one test."""

    def __init__(self, cloud, name):
        self.cloud = cloud
        self.client = cloud.client("lambda")
        self.name = name[-50:].strip("-")

    def role(self, *statements, name=None):
        iam = self.cloud.client("iam")
        name = name or self.name[-40:].strip("-") + "-role"
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        document = {"Version": "2012-10-17", "Statement": [LOGS, *statements]}
        iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=json.dumps(document))
        return arn

    def make(self, files, runtime="python3.12", handler="app.handler", name=None, role=None, statements=(), **more):
        name = name or self.name
        self.client.create_function(
            FunctionName=name,
            Role=role or self.role(*statements, name=name[-40:].strip("-") + "-role"),
            Code={"ZipFile": zip_of(files if isinstance(files, dict) else {"app.py": files})},
            **({"Runtime": runtime, "Handler": handler} if runtime else {}),
            **{"Timeout": 10, "MemorySize": 256, **more},
        )
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
        return name

    def invoke(self, event=None, name=None, **more):
        """(error or None, the payload)"""
        got = self.client.invoke(FunctionName=name or self.name, Payload=json.dumps(event), **more)
        text = got["Payload"].read()
        return got.get("FunctionError"), json.loads(text) if text else None


@pytest.fixture
def kit(cloud, name):
    return Kit(cloud, name)
