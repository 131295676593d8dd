"""Several queries of a table in one search: the same answers as one after the other gives, whatever the filter, the
matching rule and the values."""
import random
import subprocess
from pathlib import Path

import pytest

from lib import ldapstore, procs, slapd
from lib.keystores import coded

DRIVER = ldapstore.BUILD / "tests/conformance/table_driver"
pytestmark = [pytest.mark.signpost("a table of ours"),
              pytest.mark.skipif(slapd.program() is None or not DRIVER.exists(), reason="slapd or table_driver is not there")]

# Few letters, so that much is equal, or nearly: case, width, composition, blanks, wildcards.
TEXTS = ["a", "A", "b", "a.b", ".b", "b@a", "B@a", "*", "*@a", "a b", "a  b", " a", "é", "e\u0301", "ａ", "(a)", "a\\b", "ab", "x" * 300]


def entries(number):
    rnd = random.Random(number)
    out = [slapd.ldif("dc=x", [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "x"), ("o", "x")])]
    for n in range(40):
        pairs = [("objectClass", "organizationalRole"), ("objectClass", "looseRecord"), ("cn", f"e{n}"), ("DKIMSelector", f"v{n}"),
                 ("l", rnd.choice(TEXTS))]
        # ou: compared without case, several values; DKIMIdentity: exact, one value
        pairs += [("ou", text) for text in rnd.sample(["a", "b", "a.b", ".b", "b@a", "é", "*@a", "(a)"], rnd.randrange(1, 3))]
        ascii_only = [t for t in TEXTS if t.isascii()]
        pairs.append(("DKIMIdentity", rnd.choice(ascii_only)))
        if n % 3 == 0:
            pairs.append(("description", "marked"))
        out.append(slapd.ldif(f"cn=e{n},dc=x", pairs))
    return "".join(out)


FILTERS = ["(DKIMIdentity=$d)", "(ou=$d)", "(l=$d)", "(&(objectClass=looseRecord)(DKIMIdentity=$d))", "(&(ou=$d)(description=marked))",
           "(&(ou=$d)(!(description=marked)))", "(|(ou=$d)(DKIMIdentity=$d))", "(ou=$d*)", "(noSuchAttribute=$d)", "(&(ou=$d)(cn=e1*))",
           "(2.5.4.11=$d)", "(name=$d)"]


@pytest.fixture(scope="module", params=[1, 2, 3])
def directory(request, module_folder):
    one = slapd.Slapd(module_folder, name=f"many{request.param}")
    one.load(entries(request.param))
    one.start()
    yield one
    one.stop()


@pytest.mark.parametrize("text", FILTERS)
def test_together_as_alone(directory, text):
    rnd = random.Random(text)
    lines = []
    for _ in range(150):
        # half of the questions have keys that differ clearly, as those of a ladder do
        some = ["a", "b", "a.b", ".b", "b@a", "*@a", "*", "none", "c"] if rnd.randrange(2) else TEXTS + ["none", "c"]
        keys = [rnd.choice(some) for _ in range(rnd.randrange(1, 17))]
        lines.append(" ".join(["compare", str(rnd.choice([1, 1, 2, 16])), *(coded(k) for k in keys)]))
    done = subprocess.run([DRIVER, f"{directory.url}/dc=x?DKIMSelector?sub?{text}"], input="\n".join(lines) + "\n", capture_output=True,
                          text=True, timeout=120)
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), done.stderr
    wrong = [pair for pair in zip(lines, answers) if "instead of" in pair[1]]
    assert not wrong, wrong[:3]
    found = sum("=" in answer for answer in answers)
    print(f"{text}: {found} of {len(lines)} questions found something")


def test_away(directory):
    """Unavailable for all of them, not absent."""
    url = f"ldap://127.0.0.1:{procs.free_port()}/dc=x?DKIMSelector?sub?(DKIMIdentity=$d)"
    done = subprocess.run([DRIVER, url], input="compare 3 a b c\n", capture_output=True, text=True, timeout=30)
    assert done.stdout == "unavailable\n", done


def test_one_search_for_all(directory):
    """What it is for: the server sees one search."""
    folder = Path(directory.folder)
    directory.stop()
    directory.process = procs.Process([slapd.program(), "-d", "256", "-h", f"{directory.url}/", "-f", folder / "slapd.conf"],
                                      folder / "stats.log", cwd=folder)
    procs.wait_connect(("127.0.0.1", directory.port), 20, directory.process)
    for text, expected in (("(DKIMIdentity=$d)", 1), ("(|(ou=$d)(cn=$d))", 5)):
        before = directory.process.output().count(" SRCH base=")
        done = subprocess.run([DRIVER, f"{directory.url}/dc=x?DKIMSelector?sub?{text}"], input="compare 1 n1 n2 n3 n4 n5\n",
                              capture_output=True, text=True, timeout=30)
        assert done.stdout == "absent\n"
        assert procs.wait_until(lambda: directory.process.output().count(" SRCH base=") - before >= expected + 5)
        # and five more, one after the other, which the driver asks to compare
        assert directory.process.output().count(" SRCH base=") - before == expected + 5, text
    directory.stop()
    directory.start()
