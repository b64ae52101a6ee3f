"""Tests of the generator: `python3 tools/test_generate.py`. They need no models, only a C compiler."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)

import gen_c  # noqa: E402
import gen_input  # noqa: E402
import gen_managed  # noqa: E402
import gen_names  # noqa: E402
from gen_input import GeneratorError  # noqa: E402
from gen_model import Pool, Service  # noqa: E402

COMMON = gen_input.read_common_errors(os.path.join(ROOT, "models", "overlays", "common.json"))

MODEL = {
    "metadata": {"protocol": "rest-json", "endpointPrefix": "zoo", "serviceId": "Zoo"},
    "operations": {
        "GetAnimal": {
            "name": "GetAnimal",
            "http": {"method": "GET", "requestUri": "/animals/{Name+}?x=1", "responseCode": 202},
            "input": {"shape": "GetAnimalRequest"},
            "output": {"shape": "Animal"},
            "errors": [{"shape": "NoAnimalException"}],
        },
        "Feed": {"name": "Feed", "http": {"method": "POST", "requestUri": "/feed"}},
    },
    "shapes": {
        "GetAnimalRequest": {
            "type": "structure",
            "required": ["Name"],
            "members": {
                "Name": {"shape": "Name", "location": "uri", "locationName": "Name"},
                "default": {"shape": "Names", "location": "querystring", "locationName": "d"},
            },
        },
        "Animal": {
            "type": "structure",
            "members": {
                "Parents": {"shape": "Animals", "locationName": "parents"},
                "ByName": {"shape": "AnimalMap"},
                "Born": {"shape": "Time", "timestampFormat": "iso8601"},
                "Body": {"shape": "Blob"},
                "Kind": {"shape": "Kind"},
            },
            "payload": "Body",
        },
        "Animals": {"type": "list", "member": {"shape": "Animal"}},
        "AnimalMap": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Animal"}},
        "Names": {"type": "list", "member": {"shape": "Name"}, "max": 3},
        "Name": {"type": "string", "min": 1, "pattern": "[a-z]+"},
        "Kind": {"type": "string", "enum": ["big-cat", "BigCat", "*"]},
        "Time": {"type": "timestamp"},
        "Blob": {"type": "blob", "streaming": True},
        "NoAnimalException": {
            "type": "structure",
            "members": {"message": {"shape": "Name"}, "Nearest": {"shape": "Name"}},
            "error": {"httpStatusCode": 404},
            "exception": True,
        },
        "ThrottlingException": {
            "type": "structure",
            "members": {"message": {"shape": "Name"}},
            "error": {"httpStatusCode": 429},
            "exception": True,
        },
        "ZooBrokenException": {
            "type": "structure", "members": {}, "exception": True, "fault": True,
        },
    },
}  # fmt: skip


def zoo(change=None, options=None, errors=None):
    model = json.loads(json.dumps(MODEL))
    gen_input.merge(model, change or {})
    return Service("zoo", model, options or {}, COMMON, errors or {})


def common_order():
    """The constants of enum wire_common_error."""
    with open(os.path.join(ROOT, "src", "wire", "desc.h"), encoding="utf-8") as file:
        body = re.search(r"enum wire_common_error \{(.*?)\};", file.read(), re.S).group(1)
    return [name for name in re.findall(r"WIRE_(\w+),", body) if name != "COMMON_ERRORS"]


class Names(unittest.TestCase):
    def test_identifier(self):
        self.assertEqual(gen_names.identifier("default"), "default_")
        self.assertEqual(gen_names.identifier("x-y z"), "x_y_z")
        self.assertEqual(gen_names.identifier("2fast"), "_2fast")

    def test_upper_snake(self):
        for name, expected in (
            ("QueueDoesNotExist", "QUEUE_DOES_NOT_EXIST"), ("KMSDisabled", "KMS_DISABLED"),
            ("P4D.24XLARGE", "P4D_24XLARGE"), ("s3:ObjectCreated:*", "S3_OBJECT_CREATED_ANY"),
            ("S3Bucket", "S3_BUCKET"), ("", "EMPTY"),
        ):  # fmt: skip
            self.assertEqual(gen_names.upper_snake(name), expected)

    def test_error_constants(self):
        names = ["FooException", "FooError", "BarError", "ThrottlingException"]
        self.assertEqual(gen_names.error_constants(["THROTTLING"], names),
                         ["FOO_EXCEPTION", "FOO_ERROR", "BAR", "THROTTLING_EXCEPTION"])  # fmt: skip

    def test_c_string(self):
        self.assertEqual(gen_names.c_string('a"\\\n\x01é?'), 'a\\"\\\\\\n\\001\\303\\251\\?')

    def test_tag(self):
        tags = {gen_names.fnv28(name) for name in ("a", "b", "QueueUrl", "MessageBody")}
        self.assertEqual(len(tags), 4)
        self.assertTrue(all(0 <= tag < 1 << 28 for tag in tags))


class Tables(unittest.TestCase):
    def test_pool(self):
        pool = Pool()
        first = pool.add("abc")
        self.assertEqual((first, pool.add("abc"), pool.add(None)), (4, 4, 0))
        self.assertEqual(b"".join(pool.data)[first - 2 : first + 4], b"\x03\x00abc\x00")
        self.assertRaises(GeneratorError, pool.add, "x" * 70000)

    def test_bindings(self):
        service = zoo()
        name, words = service.by_name["GetAnimalRequest"].members
        self.assertEqual((name.location, name.flags), ("URI", ["REQUIRED", "GREEDY"]))
        self.assertEqual((words.location, words.c_name, words.wire_name), ("QUERY", "default_", "d"))
        animal = service.by_name["Animal"]
        self.assertEqual(animal.payload, 4)
        self.assertEqual(animal.members[0].json_name, "parents")
        self.assertEqual(animal.members[2].time_format, "ISO8601")
        get, feed = service.operations
        self.assertEqual(get.flags, ["STREAM_OUT", "READ_ONLY", "QUERY_LITERAL"])
        self.assertEqual((get.status, feed.flags, feed.input.index), (202, [], 0))

    def test_read_only_option(self):
        service = zoo(options={"readonly": "-GetAnimal,+Feed"})
        flags = [operation.flags for operation in service.operations]
        self.assertEqual(flags, [["STREAM_OUT", "QUERY_LITERAL"], ["READ_ONLY"]])

    def test_errors(self):
        service = zoo(errors={"Late": {"status": 410}, "NoAnimalException": {"code": "None"}})
        named = {error.constant: error for error in service.errors}
        self.assertEqual([e.constant for e in service.errors[: len(COMMON)]], common_order())
        self.assertEqual(named["NO_ANIMAL"].code, "None")
        self.assertNotEqual(named["NO_ANIMAL"].shape, 0)
        self.assertEqual(named["THROTTLING"].status, 429)
        self.assertEqual(named["LATE"].status, 410)
        self.assertTrue(named["ZOO_BROKEN"].server_fault)
        self.assertEqual(named["ACCESS_DENIED"].status, 403)

    def test_names_of_elements(self):
        """Smithy: a flattened list keeps its own name, a structure's xmlName is for roots alone."""
        service = zoo({"shapes": {"Animals": {"flattened": True,
                                              "member": {"locationName": "Beast"}},
                                  "Animal": {"locationName": "Ahoy", "payload": "Mate",
                                             "members": {"Parents": {"locationName": None},
                                                         "Mate": {"shape": "Animal"},
                                                         "Cub": {"shape": "Animal"}}}},
                       "metadata": {"protocol": "rest-xml"}})  # fmt: skip
        names = {m.name: m.wire_name for m in service.by_name["Animal"].members}
        self.assertEqual((names["Parents"], names["Mate"], names["Cub"]), ("Parents", "Ahoy", "Cub"))
        self.assertEqual(service.operations[0].output_root, "Ahoy")

    def test_constants_of_enumerations(self):
        names = [name for name, _ in zoo().constant_names()]
        self.assertEqual(names, ["ZOO_KIND_BIG_CAT", "ZOO_KIND_BIG_CAT_2", "ZOO_KIND_ANY"])

    def test_errors_of_models(self):
        wrong = ({"shapes": {"Names": {"member": {"shape": "Missing"}}}},
                 {"shapes": {"Name": {"type": "strange"}}},
                 {"metadata": {"protocol": "smoke-signals"}})  # fmt: skip
        for change in wrong:
            self.assertRaises(GeneratorError, zoo, change)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_services(self):
        path = self.file("services.list", "# all\nzoo zoo readonly=+Feed  # why\nab_c ab-c\n")
        self.assertEqual(gen_input.read_services(path),
                         [("zoo", "zoo", {"readonly": "+Feed"}), ("ab_c", "ab-c", {})])  # fmt: skip
        for text in ("zoo\n", "a-b a-b\n", "zoo zoo colour=red\n", "zoo zoo\nzoo zoo\n"):
            path = self.file("services.list", text)
            self.assertRaises(GeneratorError, gen_input.read_services, path)

    def test_unimplemented_and_iam(self):
        names = ["GetAnimal", "Feed"]
        path = self.file("unimplemented.txt", "Feed  no food yet\n")
        self.assertEqual(gen_input.read_unimplemented(path, names), {"Feed"})
        iam = self.file("iam.list", "GetAnimal zoo:Get arn:a\nGetAnimal zoo:See * zoo:Keeper\n")
        self.assertEqual(gen_input.read_iam(iam, names, {"Feed"}),
                         {"GetAnimal": "zoo:Get arn:a\nzoo:See * zoo:Keeper"})  # fmt: skip
        with self.assertRaisesRegex(GeneratorError, "without a row: Feed"):
            gen_input.read_iam(iam, names, set())
        for text in ("Dance  no music\n", "Feed\n", "Feed x\nFeed y\n"):
            path = self.file("unimplemented.txt", text)
            self.assertRaises(GeneratorError, gen_input.read_unimplemented, path, names)

    def test_records(self):
        path = self.file("zoo.records", "record cage {\n 1 string name # why\n reserved 2\n"
                         " 3 list<cage> inner\n 4 map<string,list<long>> sizes\n}\n")  # fmt: skip
        (cage,) = gen_input.read_records(path)
        self.assertEqual(cage.members, [(1, "string", "name"), (3, "list<cage>", "inner"),
                                        (4, "map<string,list<long>>", "sizes")])  # fmt: skip
        for body in ("1 string a\n1 long b", "1 string a\n2 long a", "reserved 1\n1 string a",
                     "0 string a", "", "one string a"):  # fmt: skip
            path = self.file("zoo.records", "record cage {\n%s\n}\n" % body)
            self.assertRaises(GeneratorError, gen_input.read_records, path)

    def test_overlay(self):
        model = json.loads(json.dumps(MODEL))
        overlay = {"shapes": {"GetAnimalRequest": {"members": {"Name": {"required": False},
                                                               "default": {"required": True}}}},
                   "errors": {"Late": {"status": 410}}}  # fmt: skip
        errors = gen_input.read_overlay(self.file("zoo.json", json.dumps(overlay)), model)
        self.assertEqual(errors, {"Late": {"status": 410}})
        self.assertEqual(model["shapes"]["GetAnimalRequest"]["required"], ["default"])
        for wrong in ({"shape": {}}, {"operations": {"Dance": {}}}, {"shapes": {"Missing": {}}},
                      {"shapes": {"Animal": {"members": {"Missing": {"locationName": "x"}}}}}):  # fmt: skip
            path = self.file("zoo.json", json.dumps(wrong))
            model = json.loads(json.dumps(MODEL))
            self.assertRaises(GeneratorError, gen_input.read_overlay, path, model)

    def test_generated_c_compiles(self):
        """Implemented, with every form of record: the C compiler is the judge."""
        records = self.file("zoo.records", """
record cage {
  1 string name
  2 long built_ms
  3 bool open
  4 double area
  5 time cleaned
  6 list<cage> inner
  7 map<string,cage> by_name
  8 map<string,list<long>> sizes
  9 Animal guest
  10 map<string,string> tags
  11 list<string> roles
  12 AnimalMap animals
}""")  # fmt: skip
        service = zoo()
        service.implemented = True
        service.unimplemented = {"Feed"}
        service.iam = {"GetAnimal": "zoo:GetAnimal *"}
        service.add_records(gen_input.read_records(records))
        self.file("gen/zoo.h", gen_c.header_file(service, len(COMMON)))
        implemented = self.file("gen/zoo.c", gen_c.source_file(service))
        self.compile(implemented)
        service = zoo()
        self.file("gen/zoo.h", gen_c.header_file(service, len(COMMON)))
        self.compile(self.file("gen/zoo.c", gen_c.source_file(service)))

    def compile(self, path):
        flags = ["-std=gnu17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
        command = [os.environ.get("CC", "gcc"), *flags, "-I" + os.path.join(ROOT, "src"),
                   "-I" + self.folder.name, "-fsyntax-only", path]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class Managed(unittest.TestCase):
    def test_in_order_and_once(self):
        policy = {"description": 'a "b"', "created": "2015-02-06", "document": {"Version": "2012-10-17", "Statement": []}}
        with tempfile.TemporaryDirectory() as folder:
            def write(name, policies):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    json.dump(policies, file)

            write("a.json", {"Zoo": policy, "service-role/Ape": policy})
            write("b.json", {"Bear": policy})
            found = gen_managed.read_managed(folder)
            self.assertEqual(list(found), ["Bear", "Zoo", "service-role/Ape"])  # as the program searches them
            text = gen_managed.source_file(found)
            self.assertIn('STR_INIT("a \\"b\\"")', text)
            self.assertIn(".created_ms = 1423180800000, .updated_ms = 1423180800000, .version = 1", text)
            write("c.json", {"Zoo": policy})
            self.assertRaises(GeneratorError, gen_managed.read_managed, folder)
            write("c.json", {"Old": {**policy, "document": {"Version": "2008-10-17"}}})
            self.assertRaises(GeneratorError, gen_managed.read_managed, folder)

    def test_ids_are_made_of_names(self):
        self.assertRegex(gen_managed.policy_id("X"), "^ANPA[A-Z2-7]{17}$")
        self.assertEqual(gen_managed.policy_id("X"), gen_managed.policy_id("X"))


if __name__ == "__main__":
    unittest.main()
