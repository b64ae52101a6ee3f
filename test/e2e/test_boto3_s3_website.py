"""Static websites and pages of other origins: configured through boto3, seen as a browser sees them."""

import http.client
import json
import pathlib
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError


def fails(status, code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    return answer["Error"].get("Message")


@pytest.fixture
def site(s3, bucket):
    """Public, with an index and an error document."""
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_website(
        Bucket=bucket,
        WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "oops.html"}},
    )
    for key, body in {"index.html": b"home", "docs/index.html": b"docs", "a b.txt": b"blank", "oops.html": b"oops"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/html")
    return bucket


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read().decode()


def ask(cloud, path, host=None, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    plain = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers={**({"Host": host} if host else {}), **plain})
    return Answer(connection.getresponse())


HOSTS = (
    "{}.s3-website.localhost:4566",
    "{}.s3-website.localhost.localstack.cloud:4566",
    "{}.s3-website.us-east-1.localhost.localstack.cloud:4566",
    "{}.s3-website-us-east-1.amazonaws.com",
    "{}.s3-website.eu-central-1.amazonaws.com",
)


@pytest.mark.parametrize("host", HOSTS)
def test_pages_by_host(cloud, site, host):
    host = host.format(site)
    home = ask(cloud, "/", host)
    assert (home.status, home.body, home.headers["content-type"]) == (200, "home", "text/html")
    assert ask(cloud, "/index.html", host).body == "home"
    assert ask(cloud, "/docs/", host).body == "docs"
    assert ask(cloud, "/a%20b.txt", host).body == "blank"
    folder = ask(cloud, "/docs", host)
    assert (folder.status, folder.headers["location"]) == (302, "/docs/")
    assert (folder.headers["x-amz-error-code"], folder.headers["x-amz-error-message"]) == ("Found", "Resource Found")
    assert "<h1>302 Moved Temporarily</h1>" in folder.body and "<li>Code: Found</li>" in folder.body
    missing = ask(cloud, "/none", host)
    assert (missing.status, missing.body) == (403, "oops")  # nobody may list, so that nobody is told
    assert missing.headers["x-amz-error-code"] == "AccessDenied"
    head = ask(cloud, "/", host, "HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, "4", "")
    etag = home.headers["etag"]
    assert ask(cloud, "/", host, If_None_Match=etag).status == 304
    assert ask(cloud, "/", host, Range="bytes=1-2").body == "om"


def test_pages_by_path(cloud, site):
    base = f"/_kumoniwa/website/{site}"
    assert ask(cloud, base).body == "home"
    assert ask(cloud, base + "/").body == "home"
    assert ask(cloud, base + "/docs/").body == "docs"
    folder = ask(cloud, base + "/docs")
    assert (folder.status, folder.headers["location"]) == (302, base + "/docs/")


def test_errors(cloud, s3, bucket, site):
    host = f"{site}.s3-website.localhost"
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{site}/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{site}"},
    ]
    s3.put_bucket_policy(Bucket=site, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    answer = ask(cloud, "/none", host)
    assert (answer.status, answer.body) == (404, "oops")
    assert answer.headers["x-amz-error-code"] == "NoSuchKey"
    s3.delete_object(Bucket=site, Key="oops.html")
    answer = ask(cloud, "/no<ne", host)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>404 Not Found</title>" in answer.body and "<li>Code: NoSuchKey</li>" in answer.body
    assert "<li>Key: no&lt;ne</li>" in answer.body
    assert "An Error Occurred While Attempting to Retrieve a Custom Error Document" in answer.body
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert "Custom Error" not in ask(cloud, "/none", host).body
    s3.delete_bucket_policy(Bucket=site)
    answer = ask(cloud, "/", host)
    assert answer.status == 403 and "<li>Code: AccessDenied</li>" in answer.body
    s3.delete_bucket_website(Bucket=site)
    answer = ask(cloud, "/", host)
    assert answer.status == 404 and "<li>Code: NoSuchWebsiteConfiguration</li>" in answer.body
    assert "<li>Code: NoSuchBucket</li>" in ask(cloud, "/", "no-such-one.s3-website.localhost").body
    assert ask(cloud, "/", host, "DELETE").status == 405


def test_redirects(cloud, s3, site):
    host = f"{site}.s3-website.localhost:4566"
    rules = [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {"Condition": {"KeyPrefixEquals": "one/"}, "Redirect": {"ReplaceKeyWith": "the one.html", "HttpRedirectCode": "302"}},
        {"Condition": {"KeyPrefixEquals": "far/"}, "Redirect": {"HostName": "example.com", "Protocol": "https"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "403"}, "Redirect": {"ReplaceKeyPrefixWith": "report/", "HttpRedirectCode": "307"}},
    ]
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "RoutingRules": rules})
    assert s3.get_bucket_website(Bucket=site)["RoutingRules"] == rules

    def where(path, host=host):
        answer = ask(cloud, path, host)
        return answer.status, answer.headers["location"]

    assert where("/old/a%2Bb") == (301, f"http://{host}/new/a%2Bb")
    assert where("/one/x") == (302, f"http://{host}/the%20one.html")
    assert where("/far/x") == (301, "https://example.com/far/x")
    assert where("/none") == (307, f"http://{host}/report/none")
    by_path = f"/_kumoniwa/website/{site}"
    assert where(by_path + "/old/a", None)[1] == f"http://127.0.0.1:{cloud.port}{by_path}/new/a"
    assert ask(cloud, "/", host).body == "home"
    s3.put_object(Bucket=site, Key="moved", Body=b"", WebsiteRedirectLocation="/docs/")
    assert where("/moved") == (301, "/docs/")
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "example.org"}})
    assert where("/any/thing?x=1") == (301, "http://example.org/any/thing")


