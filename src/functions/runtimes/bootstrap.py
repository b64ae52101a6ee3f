"""The Python runtime interface client: asks the Runtime API for events and calls the handler.

Lean on purpose, since every cold start pays for it: sockets without the socket module, JSON by the
C parts of the json module, logging set up only when the function's code imports it. Behaviour:
"Building Lambda functions with Python", AWS Lambda Developer Guide. Started as
  python3 -S -s bootstrap.pyc RUNTIME SITE-PACKAGES...
"""
import _json
import _socket
import builtins
import os
import sys
import time

OWN = sys._getframe().f_code.co_filename
RUNTIME = sys.argv[1] if len(sys.argv) > 1 else "python%d.%d" % sys.version_info[:2]
TASK_ROOT = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
LOG_LEVEL = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "")
# Up to 3.11 AWS escapes all that is not ASCII; from 3.12 on it does not.
ASCII = RUNTIME in ("python3.6", "python3.7", "python3.8", "python3.9", "python3.10", "python3.11")


def set_paths(sites):
    """The order in which AWS looks: the function, its layers, the runtime, the language, the SDK."""
    given = [entry for entry in sys.path[1:]]
    layers = ["/opt/python/lib/%s/site-packages" % RUNTIME]
    actual = "/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2]
    if actual not in layers:
        layers.append(actual)
    sys.path[:] = [TASK_ROOT, *layers, "/opt/python", "/var/runtime", *given, *sites]
    sys.path_importer_cache.clear()


def leave(code=None):
    raise SystemExit(code)


# --- logs ---------------------------------------------------------------------------------------


class Log:
    """Where lines go that are one event each: frames on a descriptor of their own, or stdout."""

    current_id = None
    tenant = None

    def __init__(self):
        descriptor = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
        self.descriptor = int(descriptor) if descriptor.isdigit() else None

    # Level bits of a frame, 2 to 4.
    LEVELS = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "WARNING": 4, "ERROR": 5, "FATAL": 6, "CRITICAL": 6}

    def write(self, text, level=""):
        if self.descriptor is None:
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()
            return
        data = text.encode("utf-8", "backslashreplace")
        kind = (0xA55A0002 if JSON_LOGS else 0xA55A0003) | self.LEVELS.get(level, 0) << 2
        stamp = time.time_ns() // 1000
        frame = kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + stamp.to_bytes(8, "big") + data
        while frame:
            frame = frame[os.write(self.descriptor, frame):]

    def error(self, result):
        """An error that ends an invocation or the start, told in the function's log."""
        if JSON_LOGS:
            record = {"timestamp": stamp(time.time()), "log_level": "ERROR", **result}
            record["requestId"] = record.get("requestId") or self.current_id or ""
            self.write(to_json(record), "ERROR")
            return
        kind, message = result.get("errorType"), result.get("errorMessage")
        lines = ["[ERROR] %s: %s" % (kind, message) if kind and message else "[ERROR] %s" % (kind or message or "")]
        if result.get("stackTrace") is not None:
            lines.append("Traceback (most recent call last):")
            for entry in result["stackTrace"]:
                for line in entry.rstrip("\n").split("\n"):
                    text = line.lstrip(" ")
                    lines.append("\u00a0" * (len(line) - len(text)) + text)
        # One event on a stream of lines: AWS parts it by carriage returns.
        self.write(("\n" if self.descriptor is not None else "\r").join(lines), "ERROR")


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


LOG = Log()


class ImportWatch:
    """Sets modules up when they are imported first, by the function or what it uses."""

    def find_spec(self, name, path=None, target=None):
        set_up = WATCHED.pop(name, None)
        if set_up is None:
            return None
        import importlib.machinery

        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            set_up(module)

        spec.loader.exec_module = exec_module
        return spec


