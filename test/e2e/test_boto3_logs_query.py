"""Logs Insights and metric filters through boto3 and the AWS CLI."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from kumoniwa import wait_until

DEBIAN = "/usr/bin/aws"


@pytest.fixture
def logs(cloud):
    return cloud.client("logs")


def now():
    return int(time.time() * 1000)


def make(logs, group, *streams):
    logs.create_log_group(logGroupName=group)
    for stream in streams:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)


def fill(logs, group, stream, count, base):
    """Events of one second each, a thousand a call."""
    for start in range(0, count, 1000):
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[
            {"timestamp": base + i, "message": json.dumps({
                "n": i, "status": 500 if i % 100 == 0 else 200, "path": f"/{i % 7}", "who": {"id": i % 13}})}
            for i in range(start, min(count, start + 1000))])


def query(logs, text, base, groups, **more):
    return logs.start_query(logGroupNames=groups, startTime=base // 1000 - 1, endTime=base // 1000 + 3600,
                            queryString=text, **more)["queryId"]


def ended(logs, query_id):
    def come():
        found = logs.get_query_results(queryId=query_id)
        return found["status"] not in ("Scheduled", "Running") and found

    return wait_until(come, message="the query does not end")


def rows(found):
    return [{field["field"]: field["value"] for field in row if field["field"] != "@ptr"} for row in found["results"]]


def test_queries_over_groups(logs, name):
    base = now() - 600000
    make(logs, name + "-a", "s")
    make(logs, name + "-b", "s", "t")
    fill(logs, name + "-a", "s", 20000, base)
    fill(logs, name + "-b", "t", 3000, base)
    groups = [name + "-a", name + "-b"]
    found = ended(logs, query(logs, "filter status = 500 | stats count(*) as n by path | sort path asc", base, groups))
    assert found["status"] == "Complete"
    assert sum(int(row["n"]) for row in rows(found)) == 230
    assert [row["path"] for row in rows(found)] == [f"/{i}" for i in range(7)]
    assert found["statistics"]["recordsScanned"] == 23000 and found["statistics"]["recordsMatched"] == 230
    found = ended(logs, query(logs, "stats count_distinct(who.id) as ids, pct(n, 99) as p by @log | sort p desc",
                              base, groups))
    assert [row["ids"] for row in rows(found)] == ["13", "13"]
    assert abs(float(rows(found)[0]["p"]) - 19800) < 110
    found = ended(logs, query(logs, "fields n, @logStream | sort n desc | limit 3", base, groups))
    assert rows(found) == [{"n": str(n), "@logStream": "s"} for n in (19999, 19998, 19997)]
    pointer = found["results"][0][-1]
    assert pointer["field"] == "@ptr"
    record = logs.get_log_record(logRecordPointer=pointer["value"])["logRecord"]
    assert record["who.id"] == str(19999 % 13) and record["@logStream"] == "s"
    found = ended(logs, query(logs, "fields n", base, groups))
    assert len(found["results"]) == 10000
    with pytest.raises(logs.exceptions.MalformedQueryException) as failed:
        query(logs, "fields n | sorrt n", base, groups)
    assert failed.value.response["queryCompileError"]["location"]["startCharOffset"] == 11
    ids = {one["queryId"] for one in logs.describe_queries(logGroupName=name + "-a")["queries"]}
    assert len(ids) == 4
    for group in groups:
        logs.delete_log_group(logGroupName=group)


@pytest.mark.parametrize("command", [DEBIAN, str(pathlib.Path(sys.executable).parent / "aws")], ids=["v2", "v1"])
def test_query_through_the_cli(cloud, logs, name, command):
    if not os.access(command, os.X_OK):
        pytest.skip(f"{command} is not installed")
    base = now() - 60000
    make(logs, name, "s")
    fill(logs, name, "s", 50, base)

    def aws(*words):
        done = subprocess.run([command, "--endpoint-url", cloud.endpoint, "logs", *words], check=False, timeout=60,
                              env=cloud.client_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    query_id = aws("start-query", "--log-group-name", name, "--start-time", str(base // 1000 - 10), "--end-time",
                   str(base // 1000 + 60), "--query-string", "stats max(n) as most")["queryId"]

    def complete():
        found = aws("get-query-results", "--query-id", query_id)
        return found["status"] == "Complete" and found

    assert wait_until(complete, message="the query does not end")["results"] == [[{"field": "most", "value": "49"}]]


def test_killed_in_the_middle(own, name):
    logs = own.client("logs")
    base = now() - 600000
    make(logs, name, "s")
    fill(logs, name, "s", 60000, base)
    text = "parse @message /(?<one>[0-9]+).*(?<two>[0-9])/ | stats count(*) as n by two | sort n desc | limit 100"
    ids = [query(logs, text, base, [name]) for _ in range(4)]
    own.kill()
    own.start()
    logs = own.client("logs")
    for query_id in ids:
        found = ended(logs, query_id)
        assert found["status"] == "Complete" and sum(int(row["n"]) for row in rows(found)) == 60000


def test_stop(logs, name):
    base = now() - 600000
    make(logs, name, "s")
    fill(logs, name, "s", 30000, base)
    ids = [query(logs, "parse @message /(a*)*b|(?<x>[0-9]+)/ | stats count(*) by x, @message", base, [name])
           for _ in range(6)]
    assert logs.stop_query(queryId=ids[-1])["success"]
    assert logs.get_query_results(queryId=ids[-1])["status"] == "Cancelled"
    for query_id in ids[:-1]:
        assert ended(logs, query_id)["status"] in ("Complete", "Failed")


def metrics(cloud):
    return cloud.get("/_kumoniwa/logs/metrics")[1]["Metrics"]


def test_metric_filter(cloud, logs, name):
    make(logs, name, "s")
    logs.put_metric_filter(logGroupName=name, filterName="errors", filterPattern="{ $.status = 500 }",
                           metricTransformations=[{"metricName": "Errors", "metricNamespace": name, "metricValue": "1",
                                                   "dimensions": {"Path": "$.path"}}])
    fill(logs, name, "s", 1000, now() - 1000)
    wait_until(lambda: sum(one["Sum"] for one in metrics(cloud) if one["Namespace"] == name) >= 10, message="values are missing")
    mine = [one for one in metrics(cloud) if one["Namespace"] == name]
    assert sum(one["SampleCount"] for one in mine) == 10 and len({one["Dimensions"]["Path"] for one in mine}) == 7
    (filter_,) = logs.describe_metric_filters(metricName="Errors", metricNamespace=name)["metricFilters"]
    assert filter_["logGroupName"] == name