def test_website_configuration(s3, bucket):
    text = "The specified bucket does not have a website configuration"
    assert fails(404, "NoSuchWebsiteConfiguration", s3.get_bucket_website, Bucket=bucket) == text

    def refused(code, **configuration):
        return fails(400, code, s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=configuration)

    index = {"Suffix": "i.html"}
    refused("InvalidArgument", ErrorDocument={"Key": "x"})
    refused("InvalidArgument", IndexDocument={"Suffix": "a/b"})
    refused("InvalidArgument", IndexDocument=index, RedirectAllRequestsTo={"HostName": "x"})
    refused("InvalidRequest", RedirectAllRequestsTo={"HostName": "x", "Protocol": "ftp"})
    both = {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}
    refused("InvalidRequest", IndexDocument=index, RoutingRules=[{"Redirect": both}])
    refused("InvalidRequest", IndexDocument=index, RoutingRules=[{"Redirect": {"HttpRedirectCode": "200"}}])
    wrong = {"Condition": {"HttpErrorCodeReturnedEquals": "200"}, "Redirect": {"ReplaceKeyWith": "a"}}
    refused("InvalidRequest", IndexDocument=index, RoutingRules=[wrong])
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": index})
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == index


# --- pages of other origins ---

RULES = [
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 60},
    {
        "ID": "writers",
        "AllowedMethods": ["PUT", "POST"],
        "AllowedOrigins": ["https://*.example.com"],
        "AllowedHeaders": ["content-*", "x-amz-date"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
    },
]


def test_cors_configuration(s3, bucket):
    assert fails(404, "NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=bucket) == "The CORS configuration does not exist"

    def refused(code, **rule):
        rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], **rule}
        return fails(400, code, s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})

    assert refused("InvalidRequest", AllowedMethods=["PATCH"]) == (
        "Found unsupported HTTP method in CORS config. Unsupported method is PATCH"
    )
    assert refused("InvalidRequest", AllowedOrigins=["http://*.*.com"]) == (
        'AllowedOrigin "http://*.*.com" can not have more than one wildcard.'
    )
    assert refused("InvalidRequest", AllowedHeaders=["*-*"]).startswith("AllowedHeader")
    assert refused("InvalidRequest", ExposeHeaders=["x-*"]).startswith('ExposeHeader "x-*" contains wildcard')
    fails(400, "InvalidRequest", s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": RULES * 51})
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=bucket)
    s3.delete_bucket_cors(Bucket=bucket)


def preflight(cloud, path, host=None, **headers):
    return ask(cloud, path, host, "OPTIONS", **headers)


