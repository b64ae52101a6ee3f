"""Lambda by the AWS CLI, as the Developer Guide's tutorials use it: "Create your first Lambda function", "Using AWS
Lambda with the AWS Command Line Interface"."""
import json
import zipfile

from test_cli import aws  # noqa: F401, a fixture

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def test_from_zip_to_invocation(aws, name, tmp_path):  # noqa: F811
    (tmp_path / "index.py").write_text("def handler(event, context):\n    return {'got': event['key']}\n")
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as made:
        made.write(tmp_path / "index.py", "index.py")
    role = aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", TRUST)["Role"]["Arn"]
    made = aws("lambda", "create-function", "--function-name", name, "--zip-file", f"fileb://{tmp_path}/function.zip",
               "--handler", "index.handler", "--runtime", "python3.11", "--role", role,
               "--environment", "Variables={STAGE=test}", "--tags", "team=a")
    assert made["State"] == "Pending" and made["Environment"]["Variables"] == {"STAGE": "test"}
    aws("lambda", "wait", "function-active", "--function-name", name)
    assert name in [f["FunctionName"] for f in aws("lambda", "list-functions", "--max-items", "500")["Functions"]]
    aws("lambda", "update-function-configuration", "--function-name", name, "--timeout", "9", "--memory-size", "256")
    aws("lambda", "wait", "function-updated", "--function-name", name)
    assert aws("lambda", "get-function", "--function-name", name)["Configuration"]["Timeout"] == 9
    aws("lambda", "update-function-code", "--function-name", name, "--zip-file", f"fileb://{tmp_path}/function.zip",
        "--publish")
    aws("lambda", "create-alias", "--function-name", name, "--name", "live", "--function-version", "1")
    assert aws("lambda", "list-versions-by-function", "--function-name", name)["Versions"][1]["Version"] == "1"
    aws("lambda", "put-function-concurrency", "--function-name", name, "--reserved-concurrent-executions", "5")
    assert aws("lambda", "get-function-concurrency", "--function-name", name) == {"ReservedConcurrentExecutions": 5}
    (tmp_path / "in.json").write_text('{"key": "v"}')
    reply = aws("lambda", "invoke", "--function-name", name, "--payload", f"fileb://{tmp_path}/in.json",
                str(tmp_path / "out.json"))
    assert reply["StatusCode"] == 200
    assert json.loads((tmp_path / "out.json").read_text()) == {"got": "v"}
    aws("lambda", "delete-function", "--function-name", name)
    assert "ResourceNotFoundException" in aws("lambda", "get-function", "--function-name", name, fails=True)


def test_permissions_layers_and_tags(aws, name, tmp_path):  # noqa: F811
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as made:
        made.writestr("python/x.py", "1\n")
    role = aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", TRUST)["Role"]["Arn"]
    layer = aws("lambda", "publish-layer-version", "--layer-name", name, "--zip-file", f"fileb://{tmp_path}/code.zip",
                "--compatible-runtimes", "python3.11", "python3.12")
    made = aws("lambda", "create-function", "--function-name", name, "--zip-file", f"fileb://{tmp_path}/code.zip",
               "--handler", "x.y", "--runtime", "python3.11", "--role", role, "--layers", layer["LayerVersionArn"])
    assert made["Layers"][0]["Arn"] == layer["LayerVersionArn"]
    aws("lambda", "add-permission", "--function-name", name, "--statement-id", "skill", "--action",
        "lambda:InvokeFunction", "--principal", "alexa-appkit.amazon.com", "--event-source-token", "amzn1.ask.skill.x")
    policy = json.loads(aws("lambda", "get-policy", "--function-name", name)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask.skill.x"}}
    aws("lambda", "tag-resource", "--resource", made["FunctionArn"], "--tags", "a=b,c=d")
    aws("lambda", "untag-resource", "--resource", made["FunctionArn"], "--tag-keys", "a")
    assert aws("lambda", "list-tags", "--resource", made["FunctionArn"])["Tags"] == {"c": "d"}
    aws("lambda", "remove-permission", "--function-name", name, "--statement-id", "skill")
    aws("lambda", "delete-layer-version", "--layer-name", name, "--version-number", str(layer["Version"]))
    aws("lambda", "delete-function", "--function-name", name)
