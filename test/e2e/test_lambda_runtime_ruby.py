"""The Ruby runtime interface client against a Runtime API of the test's own."""
import json
import pathlib

import pytest

import runtime_api

CLIENT = pathlib.Path(__file__).resolve().parents[2] / "src/functions/runtimes/bootstrap.rb"


@pytest.fixture
def start(tmp_path):
    made = []

    def begin(code, handler="app.handler", **environment):
        (tmp_path / "app.rb").write_text(code)
        api = runtime_api.RuntimeApi()
        made.append(api)
        return api.start(["/usr/bin/ruby", CLIENT], tmp_path, handler, **environment)

    yield begin
    for api in made:
        api.close()


def test_answers(start):
    api = start("def handler(event:, context:)\n  { got: event, e: 'é' }\nend\n")
    for event in ({}, {"a": [1, "ü", True]}, "text", None, 7, {"x": "y" * 1_000_000}):
        assert api.invoke(event) == ("response", {"got": event, "e": "é"})


def test_classes(start):
    api = start("module Shop\n  class Api\n    def self.run(event:, context:)\n      event\n    end\n  end\nend\n", "app.Shop::Api.run")
    assert api.invoke([1]) == ("response", [1])


def test_context(start):
    api = start(
        "def handler(event:, context:)\n"
        "  [context.function_name, context.function_version, context.memory_limit_in_mb, context.log_group_name,"
        " context.invoked_function_arn, context.get_remaining_time_in_millis > 2000, context.client_context,"
        " context.identity, context.tenant_id, ENV['_X_AMZN_TRACE_ID']]\nend\n"
    )
    got = api.invoke({}, Lambda_Runtime_Client_Context='{"custom": {"k": "v"}}', Lambda_Runtime_Aws_Tenant_Id="blue")[1]
    assert got == [
        "f", "$LATEST", "128", "/aws/lambda/f", "arn:aws:lambda:us-east-1:000000000000:function:f", True,
        {"custom": {"k": "v"}}, None, "blue", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
    ]  # fmt: skip


def test_failure(start):
    api = start("def deep\n  raise ArgumentError, 'boom'\nend\ndef handler(event:, context:)\n  deep\nend\n")
    for _ in range(2):
        kind, got = api.invoke({})
        assert (kind, got["errorType"], got["errorMessage"]) == ("error", "Function<ArgumentError>", "boom")
        assert [line.split(":")[1] for line in got["stackTrace"]] == ["2", "5"]


@pytest.mark.parametrize(
    "code, handler, kind, message",
    [
        ("", "nope.handler", "Init<LoadError>", "cannot load such file -- "),
        ("def handler(\n", "app.handler", "Init<SyntaxError>", ""),
        ("", "app", "Init<ArgumentError>", "Invalid handler app, must be of form"),
        ("", "app.Nothing.run", "Init<NameError>", "uninitialized constant Nothing"),
        ("raise 'at start'", "app.handler", "Init<RuntimeError>", "at start"),
    ],
)
def test_errors_of_the_start(start, code, handler, kind, message):
    api = start(code, handler)
    told, data, _, _ = api.answers.get(timeout=60)
    got = json.loads(data)
    assert told == "init" and got["errorType"] == kind and got["errorMessage"].startswith(message)
    assert api.process.wait(60) == 1


def test_logger(start):
    code = (
        "require 'logger'\nLOG = Logger.new($stdout)\n"
        "def handler(event:, context:)\n  LOG.info('hello')\n  LOG.warn { 'lazy' }\n  LOG.debug('d')\n  puts 'plain'\nend\n"
    )
    api = start(code)
    assert api.invoke({}) == ("response", None)
    lines = api.output().split("\n")
    assert lines[0].startswith("I, [") and " INFO -- 00000000-" in lines[0] and lines[0].endswith(": hello")
    assert lines[1].startswith("W, [") and lines[1].endswith(": lazy")
    assert lines[3] == "plain"
    api = start(code, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
    assert api.invoke({}) == ("response", None)
    lines = api.output().split("\n")
    assert [json.loads(line)["message"] for line in lines[:2]] == ["hello", "lazy"] and lines[2] == "plain"