def test_preflight(cloud, s3, bucket):
    asks = {"Origin": "https://a.example.com", "Access_Control_Request_Method": "PUT"}
    answer = preflight(cloud, f"/{bucket}/k", **asks)
    assert answer.status == 403
    assert "<Message>CORSResponse: CORS is not enabled for this bucket.</Message>" in answer.body
    assert "<Code>AccessForbidden</Code>" in answer.body and "<ResourceType>BUCKET</ResourceType>" in answer.body
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    for path, host in ((f"/{bucket}/k", None), ("/k", f"{bucket}.s3.localhost"), (f"/{bucket}", None)):
        answer = preflight(cloud, path, host, Access_Control_Request_Headers="Content-Type, X-Amz-Date", **asks)
        assert (answer.status, answer.body) == (200, "")
        assert answer.headers["access-control-allow-origin"] == "https://a.example.com"
        assert answer.headers["access-control-allow-methods"] == "PUT, POST"
        assert answer.headers["access-control-allow-headers"] == "content-type, x-amz-date"
        assert answer.headers["access-control-expose-headers"] == "ETag, x-amz-version-id"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]
    answer = preflight(cloud, f"/{bucket}/k", Origin="http://any", Access_Control_Request_Method="GET")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-max-age"] == "60"
    assert "access-control-allow-credentials" not in answer.headers
    refused = preflight(cloud, f"/{bucket}/k", Origin="https://a.example.com", Access_Control_Request_Method="DELETE")
    assert refused.status == 403 and "This CORS request is not allowed" in refused.body
    assert preflight(cloud, f"/{bucket}/k", Access_Control_Request_Headers="x-other", **asks).status == 403
    assert preflight(cloud, f"/{bucket}/k", Access_Control_Request_Method="GET").status == 400
    assert preflight(cloud, f"/{bucket}/k", Origin="https://a.example.com").status == 400
    assert "Bucket not found" in preflight(cloud, "/no-such-bucket-at-all/k", **asks).body


def test_actual_requests(cloud, s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused = ask(cloud, f"/{bucket}/k", Origin="http://any")
    assert refused.status == 403 and refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in ask(cloud, f"/{bucket}/k").headers
    assert "access-control-allow-origin" not in ask(cloud, f"/{bucket}/k", method="HEAD", Origin="http://any").headers
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    answer = ask(cloud, url.split(str(cloud.port), 1)[1], Origin="http://any", Host=f"127.0.0.1:{cloud.port}")
    assert (answer.status, answer.body, answer.headers["access-control-allow-origin"]) == (200, "x", "*")


def test_command_line(cloud, s3, bucket, tmp_path):
    """`aws s3 website` and its kin, as the user guide puts a site up."""

    def aws(*arguments):
        done = subprocess.run(
            [pathlib.Path(sys.executable).parent / "aws", "--endpoint-url", cloud.endpoint, "--output", "json", *arguments],
            env=cloud.client_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )
        return done.returncode, done.stdout + done.stderr

    (tmp_path / "index.html").write_text("<p>here</p>")
    rules = tmp_path / "policy.json"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    rules.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    put = ("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", f"file://{rules}")
    code, text = aws(*put)
    assert code != 0 and "AccessDenied" in text and "BlockPublicPolicy" in text
    assert aws("s3api", "delete-public-access-block", "--bucket", bucket)[0] == 0
    assert aws(*put)[0] == 0
    assert aws("s3", "website", f"s3://{bucket}", "--index-document", "index.html", "--error-document", "e.html")[0] == 0
    assert aws("s3", "cp", str(tmp_path / "index.html"), f"s3://{bucket}/index.html")[0] == 0
    page = ask(cloud, "/", f"{bucket}.s3-website.localhost")
    assert (page.status, page.body, page.headers["content-type"]) == (200, "<p>here</p>", "text/html")
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    assert aws("s3api", "put-bucket-cors", "--bucket", bucket, "--cors-configuration", json.dumps(cors))[0] == 0
    assert json.loads(aws("s3api", "get-bucket-policy-status", "--bucket", bucket)[1])["PolicyStatus"]["IsPublic"] is True
    code, text = aws("s3api", "put-bucket-acl", "--bucket", bucket, "--acl", "public-read")
    assert code != 0 and "AccessControlListNotSupported" in text
