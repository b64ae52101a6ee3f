"""S3 Select through an unmodified boto3: queries over CSV and JSON, compressed too, and the events of the answer."""

import bz2
import gzip
import json

import pytest
from botocore.exceptions import ClientError, EventStreamError

PEOPLE = 'name,age,city,born\nAda,36,London,1815-12-10T\nGrace,85,"Arlington, VA",1906-12-09T\n"Jean ""Bart""",70,Philadelphia,1924-12-27T\n'
LINES = [{"id": 1, "name": "ä", "tags": ["x", "y"], "at": {"lat": 1.5}}, {"id": 2, "name": "B", "tags": [], "at": None},
         {"id": 3, "tags": ["z"], "at": {"lat": -2.25e2}, "big": 12345678901234567890}]


@pytest.fixture
def bucket(s3, bucket):
    s3.put_object(Bucket=bucket, Key="csv", Body=PEOPLE.encode())
    s3.put_object(Bucket=bucket, Key="json", Body="\n".join(json.dumps(line) for line in LINES).encode())
    return bucket


USE = {"CSV": {"FileHeaderInfo": "USE"}}
JSON_LINES = {"JSON": {"Type": "LINES"}}


def events(s3, bucket, key, sql, source, output=None, **more):
    answer = s3.select_object_content(Bucket=bucket, Key=key, Expression=sql, ExpressionType="SQL",
                                      InputSerialization=source, OutputSerialization=output or {"CSV": {}}, **more)
    return list(answer["Payload"])


def select(*arguments, **more):
    got = events(*arguments, **more)
    assert [list(e)[0] for e in got][-2:] == ["Stats", "End"]
    text = b"".join(e["Records"]["Payload"] for e in got if "Records" in e)
    stats = got[-2]["Stats"]["Details"]
    assert stats["BytesReturned"] == len(text)
    return text.decode()


def rows(s3, bucket, sql):
    return [json.loads(line) for line in select(s3, bucket, "json", sql, JSON_LINES, {"JSON": {}}).splitlines()]


def fails(code, call, *arguments, **more):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **more)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response


def test_csv(s3, bucket):
    def csv(sql, source=USE, output=None):
        return select(s3, bucket, "csv", sql, source, output)

    assert csv("SELECT * FROM S3Object") == PEOPLE.split("\n", 1)[1]
    assert csv("select s.name from s3object s where s.city = 'London'") == "Ada\n"
    assert csv('SELECT s."name", s._2 FROM S3Object AS s WHERE CAST(s.age AS INT) BETWEEN 60 AND 80') == '"Jean ""Bart""",70\n'
    assert csv("SELECT _1 FROM S3Object LIMIT 2", {"CSV": {}}) == "name\nAda\n"
    assert csv("SELECT s._1 FROM S3Object s", {"CSV": {"FileHeaderInfo": "IGNORE"}}).startswith("Ada\n")
    assert csv("SELECT COUNT(*), SUM(CAST(age AS INT)), MAX(age), MIN(age), AVG(age) FROM S3Object") == \
        "3,191,85,36,63.666666666666664\n"
    assert csv("SELECT name FROM S3Object WHERE name LIKE '%a%' AND NOT city LIKE 'L%'") == \
        'Grace\n"Jean ""Bart"""\n'
    assert csv("SELECT name FROM S3Object WHERE city IN ('London', 'Philadelphia') LIMIT 1") == "Ada\n"
    assert csv("SELECT LOWER(name) || '-' || UPPER(name) AS x, CHAR_LENGTH(name) FROM S3Object LIMIT 1") == "ada-ADA,3\n"
    assert csv("SELECT SUBSTRING(name, 2), SUBSTRING(name FROM 1 FOR 2), TRIM('  a '), TRIM(LEADING 'x' FROM 'xxax') "
               "FROM S3Object LIMIT 1") == "da,Ad,a,ax\n"
    assert csv("SELECT CASE WHEN age > 80 THEN 'old' WHEN age > 50 THEN 'so' ELSE 'young' END FROM S3Object") == \
        "young\nold\nso\n"
    assert csv("SELECT CASE name WHEN 'Ada' THEN 1 ELSE 0 END, age * 2 + 1, age % 7, age / 2 FROM S3Object LIMIT 1") == \
        "1,73,1,18\n"
    assert csv("SELECT COALESCE(NULLIF(name, 'Ada'), 'nobody'), missing IS MISSING FROM S3Object LIMIT 1") == "nobody,true\n"
    assert csv("SELECT EXTRACT(YEAR FROM TO_TIMESTAMP(born)), DATE_ADD(month, 2, TO_TIMESTAMP(born)), "
               "DATE_DIFF(year, TO_TIMESTAMP('1815-12-11T'), TO_TIMESTAMP('1852-11-27T')), "
               "TO_STRING(TO_TIMESTAMP('1969-07-20T20:18:13.5Z'), 'MMMM d, y h:mm a') FROM S3Object LIMIT 1") == \
        '1815,1816-02-10T,36,"July 20, 1969 8:18 PM"\n'
    assert csv("SELECT name, age FROM S3Object WHERE name = 'Ada'", USE, {"JSON": {}}) == '{"name":"Ada","age":"36"}\n'
    assert csv("SELECT * FROM S3Object LIMIT 1", {"CSV": {}}, {"JSON": {"RecordDelimiter": ";"}}) == \
        '{"_1":"name","_2":"age","_3":"city","_4":"born"};'
    assert csv("SELECT name, city FROM S3Object LIMIT 2", USE, {"CSV": {"QuoteFields": "ALWAYS", "FieldDelimiter": "|",
                                                                        "RecordDelimiter": "!"}}) == \
        '"Ada"|"London"!"Grace"|"Arlington, VA"!'


