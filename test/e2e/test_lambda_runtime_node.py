"""The Node.js runtime interface client against a Runtime API of the test's own."""
import base64
import json
import pathlib

import pytest

import runtime_api

CLIENT = pathlib.Path(__file__).resolve().parents[2] / "src/functions/runtimes/bootstrap.cjs"


@pytest.fixture
def start(tmp_path):
    made = []

    def begin(code, handler="index.handler", **environment):
        for name, text in (code if isinstance(code, dict) else {"index.js": code}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        api = runtime_api.RuntimeApi()
        made.append(api)
        return api.start(["/usr/bin/node", CLIENT], tmp_path, handler, **environment)

    yield begin
    for api in made:
        api.close()


def test_answers(start):
    api = start("exports.handler = async (event) => ({got: event, e: 'é'});")
    for event in ({}, {"a": [1, "ü", True]}, "text", None, 7):
        assert api.invoke(event) == ("response", {"got": event, "e": "é"})


def test_undefined_is_null(start):
    api = start("exports.handler = async () => undefined;")
    assert api.invoke({}) == ("response", None)


def test_large_events(start):
    api = start("exports.handler = async (event) => event;")
    event = {"x": "y" * 5_000_000}
    assert api.invoke(event) == ("response", event)


@pytest.mark.parametrize(
    "code, got",
    [
        ("exports.handler = (event, context, callback) => callback(null, 'c');", "c"),
        ("exports.handler = (event, context, callback) => { setTimeout(() => callback(null, 'later'), 20); };", "later"),
        ("exports.handler = (event, context) => context.succeed('s');", "s"),
        ("exports.handler = (event, context) => context.done(null, 'd');", "d"),
        ("exports.handler = () => 'ignored';", None),
        # B10: of several answers the first wins.
        ("exports.handler = async (event, context, callback) => { callback(null, 'first'); return 'second'; };", "first"),
        ("exports.handler = async (event, context) => { context.succeed('first'); return 'second'; };", "first"),
        ("exports.handler = async (event, context) => { context.done(null, event); };", {"who": "B10"}),
        ("exports.handler = async (e, c, callback) => { setTimeout(() => callback(null, 'late'), 30); return 'promise'; };", "promise"),
        ("exports.handler = (e, c, callback) => { callback(null, 1); callback(null, 2); c.fail('no'); };", 1),
    ],
)
def test_ways_to_answer(start, code, got):
    api = start(code)
    for _ in range(3):
        assert api.invoke({"who": "B10"}) == ("response", got)


@pytest.mark.parametrize(
    "code, kind, message",
    [
        ("exports.handler = async () => { throw new RangeError('boom'); };", "RangeError", "boom"),
        ("exports.handler = (e, c, callback) => callback(new Error('called'));", "Error", "called"),
        ("exports.handler = (e, c, callback) => callback('text');", "string", "text"),
        ("exports.handler = (e, c) => c.fail(new TypeError('failed'));", "TypeError", "failed"),
        ("exports.handler = () => { throw new Error('sync'); };", "Error", "sync"),
        ("exports.handler = async () => { const a = {}; a.a = a; return a; };", "Error", "Unable to stringify response body"),
    ],
)
def test_failures(start, code, kind, message):
    api = start(code)
    for _ in range(2):
        told, got = api.invoke({})
        assert (told, got["errorType"], got["errorMessage"]) == ("error", kind, message)
        assert isinstance(got["trace"], list)
    line = api.output().split("\n")[0].split("\t")
    assert line[1].startswith("00000000-") and line[2:4] == ["ERROR", "Invoke Error "]
    assert json.loads(line[4])["errorMessage"] == message


def test_empty_event_loop(start):
    code = (
        "let last = 0;\n"
        "exports.handler = (event, context, callback) => {\n"
        "  context.callbackWaitsForEmptyEventLoop = event.wait;\n"
        "  const before = last;\n  setTimeout(() => { last++; }, 150);\n  callback(null, before);\n};\n"
    )
    api = start(code)
    assert [api.invoke({"wait": True})[1] for _ in range(3)] == [0, 1, 2]
    assert [api.invoke({"wait": False})[1] for _ in range(2)] == [3, 3]


def test_context(start):
    api = start(
        "exports.handler = async (event, c) => [c.functionName, c.functionVersion, c.memoryLimitInMB, c.logGroupName,"
        " c.logStreamName, c.invokedFunctionArn, c.getRemainingTimeInMillis() > 2000, c.clientContext, c.identity,"
        " c.tenantId, c.callbackWaitsForEmptyEventLoop, process.env._X_AMZN_TRACE_ID];"
    )
    got = api.invoke(
        {},
        Lambda_Runtime_Client_Context=json.dumps({"custom": {"k": "v"}}),
        Lambda_Runtime_Cognito_Identity=json.dumps({"cognitoIdentityId": "id"}),
        Lambda_Runtime_Aws_Tenant_Id="blue",
    )[1]
    assert got == [
        "f", "$LATEST", "128", "/aws/lambda/f", "2026/11/21/[$LATEST]00",
        "arn:aws:lambda:us-east-1:000000000000:function:f", True, {"custom": {"k": "v"}}, {"cognitoIdentityId": "id"},
        "blue", True, "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "files, handler",
    [
        ({"index.mjs": "export const handler = async () => 'ok';"}, "index.handler"),
        ({"index.mjs": "const x = await 'ok'; export const handler = async () => x;"}, "index.handler"),
        ({"index.js": "export const handler = async () => 'ok';", "package.json": '{"type": "module"}'}, "index.handler"),
        ({"index.cjs": "exports.handler = async () => 'ok';"}, "index.handler"),
        ({"src/deep/api.js": "exports.a = {b: {c: async () => 'ok'}};"}, "src/deep/api.a.b.c"),
        ({"node_modules/lib/index.js": "exports.handler = async () => 'ok';"}, "lib.handler"),
        ({"index.mjs": "export default {handler: async () => 'ok'};"}, "index.handler"),
    ],
)
def test_modules(start, files, handler):
    assert start(files, handler).invoke({}) == ("response", "ok")


@pytest.mark.parametrize(
    "code, handler, kind, message",
    [
        ("", "nope.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nope'"),
        ("require('missing');", "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'missing'"),
        ("exports.x = 1;", "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ("exports.x = 1;", "index.x", "Runtime.HandlerNotFound", "index.x is not a function"),
        ("", "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ("", "../index.handler", "Runtime.MalformedHandlerName", "'../index.handler' is not a valid handler name."),
        ("function (", "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: Function statements require a function name"),
        ("throw new RangeError('at start')", "index.handler", "RangeError", "at start"),
    ],
)
def test_errors_of_the_start(start, code, handler, kind, message):
    api = start(code, handler)
    told, data, _, _ = api.answers.get(timeout=60)
    got = json.loads(data)
    assert told == "init" and got["errorType"] == kind and got["errorMessage"].startswith(message)
    assert api.process.wait(60) == 129
    assert "\tundefined\tERROR\tUncaught Exception \t{" in api.output()


def test_missing_esm_import(start):
    api = start({"index.mjs": "import x from 'missing'; export const handler = async () => x;"})
    got = json.loads(api.answers.get(timeout=60)[1])
    assert got["errorType"] == "Runtime.ImportModuleError"
    assert got["errorMessage"].startswith("Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'missing'")


@pytest.mark.parametrize(
    "code, kind, message, status",
    [
        ("exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise(r => setTimeout(r, 500)); };",
         "Runtime.UnhandledPromiseRejection", "Error: lost", 128),
        ("exports.handler = (e, c, cb) => { setTimeout(() => { throw new Error('thrown'); }, 5); };", "Error", "thrown", 129),
    ],
)  # fmt: skip
def test_nobody_catches(start, code, kind, message, status):
    api = start(code)
    told, got = api.invoke({})
    assert (told, got["errorType"], got["errorMessage"]) == ("error", kind, message)
    assert api.process.wait(60) == status


def test_console(start):
    api = start(
        "console.log('start');\n"
        "exports.handler = async () => { console.log('a %s', 'b'); console.warn('two\\nlines'); console.error(new Error('x').message);"
        " console.debug({a: 1}); };"
    )
    assert api.invoke({}) == ("response", None)
    lines = [line.split("\t") for line in api.output().split("\n") if line]
    assert [line[2:] for line in lines] == [["INFO", "start"], ["INFO", "a b"], ["WARN", "two\rlines"], ["ERROR", "x"], ["DEBUG", "{ a: 1 }"]]
    assert lines[0][1] == "undefined" and lines[1][1].startswith("00000000-")
    assert len(lines[0][0]) == 24


def test_json_console(start):
    api = start(
        "exports.handler = async () => { console.debug('no'); console.log('a %d', 7); console.log({k: 'v'});"
        " console.error('failed', new TypeError('why')); throw new Error('end'); };",
        AWS_LAMBDA_LOG_FORMAT="JSON",
        AWS_LAMBDA_LOG_LEVEL="INFO",
    )
    assert api.invoke({})[0] == "error"
    lines = [json.loads(line) for line in api.output().split("\n") if line]
    assert [line["level"] for line in lines] == ["INFO", "INFO", "ERROR", "ERROR"]
    assert lines[0]["message"] == "a 7" and lines[1]["message"] == {"k": "v"}
    assert lines[0]["requestId"].startswith("0000") and lines[0]["timestamp"].endswith("Z")
    assert (lines[2]["errorType"], lines[2]["errorMessage"]) == ("TypeError", "why") and lines[2]["stackTrace"]
    assert lines[3]["errorMessage"] == "end"


def test_streaming(start):
    api = start(
        "exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {\n"
        "  stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201, headers: {x: 'y'}});\n"
        "  for (let i = 0; i < 3; i++) { stream.write(`part ${i};`); await new Promise(r => setTimeout(r, 5)); }\n"
        "  stream.end();\n});"
    )
    for _ in range(2):
        kind, body, headers, trailers = api.invoke_raw(b"{}")
        prelude, rest = body.split(b"\0" * 8, 1)
        assert json.loads(prelude) == {"statusCode": 201, "headers": {"x": "y"}}
        assert (kind, rest, trailers) == ("response", b"part 0;part 1;part 2;", {})
        assert headers["lambda-runtime-function-response-mode"] == "streaming"
        assert headers["content-type"] == "application/vnd.awslambda.http-integration-response"


def test_streaming_failure(start):
    api = start(
        "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.setContentType('text/plain');"
        " stream.write('begun'); throw new RangeError('midway'); });"
    )
    kind, body, headers, trailers = api.invoke_raw(b"{}")
    assert (kind, body, headers["content-type"]) == ("response", b"begun", "text/plain")
    assert trailers["lambda-runtime-function-error-type"] == "RangeError"
    assert json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))["errorMessage"] == "midway"
    assert api.invoke_raw(b"{}")[1] == b"begun"


def test_streaming_much(start):
    api = start(
        "const { pipeline } = require('stream/promises'); const { Readable } = require('stream');\n"
        "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n"
        "  await pipeline(Readable.from((function* () { for (let i = 0; i < 200; i++) yield Buffer.alloc(65536, i); })()), stream);\n});"
    )
    body = api.invoke_raw(b"{}", wait=30)[1]
    assert len(body) == 200 * 65536 and body[65536 * 7] == 7


def test_no_callbacks_from_24_on(start):
    api = start("exports.handler = (e, c, callback) => callback(null, 1);", AWS_EXECUTION_ENV="AWS_Lambda_nodejs24.x")
    assert json.loads(api.answers.get(timeout=60)[1])["errorType"] == "Runtime.CallbackHandlerDeprecated"
    api = start("exports.handler = async (e, c) => typeof c.done;", AWS_EXECUTION_ENV="AWS_Lambda_nodejs24.x")
    assert api.invoke({}) == ("response", "undefined")


def test_exit(start):
    api = start("exports.handler = async () => process.exit(3);")
    api.waiting.put({"id": "1", "timeout_ms": 1000, "body": b"{}", "headers": {}})
    assert api.process.wait(60) == 3
