"""A tiny server of the Runtime API, to try runtime interface clients without a cloud around them."""
import http.server
import json
import os
import queue
import subprocess
import threading
import time

from kumoniwa import wait_until


class RuntimeApi:
    """Gives out the events that invoke() is called with, one at a time, and takes what comes back."""

    def __init__(self):
        api = self
        self.waiting = queue.Queue()
        self.answers = queue.Queue()
        self.init_error = None
        self.asked = self.served = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def log_message(self, *_):
                pass

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def do_GET(self):
                api.asked += 1
                event = api.waiting.get()
                if event is None:
                    self.close_connection = True
                    return
                api.served += 1
                headers = {
                    "Lambda_Runtime_Aws_Request_Id": event["id"],
                    "Lambda_Runtime_Deadline_Ms": str(int(time.time() * 1000) + event["timeout_ms"]),
                    "Lambda_Runtime_Invoked_Function_Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
                    "Lambda_Runtime_Trace_Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
                    **event["headers"],
                }
                self.reply(200, event["body"], Content_Type="application/json", **headers)

            def body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0))), {}
                data, trailers = b"", {}
                while True:
                    size = int(self.rfile.readline().split(b";")[0], 16)
                    if size == 0:
                        break
                    data += self.rfile.read(size)
                    self.rfile.readline()
                while (line := self.rfile.readline().strip()):
                    name, _, value = line.decode().partition(":")
                    trailers[name.lower()] = value.strip()
                return data, trailers

            def do_POST(self):
                data, trailers = self.body()
                kind = self.path.rsplit("/", 1)[1]
                if "/init/" in self.path:
                    api.init_error = (json.loads(data), self.headers.get("Lambda-Runtime-Function-Error-Type"))
                    api.answers.put(("init", data, dict(self.headers), {}))
                else:
                    api.answers.put((kind, data, {k.lower(): v for k, v in self.headers.items()}, trailers))
                self.reply(202, b'{"status":"OK"}', Content_Type="application/json")

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.process = None
        self.count = 0

    def start(self, argv, task, handler="index.handler", **environment):
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=task,
            env={
                "AWS_LAMBDA_RUNTIME_API": self.address,
                "LAMBDA_TASK_ROOT": str(task),
                "_HANDLER": handler,
                "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
                "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]00",
                "PATH": os.environ["PATH"],
                "LANG": "en_US.UTF-8",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return self

    def invoke(self, event, timeout_ms=3000, wait=60, **headers):
        """(kind, JSON): kind is response or error, or init."""
        kind, data, _, _ = self.invoke_raw(json.dumps(event).encode(), timeout_ms, wait, **headers)
        return kind, json.loads(data) if data else None

    def invoke_raw(self, body, timeout_ms=3000, wait=60, **headers):
        self.count += 1
        self.waiting.put(
            {"id": "00000000-0000-4000-8000-%012d" % self.count, "timeout_ms": timeout_ms, "body": body, "headers": headers}
        )
        return self.answers.get(timeout=wait)

    def output(self):
        """Ends the runtime, which wants another event or has ended; all that it wrote."""
        wait_until(lambda: self.asked > self.served or self.process.poll() is not None, message="it works on")
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate()[0].decode()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.waiting.put(None)
        self.server.shutdown()
        self.server.server_close()