def set_up_endpoint(session):
    """botocore before 1.31 does not look at AWS_ENDPOINT_URL: there the cloud is found all the same."""
    import botocore

    version = [int(part) for part in botocore.__version__.split(".")[:2] if part.isdigit()]
    if version >= [1, 31]:
        return
    create = session.Session.create_client

    def create_client(self, service_name, region_name=None, api_version=None, use_ssl=True, verify=None,
                      endpoint_url=None, *args, **kwargs):
        if endpoint_url is None:
            own = "AWS_ENDPOINT_URL_" + service_name.upper().replace("-", "_").replace(" ", "_")
            endpoint_url = os.environ.get(own) or os.environ.get("AWS_ENDPOINT_URL")
        return create(self, service_name, region_name, api_version, use_ssl, verify, endpoint_url, *args, **kwargs)

    session.Session.create_client = create_client


STANDARD_ATTRIBUTES = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created"
    " msecs relativeCreated thread threadName processName process aws_request_id tenant_id taskName".split()
)


def set_up_logging(logging):
    logging.Formatter.converter = time.gmtime

    class JsonFormatter(logging.Formatter):
        def formatMessage(self, record):
            out = {
                "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
                "level": record.levelname,
                "message": record.message,
                "logger": record.name,
            }
            if record.stack_info:
                out["stackTrace"] = record.stack_info.split("\n")
            if record.exc_info:
                kind, error, trace = record.exc_info
                out["stackTrace"] = stack_of(trace)
                out["errorType"] = kind.__name__ if kind else None
                out["errorMessage"] = str(error)
                out["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
            if getattr(record, "aws_request_id", None):
                out["requestId"] = record.aws_request_id
            if getattr(record, "tenant_id", None):
                out["tenantId"] = record.tenant_id
            for key, value in record.__dict__.items():
                if key not in STANDARD_ATTRIBUTES and key not in out and key != "message" and key != "asctime":
                    out[key] = value
            import json

            return json.dumps(out, default=str, ensure_ascii=False)

        def format(self, record):
            record.message = record.getMessage()
            return self.formatMessage(record)

    class Handler(logging.Handler):
        def emit(self, record):
            LOG.write(self.format(record), record.levelname)

    class Filter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = LOG.current_id
            record.tenant_id = LOG.tenant
            return True

    handler = Handler()
    if JSON_LOGS:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
            )
        )
    handler.addFilter(Filter())
    root = logging.getLogger()
    levels = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
    if LOG_LEVEL in levels:
        root.setLevel(levels[LOG_LEVEL])
    root.addHandler(handler)


WATCHED = {"logging": set_up_logging, "botocore.session": set_up_endpoint}


# --- JSON ---------------------------------------------------------------------------------------


class ScannerSettings:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__


scan = _json.make_scanner(ScannerSettings)


def from_json(data):
    text = data.decode("utf-8")
    try:
        value, end = scan(text, len(text) - len(text.lstrip(" \t\n\r")))
        if end == len(text) or not text[end:].strip(" \t\n\r"):
            return value
    except (StopIteration, ValueError):
        pass
    import json  # for its words about what is wrong

    return json.loads(text)


def extra(value):
    """Decimals are numbers, as AWS writes them; nothing else beyond JSON is."""
    if type(value).__name__ == "Decimal" and type(value).__module__ == "decimal":
        if not value.is_finite():
            return float(value)
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def to_json(value):
    encode = _json.encode_basestring_ascii if ASCII else _json.encode_basestring
    try:
        return "".join(_json.make_encoder({}, extra, encode, None, ": ", ", ", False, False, True)(value, 0))
    except TypeError:
        import json  # another way of the C part in a later Python, or what cannot be written

        return json.dumps(value, default=extra, ensure_ascii=ASCII)


# --- the Runtime API ------------------------------------------------------------------------------