def test_csv_forms(s3, bucket):
    def csv(body, sql="SELECT _1, _2 FROM S3Object", **form):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        return select(s3, bucket, "k", sql, {"CSV": form})

    assert csv(b"a;b|c;d|", FieldDelimiter=";", RecordDelimiter="|") == "a,b\nc,d\n"
    assert csv(b"# no\na,b\r\n\n#x\nc,d") == "a,b\nc,d\n"
    assert csv(b"'a,1',b\n", QuoteCharacter="'") == '"a,1",b\n'
    assert csv(b'"a\\"1",b\n', QuoteEscapeCharacter="\\") == '"a""1",b\n'
    assert csv(b'"a\nb",c\n', AllowQuotedRecordDelimiter=True) == '"a\nb",c\n'
    assert csv(b"only\n") == "only,\n"
    assert csv(b"") == ""


def test_json(s3, bucket):
    assert rows(s3, bucket, "SELECT * FROM S3Object") == LINES
    assert rows(s3, bucket, "SELECT s.id, s.at.lat FROM S3Object s WHERE s.at.lat IS NOT NULL") == [
        {"id": 1, "lat": 1.5}, {"id": 3, "lat": -225.0}]
    assert rows(s3, bucket, "SELECT s.tags[0] AS first, s.name FROM S3Object[*] s") == [
        {"first": "x", "name": "ä"}, {"name": "B"}, {"first": "z"}]
    assert rows(s3, bucket, "SELECT t FROM S3Object[*].tags[*] t") == [{"t": "x"}, {"t": "y"}, {}, {"t": "z"}]
    assert rows(s3, bucket, "SELECT s.id FROM S3Object s WHERE s.name IS MISSING") == [{"id": 3}]
    assert rows(s3, bucket, "SELECT s.id FROM S3Object s WHERE s.at IS NULL AND s.id <> 3") == [{"id": 2}]
    assert rows(s3, bucket, "SELECT SUM(s.id), COUNT(s.name) FROM S3Object s WHERE s.id >= 2") == [{"_1": 5, "_2": 1}]
    assert select(s3, bucket, "json", "SELECT s.big, s.at FROM S3Object s WHERE s.id = 3", JSON_LINES) == \
        '12345678901234567890,"{""lat"": -225.0}"\n'
    document = {"rules": [{"id": "a"}, {"id": "b", "more": [1, {"deep": True}]}]}
    s3.put_object(Bucket=bucket, Key="doc", Body=json.dumps(document, indent=2).encode())
    asked = ("doc", "SELECT r.id, r.more FROM S3Object[*].rules[*] r", {"JSON": {"Type": "DOCUMENT"}}, {"JSON": {}})
    assert select(s3, bucket, *asked) == '{"id":"a"}\n{"id":"b","more":[1,{"deep":true}]}\n'
    s3.put_object(Bucket=bucket, Key="array", Body=json.dumps(LINES).encode())
    got = select(s3, bucket, "array", "SELECT s.id FROM S3Object[*][*] s", {"JSON": {"Type": "DOCUMENT"}}, {"JSON": {}})
    assert got == '{"id":1}\n{"id":2}\n{"id":3}\n'


