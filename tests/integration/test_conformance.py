"""One suite for all: the same cases for every kind of data set and key store, of lib/sources.py.

Three answers are never merged: found, absent, unavailable; and what goes wrong is said in a sentence that names the place,
says what to do and shows no password. A case that a kind cannot have (a file has no certificate) is not made for it.
A new kind is one row of sources.KINDS; a new case is a function below and its row in CASES.
"""
import re
import time

import pytest

from lib import ldapstore, patience, slapd, sources

pytestmark = pytest.mark.signpost("the backends are ours")

ROWS = {"a.test": "va", "b.test": "two:with:colons", "c.test": "3"}
THREADS, EACH = 8, 50
# What tells somebody what to do, at 3 a.m.
ADVICE = re.compile(r"\b(check|correct|give|use|end that one|run 'signpost|may UserID|let UserID|write to) |(is|does) (the server|it) .*\?",
                    re.IGNORECASE)


@pytest.fixture(scope="module")
def world(module_folder):
    if sources.missing():
        pytest.skip(sources.missing())
    one = sources.World(module_folder)
    yield one
    one.stop()


def sentence(source, answer, status="unavailable", *says):
    """ANSWER is STATUS and no other, and its sentence is one that helps."""
    print(f"  {answer.text}")
    assert answer.status == status, answer
    assert source.place is None or str(source.place) in answer.text, f"the place is not named: {answer.text}"
    assert ADVICE.search(answer.text), f"not what to do: {answer.text}"
    for word in says:
        assert word in answer.text, f"{word}: {answer.text}"
    unseen(answer.text)


def unseen(text):
    for secret in (sources.PASSWORD, sources.PASSWORD[:5], sources.WRONG, slapd.BIND_PASSWORD, ldapstore.GATEWAY_PASSWORD,
                   ldapstore.ADMIN_PASSWORD):
        assert secret not in text, "a password is shown"


def bounded(began, source, questions):
    """QUESTIONS that each waited for a silent server would take far longer than some that do and many that are refused."""
    patience.check(time.monotonic() - began, source.limit_s, questions * source.limit_s, f"{questions} questions")


def back(client):
    """The server is there again, and it is noticed without anybody's help."""
    end = time.monotonic() + patience.seconds(60)
    while (answer := client.look("a.test")).status != "ok":
        assert answer.status == "unavailable" and time.monotonic() < end, answer
        time.sleep(0.05)
    assert answer.value == "va"


# ---- the cases ----

def found_and_absent(source):
    source.put(ROWS)
    with source.open() as client:
        for name, value in ROWS.items():
            answer = client.look(name)
            assert (answer.status, answer.value) == ("ok", value), answer
        for name in ("d.test", "test", ".test", "a.test.", "aa.test", ""):
            assert client.look(name).status == "absent", name
        assert client.look("a.test").value == "va"


def long_values(source):
    most = "k" * source.long_bytes
    source.put({"a.test": "va", "long.test": most})
    with source.open() as client:
        assert client.look("long.test").value == most
        assert client.look("a.test").value == "va"


HOSTILE = ["'", "' OR '1'='1", '"', "*", "(", ")", "*)(uid=*", b"a.test\0", b"\0a.test", b"a.test\0.b", "\u00e9.test", "a\u0300.test",
           "\U0001f600", b"\xff\xfe", b"\xc0\xaf", "\\", "\\2a", "%", "_.test", ";--", "`", "?.test", "$d", "$D", "[a].test", "a,b", "a=b",
           "a b", "x" * 1000, "a.test" + "." * 994, "x" * 4096]


def hostile_names(source):
    """They are nothing but names: of what is not there, and then of what is."""
    source.put(ROWS)
    with source.open() as client:
        for name in HOSTILE:
            assert client.look(name).status == "absent", name
            assert source.find(client, name).status == "absent", name
        if isinstance(source, sources.Keys):
            assert client.look("x" * 4097).status == "absent"
        else:
            answer = client.look("x" * 4097)
            assert answer.status == "invalid" and "KeyTable" in answer.text and "4097 octets" in answer.text, answer
    names = [name for name in HOSTILE if source.holds(name) and len(name) <= 1000 and name != "$D"]
    assert len(names) >= 10
    source.put_names(names)
    with source.open() as client:
        values = {name: source.find(client, name).value for name in names}
        assert None not in values.values() and len(set(values.values())) == len(names), values


