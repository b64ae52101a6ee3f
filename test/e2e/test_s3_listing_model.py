"""S3's listings against a slow and obvious model: random keys, prefixes, delimiters, markers and sizes of pages, from a
fixed seed. Every page must be as long as it may be, say truly whether more follows, and lead to the next one."""

import random

import pytest

LETTERS = ["a", "b", "/", "-", "ä", "～", "𝄞", " ", "+", "%", "A", "&", "\x01", "\x7f", "\ufffd"]


# botocore reads no answer with a control character, and asks for encoded ones with objects and versions alone.
PRINTABLE = [letter for letter in LETTERS if letter >= " "]


def random_key(rng, letters=LETTERS):
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, 6)))


def piece(rng, keys, letters=LETTERS):
    """A beginning of a key, a key, or what is none."""
    kind = rng.randrange(4)
    key = rng.choice(keys)
    if kind == 0:
        return ""
    if kind == 1:
        return key[:rng.randint(0, len(key))]
    return key if kind == 2 else random_key(rng, letters)


def delimiter(rng):
    return rng.choice(["", "", "/", "/", "a", "-", "ä", "ab", "𝄞", "//"])


def common(key, prefix, mark):
    if not mark or mark not in key[len(prefix):]:
        return None
    return prefix + key[len(prefix):].split(mark)[0] + mark


def grouped(entries, prefix, mark, after):
    """What a listing of entries (key, ...) that stand behind `after` holds: ("key", entry) or ("prefix", text)."""
    found = []
    for entry in entries:
        if not entry[0].startswith(prefix):
            continue
        group = common(entry[0], prefix, mark)
        if group is None:
            found.append(("key", entry))
        elif group != after and ("prefix", group) not in found:
            found.append(("prefix", group))
    return found


def behind(keys, marker):
    return [key for key in keys if key[0].encode() > marker.encode()]


def pages_of(wanted, limit):
    return [wanted[i:i + limit] for i in range(0, len(wanted), limit)] or [[]]


def check_page(answer, kind, page, last, limit):
    """Order within a page is within Contents and within CommonPrefixes."""
    seen = [kind(one) for one in answer]
    assert seen == [entry for which, entry in page if which == "key"]
    assert len(page) <= limit and (last or len(page) == limit)


def prefixes_of(answer):
    return [p["Prefix"] for p in answer.get("CommonPrefixes", [])]


def wanted_prefixes(page):
    return [text for which, text in page if which == "prefix"]


@pytest.fixture
def keys(s3, bucket):
    rng = random.Random(22)
    made = sorted({random_key(rng) for _ in range(250)}, key=str.encode)
    for key in made:
        s3.put_object(Bucket=bucket, Key=key)
    return made


@pytest.mark.parametrize("version", [1, 2])
def test_objects(s3, bucket, keys, version):
    rng = random.Random(version)
    entries = [(key,) for key in keys]
    for _ in range(150):
        prefix, mark, after = piece(rng, keys), delimiter(rng), piece(rng, keys)
        limit = rng.choice([1, 2, 3, 7, 20, 1000])
        wanted = pages_of(grouped(behind(entries, after), prefix, mark, after), limit)
        given = {"Bucket": bucket, "Prefix": prefix, "Delimiter": mark, "MaxKeys": limit}
        more = {"Marker" if version == 1 else "StartAfter": after}
        for i, page in enumerate(wanted[:12]):
            last = i + 1 == len(wanted)
            answer = (s3.list_objects if version == 1 else s3.list_objects_v2)(**given, **more)
            check_page(answer.get("Contents", []), lambda one: (one["Key"],), page, last, limit)
            assert prefixes_of(answer) == wanted_prefixes(page)
            assert answer["IsTruncated"] == (not last)
            if version == 2:
                assert answer["KeyCount"] == len(page)
                assert ("NextContinuationToken" in answer) == (not last)
                more = {"ContinuationToken": answer.get("NextContinuationToken"), "StartAfter": after}
                continue
            assert ("NextMarker" in answer) == (not last and mark != "")
            if not last:
                end = page[-1][1] if page[-1][0] == "prefix" else page[-1][1][0]
                assert answer.get("NextMarker", end) == end
                more = {"Marker": end}


