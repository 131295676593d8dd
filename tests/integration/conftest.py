"""Fixtures of the integration tests.

SIGNPOST_BUILD=builddir picks builddir/signpostd; MILTER=/usr/sbin/opendkim (or --milter) runs the same tests against
another program. Marks: needs("...") for what only some programs can do.
"""
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import daemon as daemon_module  # noqa: E402
from lib import keys as key_module  # noqa: E402
from lib import procs  # noqa: E402
from lib.sink import Sink  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--milter", help="the milter program under test (default: $MILTER or $SIGNPOST_BUILD/signpostd)")


def pytest_configure(config):
    if config.getoption("--milter"):
        os.environ["MILTER"] = config.getoption("--milter")
    config.addinivalue_line("markers", "signpost(reason): only signpostd can pass this; skipped for other programs")


def pytest_ignore_collect(collection_path):
    """INTEGRATION_PART=K/N: every Nth file, from the Kth on. setup runs the parts side by side."""
    part, _, parts = os.environ.get("INTEGRATION_PART", "1/1").partition("/")
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    if collection_path in files and files.index(collection_path) % int(parts) != int(part) - 1:
        return True
    return None


def pytest_collection_modifyitems(items):
    program = daemon_module.find_program()
    if program is None or daemon_module.is_signpost(program):
        return
    for item in items:
        mark = item.get_closest_marker("signpost")
        if mark:
            item.add_marker(pytest.mark.skip(reason=f"not with {program.name}: {mark.args[0]}"))


@pytest.fixture(scope="session")
def program():
    found = daemon_module.find_program()
    if found is None:
        pytest.skip("no milter: set SIGNPOST_BUILD or MILTER")
    if not os.access(found, os.X_OK):
        pytest.skip(f"{found} is not there")
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    return found


@pytest.fixture
def folder(request):
    path = procs.make_dir("".join(c if c.isalnum() else "-" for c in request.node.name)[:40])
    yield path
    procs.remove_dir(path)


@pytest.fixture(scope="module")
def module_folder(request):
    path = procs.make_dir(request.module.__name__)
    yield path
    procs.remove_dir(path)


@pytest.fixture
def sink():
    one = Sink()
    yield one
    one.close()


@pytest.fixture(scope="session")
def shared_keys(tmp_path_factory):
    """kind -> Key, made once for the whole run."""
    path = procs.make_dir("keys")
    yield {kind: key_module.make_key(kind, path / f"{kind}.private") for kind in ("rsa1024", "rsa2048", "ed25519")}
    procs.remove_dir(path)
