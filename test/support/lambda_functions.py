"""Functions for tests: zipped in memory, with a role that may do what the test says."""

import io
import json
import zipfile

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def zipped(**files):
    """An archive of NAME.py files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return out.getvalue()


def make_role(iam, name, *actions):
    """A role for functions; without actions it may everything."""
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]
    allow(iam, name, *actions)
    return role["Arn"]


def allow(iam, name, *actions):
    statement = {"Effect": "Allow", "Action": list(actions) or "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def make_function(client, name, role, code, **more):
    client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": zipped(index=code)},
        **more,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    return client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
