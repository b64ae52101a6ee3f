"""The Java runtime interface client against a Runtime API of the test's own."""
import json
import pathlib
import shutil
import subprocess

import pytest

import runtime_api

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src/functions/runtimes/java"
pytestmark = pytest.mark.skipif(not shutil.which("javac"), reason="no javac")

HANDLERS = """
package shop;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;

public class Handlers {
    public enum Colour { RED, GREEN }
    public static class Part { public String name; public int count; }
    public static class Order {
        private String id; private List<Part> parts; private Map<String, Double> prices; private Colour colour; private boolean paid;
        public String getId() { return id; }  public void setId(String v) { id = v; }
        public List<Part> getParts() { return parts; }  public void setParts(List<Part> v) { parts = v; }
        public Map<String, Double> getPrices() { return prices; }  public void setPrices(Map<String, Double> v) { prices = v; }
        public Colour getColour() { return colour; }  public void setColour(Colour v) { colour = v; }
        public boolean isPaid() { return paid; }  public void setPaid(boolean v) { paid = v; }
    }
    public static class Beans implements RequestHandler<Order, Order> {
        public Order handleRequest(Order order, Context context) { order.getParts().get(0).count++; return order; }
    }
    public static class Maps implements RequestHandler<Map<String, Object>, Map<String, Object>> {
        public Map<String, Object> handleRequest(Map<String, Object> event, Context context) { return event; }
    }
    public static class Texts implements RequestHandler<String, String> {
        public String handleRequest(String event, Context context) { return event + "!"; }
    }
    public static class Streams implements RequestStreamHandler {
        public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
            try (out) { out.write('"'); in.transferTo(out); out.write('"'); }
        }
    }
    public static class Records { private List<Map<String, String>> records;
        public List<Map<String, String>> getRecords() { return records; } public void setRecords(List<Map<String, String>> v) { records = v; } }
    public String bodies(Records event, Context context) { return event.getRecords().get(0).get("body"); }
    public int twice(int number) { return 2 * number; }
    public List<Integer> sizes(List<List<String>> lists) { List<Integer> out = new ArrayList<>(); for (List<String> one : lists) out.add(one.size()); return out; }
    public static Object about(Object event, Context c) {
        c.getLogger().log("logged\\n");
        return Arrays.asList(c.getFunctionName(), c.getFunctionVersion(), c.getMemoryLimitInMB(), c.getLogGroupName(), c.getInvokedFunctionArn(),
            c.getRemainingTimeInMillis() > 1000, c.getClientContext().getCustom(), c.getIdentity(), c.getTenantId());
    }
    public void nothing() {}
    public void fails(Object event) { deep(); }
    private void deep() { throw new IllegalStateException("boom", new RuntimeException("why")); }
    public void exits() { System.exit(3); }
    public void prints() { System.out.println("printed"); }
    public static class Broken { public Broken() { throw new IllegalArgumentException("at start"); } public void run() {} }
}
"""


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    made = tmp_path_factory.mktemp("java")
    client = made / "client"
    flags = ["javac", "--release", "11", "-nowarn", "-proc:none"]
    subprocess.run([*flags, "-d", client, *sorted(SOURCES.glob("*.java"))], check=True)
    (made / "Handlers.java").write_text(HANDLERS)
    subprocess.run([*flags, "-cp", client, "-d", made / "task", made / "Handlers.java"], check=True)
    return made


@pytest.fixture
def start(classes):
    made = []

    def begin(handler, **environment):
        api = runtime_api.RuntimeApi()
        made.append(api)
        java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}/task:{classes}/client"]
        return api.start([*java, "kumoniwa.Bootstrap"], classes / "task", handler, **environment)

    yield begin
    for api in made:
        api.close()


def test_beans(start):
    order = {"id": "7", "parts": [{"name": "wheel", "count": 3}], "prices": {"wheel": 1.5}, "colour": "GREEN", "paid": True}
    api = start("shop.Handlers$Beans")
    kind, got = api.invoke({**order, "unknown": 1})
    order["parts"][0]["count"] = 4
    assert (kind, got) == ("response", order)
    assert api.invoke({"parts": [{}]})[1] == {
        "id": None, "parts": [{"name": None, "count": 1}], "prices": None, "colour": None, "paid": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "handler, event, wanted",
    [
        ("shop.Handlers$Maps", {"a": [1, 2.5, None, True, "ü\n", {"b": 12345678901}]}, {"a": [1, 2.5, None, True, "ü\n", {"b": 12345678901}]}),
        ("shop.Handlers$Maps::handleRequest", {}, {}),
        ("shop.Handlers$Texts", "hi \U0001f600", "hi \U0001f600!"),
        ("shop.Handlers$Streams", 7, "7"),
        ("shop.Handlers::twice", 21, 42),
        ("shop.Handlers::sizes", [["a"], [], ["b", "c"]], [1, 0, 2]),
        ("shop.Handlers::bodies", {"Records": [{"body": "text"}]}, "text"),
        ("shop.Handlers::nothing", {}, None),
    ],
)
def test_forms(start, handler, event, wanted):
    api = start(handler)
    for _ in range(2):
        assert api.invoke(event) == ("response", wanted)


def test_context(start):
    api = start("shop.Handlers::about")
    got = api.invoke({}, Lambda_Runtime_Client_Context='{"custom": {"k": "v"}}', Lambda_Runtime_Aws_Tenant_Id="blue")[1]
    assert got == ["f", "$LATEST", 128, "/aws/lambda/f", "arn:aws:lambda:us-east-1:000000000000:function:f", True, {"k": "v"}, None, "blue"]
    assert api.output() == "logged\n"


def test_failure(start):
    api = start("shop.Handlers::fails")
    for _ in range(2):
        kind, got = api.invoke({})
        assert (kind, got["errorMessage"], got["errorType"]) == ("error", "boom", "java.lang.IllegalStateException")
        assert [line.split("(")[0] for line in got["stackTrace"]] == ["shop.Handlers.deep", "shop.Handlers.fails"]
        assert got["cause"]["errorMessage"] == "why"
    assert api.output().startswith("boom: java.lang.IllegalStateException\njava.lang.IllegalStateException: boom\n\tat shop.Handlers.deep(")


def test_what_does_not_fit(start):
    kind, got = start("shop.Handlers$Texts").invoke({"an": "object"})
    assert (kind, got["errorMessage"]) == ("error", "An error occurred during JSON parsing")


@pytest.mark.parametrize(
    "handler, kind, message",
    [
        ("shop.Nope", "java.lang.ClassNotFoundException", "Class not found: shop.Nope"),
        ("shop.Handlers::nope", "java.lang.NoSuchMethodException", "No public method named nope with appropriate method signature found on class class shop.Handlers"),
        ("shop.Handlers$Broken::run", "java.lang.IllegalArgumentException", "at start"),
        ("shop.Handlers", "java.lang.IllegalArgumentException", "Class shop.Handlers does not implement an appropriate handler interface"),
    ],
)  # fmt: skip
def test_errors_of_the_start(start, handler, kind, message):
    api = start(handler)
    told, data, _, _ = api.answers.get(timeout=60)
    got = json.loads(data)
    assert (told, got["errorType"], got["errorMessage"]) == ("init", kind, message)
    assert api.process.wait(60) == 1


def test_exit_and_prints(start):
    api = start("shop.Handlers::exits")
    api.waiting.put({"id": "1", "timeout_ms": 1000, "body": b"{}", "headers": {}})
    assert api.process.wait(60) == 3
    api = start("shop.Handlers::prints")
    assert api.invoke({}) == ("response", None)
    assert api.output() == "printed\n"