def test_versions(s3, bucket):
    rng = random.Random(3)
    names = sorted({random_key(rng) for _ in range(60)}, key=str.encode)
    entries = {name: [] for name in names}
    for status in ("", "Enabled", "Suspended", "Enabled"):
        if status:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        for _ in range(90):
            name = rng.choice(names)
            versions = entries[name]
            if rng.random() < 0.25 and status:
                made = s3.delete_object(Bucket=bucket, Key=name)
            else:
                made = s3.put_object(Bucket=bucket, Key=name)
            if status != "Enabled":
                versions[:] = [v for v in versions if v != "null"]
            versions.insert(0, made.get("VersionId", "null"))
    flat = [(name, v) for name in names for v in entries[name]]
    newest = {name: entries[name][0] for name in names if entries[name]}
    for _ in range(150):
        prefix, mark, after = piece(rng, names), delimiter(rng), piece(rng, names)
        limit = rng.choice([1, 2, 3, 7, 20, 1000])
        more, rest = {"KeyMarker": after}, behind(flat, after)
        if rng.random() < 0.5 and entries.get(after):
            version = rng.choice(entries[after])
            more["VersionIdMarker"] = version
            rest = flat[flat.index((after, version)) + 1:]
        wanted = pages_of(grouped(rest, prefix, mark, after), limit)
        for i, page in enumerate(wanted[:12]):
            last = i + 1 == len(wanted)
            answer = s3.list_object_versions(Bucket=bucket, Prefix=prefix, Delimiter=mark, MaxKeys=limit, **more)
            wanted_keys = [entry for which, entry in page if which == "key"]
            seen = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
            assert sorted((v["Key"], v["VersionId"]) for v in seen) == sorted(wanted_keys)
            for part in (answer.get("Versions", []), answer.get("DeleteMarkers", [])):
                part = [(v["Key"], v["VersionId"]) for v in part]
                assert part == [entry for entry in wanted_keys if entry in part]
            for v in seen:
                assert v["IsLatest"] == (newest[v["Key"]] == v["VersionId"])
            assert prefixes_of(answer) == wanted_prefixes(page)
            assert answer["IsTruncated"] == (not last)
            if last:
                assert "NextKeyMarker" not in answer
                continue
            end = page[-1][1] if page[-1][0] == "key" else (page[-1][1], None)
            assert (answer["NextKeyMarker"], answer.get("NextVersionIdMarker")) == end
            more = {"KeyMarker": answer["NextKeyMarker"]}
            if "NextVersionIdMarker" in answer:
                more["VersionIdMarker"] = answer["NextVersionIdMarker"]


def test_uploads(s3, bucket):
    rng = random.Random(4)
    names = sorted({random_key(rng, PRINTABLE) for _ in range(50)}, key=str.encode)
    entries = {name: [] for name in names}
    for _ in range(120):
        name = rng.choice(names)
        entries[name].append(s3.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"])
    flat = [(name, upload) for name in names for upload in entries[name]]
    for _ in range(120):
        prefix, mark, after = piece(rng, names, PRINTABLE), delimiter(rng), piece(rng, names, PRINTABLE)
        limit = rng.choice([1, 2, 3, 7, 20, 1000])
        wanted = pages_of(grouped(behind(flat, after), prefix, mark, after), limit)
        more = {"KeyMarker": after}
        for i, page in enumerate(wanted[:12]):
            last = i + 1 == len(wanted)
            answer = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, Delimiter=mark, MaxUploads=limit, **more)
            check_page(answer.get("Uploads", []), lambda one: (one["Key"], one["UploadId"]), page, last, limit)
            assert prefixes_of(answer) == wanted_prefixes(page)
            assert answer["IsTruncated"] == (not last)
            more = {"KeyMarker": answer.get("NextKeyMarker"), "UploadIdMarker": answer.get("NextUploadIdMarker") or ""}


def test_parts(s3, bucket):
    rng = random.Random(5)
    one = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**one)["UploadId"]
    numbers = sorted(rng.sample(range(1, 10001), 40))
    for number in rng.sample(numbers, 40):
        s3.upload_part(**one, UploadId=upload, PartNumber=number, Body=b"%d" % number)
    for _ in range(60):
        limit, after = rng.choice([1, 3, 7, 39, 40, 1000]), rng.choice([0, *numbers, rng.randrange(10001)])
        wanted = pages_of([n for n in numbers if n > after], limit)
        for i, page in enumerate(wanted):
            last = i + 1 == len(wanted)
            answer = s3.list_parts(**one, UploadId=upload, MaxParts=limit, PartNumberMarker=after)
            assert [p["PartNumber"] for p in answer.get("Parts", [])] == page
            assert all(p["Size"] == len(str(p["PartNumber"])) for p in answer.get("Parts", []))
            assert answer["IsTruncated"] == (not last)
            if not last:
                assert answer["NextPartNumberMarker"] == page[-1]
                after = page[-1]
