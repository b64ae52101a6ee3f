"""What boto3 with awscrt does through a multi-region access point: a process of its own, since that signs everything
natively. Its client sends to ALIAS.accesspoint.s3-global.amazonaws.com whatever the endpoint is; here the address is
looked up as the endpoint's, the rest of each request stays as it was signed.

Reads {"endpoint", "key", "secret", "steps": [[operation, arguments], ...]} and prints the answers, a line each."""

import base64
import json
import re
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

told = json.load(sys.stdin)
client = boto3.client("s3", region_name="us-east-1", aws_access_key_id=told["key"],
                      aws_secret_access_key=told["secret"], config=Config(retries={"max_attempts": 1}))
seen = []


def home(url):
    host = re.match(r"https?://([^/]+)", url).group(1)
    return told["endpoint"] + url.split(host, 1)[1], host


def redirect(request, **_):
    seen[:] = [request.headers["Authorization"].decode().split()[0], request.headers["X-Amz-Region-Set"].decode()]
    request.url, request.headers["Host"] = home(request.url)


client.meta.events.register("before-send.s3", redirect)
for operation, arguments in told["steps"]:
    try:
        if operation == "presigned":
            expires = arguments.pop("_", "&X-Amz-Expires=3600")
            url, host = home(client.generate_presigned_url("get_object", Params=arguments))
            url = url.replace("&X-Amz-Expires=3600", expires)
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host})) as reply:
                answer = {"Body": reply.read().decode()}
        else:
            if "Body" in arguments:
                arguments["Body"] = base64.b64decode(arguments["Body"])
            answer = getattr(client, operation)(**arguments)
            answer.pop("ResponseMetadata")
            if "Body" in answer:
                answer["Body"] = answer["Body"].read().decode()
    except ClientError as error:
        answer = {"Error": error.response["Error"]["Code"]}
    except urllib.error.HTTPError as error:
        answer = {"Error": re.search(r"<Code>(\w+)", error.read().decode()).group(1)}
    print(json.dumps({**answer, "seen": seen}, default=str), flush=True)