def test_json_paths(s3, bucket):
    """The examples of "SELECT command", FROM clause: a path that comes to nothing is an empty record."""
    s3.put_object(Bucket=bucket, Key="k", Body=b'''
        {"Rules": [{"id": "1"}, {"expr": "y > x"}, {"id": "2", "expr": "z = DEBUG"}]}
        {"created": "June 27", "modified": "July 6"}''')

    def rows_of(sql):
        got = select(s3, bucket, "k", sql, {"JSON": {"Type": "DOCUMENT"}}, {"JSON": {}})
        return [json.loads(line) for line in got.splitlines()]

    ids = [{"id": "1"}, {}, {"id": "2"}, {}]
    assert rows_of("SELECT id FROM S3Object[*].Rules[*].id") == ids
    assert rows_of("SELECT id FROM S3Object[*].Rules[*].id WHERE id IS NOT MISSING") == [{"id": "1"}, {"id": "2"}]
    assert rows_of("SELECT _1.id FROM S3Object[*].Rules[*]") == ids
    assert rows_of("SELECT r.id FROM S3Object[*]['Rules'][*] r") == ids
    assert rows_of("SELECT COUNT(id), COUNT(*) FROM S3Object[*].Rules[*].id") == [{"_1": 2, "_2": 4}]
    assert rows_of("SELECT v FROM S3Object[*].* v WHERE v LIKE 'Ju%'") == [{"v": "June 27"}, {"v": "July 6"}]
    assert rows_of("SELECT s['created'], _1.modified FROM S3Object[*] s") == [
        {}, {"created": "June 27", "modified": "July 6"}]
    assert rows_of("SELECT s.* FROM S3Object s") == rows_of("SELECT * FROM S3Object")
    for sql, code in (("SELECT * FROM S3Object.Rules", "ParseInvalidPathComponent"),
                      ("SELECT t.* FROM S3Object s", "ParseInvalidPathComponent"),
                      ("SELECT *, s.created FROM S3Object s", "ParseAsteriskIsNotAloneInSelectList"),
                      ("SELECT s.created, * FROM S3Object s", "ParseAsteriskIsNotAloneInSelectList")):
        with pytest.raises(ClientError) as refused:
            rows_of(sql)
        assert refused.value.response["Error"]["Code"] == code


def test_large(s3, bucket):
    lines = "".join(f"{n},{n % 97},{'x' * (n % 50)}\n" for n in range(300_000)).encode()
    expected = "".join(f"{n}\n" for n in range(300_000) if n % 97 == 13)
    sql = "SELECT _1 FROM S3Object WHERE CAST(_2 AS INT) = 13"
    for name, body in (("NONE", lines), ("GZIP", gzip.compress(lines, 1)), ("BZIP2", bz2.compress(lines, 1))):
        s3.put_object(Bucket=bucket, Key=name, Body=body)
        source = {"CSV": {}, "CompressionType": name}
        assert select(s3, bucket, name, sql, source) == expected
        got = events(s3, bucket, name, "SELECT COUNT(*) FROM S3Object", source, RequestProgress={"Enabled": True})
        assert got[0].keys() == {"Progress"}
        stats = got[-2]["Stats"]["Details"]
        assert (stats["BytesScanned"], stats["BytesProcessed"]) == (len(body), len(lines))
    assert select(s3, bucket, "NONE", "SELECT * FROM S3Object", {"CSV": {}}) == lines.decode()
    for key in ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32},):
        rule = {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        s3.put_object(Bucket=bucket, Key="secret", Body=lines, **key)
        assert select(s3, bucket, "secret", sql, {"CSV": {}}, **key) == expected


def test_scan_ranges(s3, bucket):
    lines = [f"line {n},{'y' * (n % 7)}\n" for n in range(2000)]
    body = "".join(lines).encode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"h1,h2\n" + body)
    for step in (100, 1000, 7777):
        text = ""
        for start in range(0, len(body) + 6, step):
            scan = {"Start": start, "End": start + step - 1}
            text += select(s3, bucket, "k", "SELECT * FROM S3Object", USE, ScanRange=scan)
        assert text == "".join(lines), step
    tail = select(s3, bucket, "k", "SELECT * FROM S3Object", {"CSV": {}}, ScanRange={"End": 30})
    assert tail == "".join(lines[-2:])
    fails("UnsupportedScanRangeInput", events, s3, bucket, "k", "SELECT * FROM S3Object",
          {"CSV": {}, "CompressionType": "GZIP"}, ScanRange={"Start": 1, "End": 5})


