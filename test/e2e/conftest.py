import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from kumoniwa import Cloud  # noqa: E402


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """One program for all tests that only use it; each makes queues of its own. Ends with a clean shutdown."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="session")
def strict(tmp_path_factory):
    """Refuses access keys that it did not issue."""
    with Cloud(tmp_path_factory.mktemp("strict"), "--auth", "strict") as made:
        yield made


@pytest.fixture(scope="session")
def secure(tmp_path_factory):
    """HTTPS, by the program's own certificate authority."""
    with Cloud(tmp_path_factory.mktemp("secure"), tls=True) as made:
        yield made


@pytest.fixture
def own(tmp_path):
    """A cloud for one test alone: to kill, to restart, to reset."""
    with Cloud(tmp_path / "own") as made:
        yield made


@pytest.fixture
def make_cloud(tmp_path):
    """Clouds with flags of the test's choice; started by the test, ended here."""
    made = []

    def make(*flags, name=None, **more):
        cloud = Cloud(tmp_path / (name or f"cloud-{len(made)}"), *flags, **more)
        made.append(cloud)
        return cloud

    yield make
    for cloud in made:
        cloud.close()


names = itertools.count(1)


@pytest.fixture
def name(request):
    """A queue name that no other test of this run has."""
    plain = "".join(c if c.isalnum() else "-" for c in request.node.name)[:50]
    return f"{plain}-{next(names)}"


@pytest.fixture
def sqs(cloud):
    return cloud.client("sqs")


@pytest.fixture
def queue(sqs, name):
    return sqs.create_queue(QueueName=name)["QueueUrl"]


@pytest.fixture
def fifo(sqs, name):
    return sqs.create_queue(QueueName=name + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]


@pytest.fixture
def s3(cloud):
    return cloud.client("s3")


@pytest.fixture
def bucket(s3, name):
    """A bucket of this test's own, empty."""
    s3.create_bucket(Bucket=name.lower())
    return name.lower()