def concurrent(source):
    source.put(ROWS)
    with source.open() as client:
        assert client.crowd(THREADS, EACH, "a.test")["answered"] == THREADS * EACH


def killed_in_the_middle(source):
    """kill -9 of the server while it is asked; then it is away; then it is back."""
    source.put(ROWS)
    with source.open() as client:
        back(client)
        with source.silent():
            client.begin("a.test")
            source.server.kill()
        sentence(source, client.finish())
        began = time.monotonic()
        counts = client.crowd(THREADS, EACH, "a.test")
        assert counts["answered"] == 0 and counts["unavailable"] == THREADS * EACH, counts
        bounded(began, source, EACH)
        with source.open() as late:         # a start without the server is a start
            sentence(source, late.look("a.test"))
            source.server.start()
            back(late)
        back(client)
        assert client.look("d.test").status == "absent"


def restarted(source):
    """Between two questions: nobody notices."""
    source.put(ROWS)
    with source.open() as client:
        back(client)
        source.server.kill()
        source.server.start()
        assert client.look("a.test").value == "va"


def slow(source):
    """It is there and says nothing: one question waits, as long as one may, and the others are answered."""
    source.put(ROWS)
    with source.open(**source.impatient) as client:
        back(client)
        with source.silent():
            sentence(source, client.look("a.test"))
            began = time.monotonic()
            counts = client.crowd(THREADS, EACH, "a.test")
            assert counts["answered"] == 0 and counts["unavailable"] == THREADS * EACH, counts
            bounded(began, source, EACH)
        back(client)


def locked(source):
    """Another process writes and does not end: a question waits, as long as one may."""
    source.put(ROWS)
    with source.open() as client:
        back(client)
        with source.silent():
            sentence(source, client.look("a.test"))
        back(client)


def wrong_password(source):
    source.put(ROWS)
    with source.open(password=sources.WRONG) as client:
        sentence(source, client.look("a.test"), "unavailable", "assword")
        sentence(source, client.look("d.test"), "unavailable", "assword")
        unseen(client.close())


def expired_certificate(source):
    source.put(ROWS)
    with source.expired():
        with source.open() as client:
            sentence(source, client.look("a.test"), "unavailable", "certificate", "TLSCAFile")
            unseen(client.close())


def read_only_replica(source):
    """Whoever only asks does not notice; who writes is told where to."""
    source.put(ROWS)
    with source.read_only():
        with source.open() as client:
            assert client.look("a.test").value == "va" and client.look("d.test").status == "absent"
        if isinstance(source, sources.Keys):
            with source.write() as store:
                sentence(source, store.apply(("put", "tenant", {"name": "acme"})), "unavailable", "replica")
                assert store.ask("keys", "a.test").status == "ok"


def schema_missing(source):
    source.put(ROWS)
    with source.open_without_schema() as client:
        sentence(source, client.look("a.test"))
        sentence(source, client.look("d.test"))


def file_missing(source):
    with source.open_without_file() as client:
        sentence(source, client.look("a.test") if source.distant else client.receive(), source.without_file)


# (case, what a kind must have for it)
CASES = [(found_and_absent, ()), (long_values, ()), (hostile_names, ()), (concurrent, ()),
         (killed_in_the_middle, ("server",)), (restarted, ("server",)), (slow, ("server",)), (locked, ("locked_file",)),
         (wrong_password, ("passwords",)), (expired_certificate, ("expired",)), (read_only_replica, ("read_only",)),
         (schema_missing, ("open_without_schema",)), (file_missing, ("open_without_file",))]


@pytest.mark.parametrize("name, case", [pytest.param(name, case, id=f"{name}-{case.__name__}") for name, kind in sources.KINDS.items()
                                        for case, needs in CASES if all(hasattr(kind, need) for need in needs)])
def test_conformance(world, name, case):
    reason = sources.KINDS[name].missing()
    if reason:
        pytest.skip(reason)
    world.mend()
    case(world.source(name))