class Api:
    """One connection, kept."""

    def __init__(self, address):
        self.address = address
        host, _, port = address.rpartition(":")
        self.where = (host, int(port))
        self.socket = None
        self.left = b""
        self.next = ("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n" % address).encode()

    def connect(self):
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect(self.where)
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.left = b""

    def post_of(self, path, body, headers=""):
        return (
            "POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
            "Content-Length: %d\r\n%s\r\n" % (path, self.address, len(body), headers)
        ).encode("latin-1", "replace") + body

    def send(self, data):
        if self.socket is None:
            self.connect()
        self.socket.sendall(data)

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError("the Runtime API closed the connection")
        return got

    def receive(self):
        """Status, headers by lower-case name, body."""
        data = self.left
        end = data.find(b"\r\n\r\n")
        while end < 0:
            data += self.more()
            end = data.find(b"\r\n\r\n")
        lines = data[:end].decode("latin-1").split("\r\n")
        data = data[end + 4:]
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body, data = self.receive_chunks(data)
        else:
            length = int(headers.get("content-length", 0))
            if len(data) < length:
                parts, have = [data], len(data)
                while have < length:
                    parts.append(self.more())
                    have += len(parts[-1])
                data = b"".join(parts)
            body, data = data[:length], data[length:]
        self.left = data
        status = int(lines[0].split(" ", 2)[1])
        if headers.get("connection", "").lower() == "close":
            self.socket.close()
            self.socket = None
        return status, headers, body

    def receive_chunks(self, data):
        body = []
        while True:
            while b"\r\n" not in data:
                data += self.more()
            size, data = data.split(b"\r\n", 1)
            length = int(size.split(b";")[0], 16)
            while len(data) < length + 2:
                data += self.more()
            if length == 0:
                return b"".join(body), data[2:]
            body.append(data[:length])
            data = data[length + 2:]

    def error_of(self, path, result):
        kind = result.get("errorType") or "Unhandled"
        return self.post_of(
            path, to_json(result).encode("utf-8"), "Lambda-Runtime-Function-Error-Type: %s\r\n" % kind
        )


# --- errors -------------------------------------------------------------------------------------


class Fault(Exception):
    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace


def stack_of(trace):
    import linecache

    entries = []
    linecache.checkcache()
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != OWN:
            line = linecache.getline(code.co_filename, trace.tb_lineno, trace.tb_frame.f_globals).strip()
            entry = '  File "%s", line %d, in %s\n' % (code.co_filename, trace.tb_lineno, code.co_name)
            entries.append(entry + ("    %s\n" % line if line else ""))
        trace = trace.tb_next
    return entries


def result_of(error, request_id):
    if isinstance(error, Fault):
        message, kind, trace = error.message, error.kind, error.trace or []
    else:
        try:
            message = str(error)
        except Exception:
            message = "<unprintable %s object>" % type(error).__name__
        kind, trace = type(error).__name__, stack_of(error.__traceback__)
    return {"errorMessage": message, "errorType": kind, "requestId": request_id or "", "stackTrace": trace}


# --- the handler --------------------------------------------------------------------------------


def find_handler(name):
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name,
        )
    plain = module_name.replace("/", ".")
    if plain.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    try:
        __import__(plain)
        module = sys.modules[plain]
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error)
        ) from error
    except SyntaxError as error:
        where = '  File "%s" Line %s\n    %s\n' % (error.filename, error.lineno, (error.text or "").strip())
        raise Fault(
            "Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), [where]
        ) from error
    try:
        return getattr(module, function)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module_name)
        ) from None


class Identity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, given):
        self.cognito_identity_id = given.get("cognitoIdentityId")
        self.cognito_identity_pool_id = given.get("cognitoIdentityPoolId")

    def __repr__(self):
        return "CognitoIdentity([cognito_identity_id=%s,cognito_identity_pool_id=%s])" % (
            self.cognito_identity_id,
            self.cognito_identity_pool_id,
        )


class Client:
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

    def __init__(self, given):
        for name in self.__slots__:
            setattr(self, name, given.get(name))

    def __repr__(self):
        return "Client([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in self.__slots__)