def test_refusals(s3, bucket):
    def refused(code, sql, source=USE):
        answer = fails(code, events, s3, bucket, "csv", sql, source)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400

    refused("ParseUnexpectedToken", "SELECT * FROM S3Object WHERE")
    refused("ParseUnexpectedToken", "SELECT * FROM S3Object GROUP BY x")
    refused("ParseUnexpectedToken", "SELECT DISTINCT name FROM S3Object")
    refused("ParseUnexpectedToken", "SELECT name FROM S3Object ORDER BY name")
    refused("ParseUnexpectedToken", "SELECT * FROM S3Object s LEFT JOIN S3Object t ON s.name = t.name")
    refused("ParseSelectMissingFrom", "SELECT 1")
    refused("ParseEmptySelect", "SELECT FROM S3Object")
    refused("InvalidDataSource", "SELECT * FROM table1")
    refused("UnsupportedFunction", "SELECT md5(name) FROM S3Object")
    refused("UnsupportedSqlStructure", "SELECT name, COUNT(*) FROM S3Object")
    refused("LexerInvalidChar", "SELECT ? FROM S3Object")
    refused("InvalidFileHeaderInfo", "SELECT * FROM S3Object", {"CSV": {"FileHeaderInfo": "MAYBE"}})
    refused("InvalidCompressionFormat", "SELECT * FROM S3Object", {"CSV": {}, "CompressionType": "LZMA"})
    refused("InvalidJsonType", "SELECT * FROM S3Object", {"JSON": {"Type": "X"}})
    fails("NoSuchKey", events, s3, bucket, "none", "SELECT * FROM S3Object", USE)

    def breaks(code, key, sql, source):
        with pytest.raises(EventStreamError) as caught:
            events(s3, bucket, key, sql, source)
        assert caught.value.response["Error"]["Code"] == code

    breaks("MissingHeaders", "csv", "SELECT nosuch FROM S3Object", USE)
    breaks("MissingHeaders", "csv", "SELECT name FROM S3Object WHERE nosuch = '1'", USE)
    breaks("CastFailed", "csv", "SELECT CAST(name AS INT) FROM S3Object", USE)
    breaks("JSONParsingError", "csv", "SELECT * FROM S3Object", JSON_LINES)
    breaks("InvalidCompressionFormat", "csv", "SELECT * FROM S3Object", {"CSV": {}, "CompressionType": "GZIP"})
    s3.put_object(Bucket=bucket, Key="cut", Body=gzip.compress(PEOPLE.encode() * 1000)[:-30])
    breaks("TruncatedInput", "cut", "SELECT COUNT(*) FROM S3Object", {"CSV": {}, "CompressionType": "GZIP"})
    s3.put_object(Bucket=bucket, Key="long", Body=b"x" * (3 << 20))
    breaks("OverMaxRecordSize", "long", "SELECT * FROM S3Object", {"CSV": {}})


def test_clients_that_leave(s3, bucket, cloud):
    s3.put_object(Bucket=bucket, Key="k", Body=b"some,thing\n" * 500_000)
    for _ in range(5):
        answer = s3.select_object_content(Bucket=bucket, Key="k", Expression="SELECT * FROM S3Object", ExpressionType="SQL",
                                          InputSerialization={"CSV": {}}, OutputSerialization={"JSON": {}})
        next(iter(answer["Payload"]))
        answer["Payload"].close()
    assert select(s3, bucket, "csv", "SELECT name FROM S3Object LIMIT 1", USE) == "Ada\n"