class ClientContext:
    __slots__ = ("custom", "env", "client")

    def __init__(self, given):
        self.custom = given.get("custom")
        self.env = given.get("env")
        self.client = Client(given.get("client") or {})

    def __repr__(self):
        return "ClientContext([custom=%s,env=%s,client=%s])" % (self.custom, self.env, self.client)


class LambdaContext:
    def __init__(self, headers):
        environment = os.environ.get
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = environment("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        client = headers.get("lambda-runtime-client-context")
        self.client_context = (
            ClientContext(from_json(client.encode("latin-1"))) if client and client != "null" else None
        )
        identity = headers.get("lambda-runtime-cognito-identity")
        self.identity = Identity((identity and from_json(identity.encode("latin-1"))) or {})
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(int(self._epoch_deadline_time_in_ms - time.time() * 1000), 0)

    def log(self, message):
        LOG.write(str(message))

    def __repr__(self):
        names = (
            "aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version"
            " invoked_function_arn client_context identity tenant_id"
        ).split()
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in names)


def answer(api, handler, headers, body):
    """The request that tells how the invocation ended."""
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    LOG.current_id = request_id
    LOG.tenant = headers.get("lambda-runtime-aws-tenant-id")
    trace = headers.get("lambda-runtime-trace-id")
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    path = "invocation/%s/" % request_id
    try:
        try:
            event = from_json(body)
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error) from error
        result = handler(event, LambdaContext(headers))
        try:
            data = to_json(result).encode("utf-8")
        except Exception as error:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error) from error
        return api.post_of(path + "response", data)
    except Exception as error:
        failure = result_of(error, request_id)
        LOG.error(failure)
        return api.error_of(path + "error", failure)


def next_event(api):
    status, headers, body = api.receive()
    if status != 200:
        sys.stderr.write("The Runtime API answered %d when it was asked for an event.\n" % status)
        sys.exit(1)
    return headers, body


def serve(api, handler):
    api.send(api.next)
    while True:
        headers, body = next_event(api)
        request = answer(api, handler, headers, body)
        sys.stdout.flush()
        sys.stderr.flush()
        # Small answers and the wish for the next event travel together.
        together = len(request) < 32768 and api.socket is not None
        api.send(request + api.next if together else request)
        status, _, _ = api.receive()
        if status >= 400:
            LOG.write("LAMBDA_RUNTIME Failed to post handler success response. Http response code: %d." % status)
        if not together or api.socket is None:
            api.send(api.next)


def restore(api):
    """SnapStart's hooks, run where no snapshot is taken in between."""
    hooks = sys.modules.get("snapshot_restore_py")
    if hooks is not None:
        hooks.run_before_snapshot()
        hooks.run_after_restore()


def await_debugger(port):
    """`kumoniwa lambda invoke --debug`: the handler is imported once a debugger is there, so that it can stop anywhere."""
    try:
        import debugpy
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError",
            "Unable to import module 'debugpy': %s. To be debugged a function needs debugpy, in its code or in a layer"
            " (pip install debugpy -t python)" % error,
        ) from error
    debugpy.listen(("127.0.0.1", int(port)), in_process_debug_adapter=True)
    sys.stderr.write("Waiting for a debugger at 127.0.0.1:%s\n" % port)
    sys.stderr.flush()
    debugpy.wait_for_client()


def main():
    set_paths(sys.argv[2:])
    builtins.exit = builtins.quit = leave
    sys.stdout.reconfigure(line_buffering=True)
    sys.meta_path.insert(0, ImportWatch())
    api = Api(os.environ["AWS_LAMBDA_RUNTIME_API"])
    name = os.environ.get("_HANDLER", "")
    del sys.argv[1:]
    debug_port = os.environ.pop("KUMONIWA_DEBUG_PORT", None)
    try:
        if debug_port:
            await_debugger(debug_port)
        handler = find_handler(name)
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            restore(api)
    except Exception as error:
        failure = result_of(error, None)
        LOG.error(failure)
        api.send(api.error_of("init/error", failure))
        api.receive()
        sys.exit(1)
    serve(api, handler)


main()
