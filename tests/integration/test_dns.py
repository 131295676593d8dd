"""resolver_unbound against real servers: BIND, unbound, and servers that are late, silent or gone.

tests/tools/dns_probe asks and prints what it was told; -s enters the front-ends' sandbox before the first question.
"""
import json
import os
import subprocess
import time

import pytest

from lib import daemon, dnsservers, patience, procs

BUILD = os.environ.get("SIGNPOST_BUILD") or os.environ.get("BUILDDIR") or "."
PROBE = os.path.join(BUILD, "tests", "tools", "dns_probe")
AMPLE_MS = int(patience.seconds(60)) * 1000      # where the DNS answers, however slow the machine is
LONG = "".join(chr(ord("a") + i % 26) for i in range(3000))

RECORDS = "\n".join([
    'plain TXT "v=DKIM1; k=rsa; p=MIGf"',
    'strings TXT "v=DKIM1; " "k=rsa; " "p=MIGf"',
    'records TXT "first"\nrecords TXT "second" "half"',
    "long " + dnsservers.txt(LONG),
    "huge " + dnsservers.txt("x" * 60000),
    'alias CNAME target.other.example.net.',
    'chain CNAME link\nlink CNAME plain',
    "address A 192.0.2.1",
    'odd TXT "quote \\" backslash \\\\ \\000\\255"',
    'broken TXT "never given"',
])


@pytest.fixture(scope="module", autouse=True)
def needed():
    reason = dnsservers.missing()
    if reason is None and not os.path.exists(PROBE):
        subprocess.run(["make", "-s", "-C", BUILD, "tests/tools/dns_probe"], capture_output=True)
    if reason is None and not os.path.exists(PROBE):
        reason = f"there is no {PROBE}"
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def sanitized():
    return daemon.find_program() is not None and daemon.is_sanitized(PROBE)


class World:
    """A signed zone with an unsigned one below it and one whose signature is wrong, in BIND, and an unbound before it."""

    def __init__(self, folder):
        self.folder = folder
        unsigned = dnsservers.zone("unsigned.example.com", 'plain TXT "unsigned"')
        text = dnsservers.zone("example.com", RECORDS + "\nunsigned NS ns.unsigned\nns.unsigned A 127.0.0.1")
        signed, self.anchor = dnsservers.sign(folder, "example.com", text)
        signed = dnsservers.break_signatures(signed, "broken.example.com")
        self.anchors = folder / "anchors"
        self.anchors.write_text(self.anchor + "\n")
        other = dnsservers.zone("other.example.net", 'target TXT "of an alias"')
        self.named = dnsservers.Named(folder, {"example.com": signed, "unsigned.example.com": unsigned,
                                               "other.example.net": other}).start()
        self.unbound = dnsservers.Unbound(folder, forward=self.named).start()

    def stop(self):
        self.unbound.stop()
        self.named.stop()


@pytest.fixture(scope="module")
def world(module_folder):
    one = World(module_folder)
    yield one
    one.stop()


def probe(*args, expect=0):
    """(answers by order, costs by name) of a run; (standard error) when it is expected to fail. The last -t counts."""
    done = subprocess.run([PROBE, "-t", str(AMPLE_MS), *[str(a) for a in args]], capture_output=True, text=True,
                          timeout=patience.seconds(240))
    assert done.returncode == expect, done.stderr
    if expect:
        return done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [x for x in lines if "status" in x], {x["cost"]: x for x in lines if "cost" in x}


def ask(server, *args):
    return probe("-n", server, *args)[0]


def check_plain(answer, security="unknown"):
    assert (answer["status"], answer["security"]) == ("ok", security)
    assert [t["text"] for t in answer["texts"]] == ["v=DKIM1; k=rsa; p=MIGf"]


# ---- what is in a zone

@pytest.mark.parametrize("which", ["named", "unbound"])
@pytest.mark.parametrize("options", [[], ["-T"], ["-s"], ["-T", "-s"]], ids=["udp", "tcp", "sandbox", "tcp-sandbox"])
def test_records(world, which, options):
    server = getattr(world, which)
    names = [n + ".example.com" for n in ("plain", "strings", "records", "long", "huge", "alias", "chain", "odd")]
    plain, strings, records, long, huge, alias, chain, odd = ask(server.address, *options, *names)
    check_plain(plain)
    check_plain(strings)
    assert strings["texts"][0]["strings"] == 3
    assert strings["texts"][0]["longest"] == 9
    assert sorted(t["text"] for t in records["texts"]) == ["first", "secondhalf"]
    assert long["texts"][0]["bytes"] == 3000 and long["texts"][0]["text"] == LONG[:60]
    assert huge["status"] == "too big" and not huge["texts"]
    assert alias["alias"] == "target.other.example.net" and alias["texts"][0]["text"] == "of an alias"
    assert chain["alias"] == "plain.example.com"
    check_plain(chain)
    assert odd["texts"][0]["text"] == 'quote " backslash \\ \0\xff'


@pytest.mark.parametrize("which", ["named", "unbound"])
def test_absent(world, which):
    nothing, address = ask(getattr(world, which).address, "nothing.example.com", "address.example.com")
    assert (nothing["status"], nothing["exists"]) == ("absent", False)
    assert (address["status"], address["exists"]) == ("absent", True)
    assert 0 < nothing["ttl"] <= 300


def test_ipv6_and_lists_of_servers(world):
    check_plain(ask(world.named.address6, "plain.example.com")[0])
    check_plain(ask(f"127.0.0.1@{world.named.port}, ::1@{world.named.port}", "plain.example.com")[0])


def test_cache(world):
    before = world.named.queries("plain.example.com")
    answers = ask(world.named.address, "-k", 5, "plain.example.com")
    assert [a["status"] for a in answers] == ["ok"] * 5
    assert world.named.queries("plain.example.com") == before + 1
    before = world.named.queries("gone.example.com")
    assert [a["status"] for a in ask(world.named.address, "-k", 5, "gone.example.com")] == ["absent"] * 5
    assert world.named.queries("gone.example.com") == before + 1


def test_one_question_for_equal_names():
    with dnsservers.Scripted(lambda query: dnsservers.response(query, ["x"]), delay=0.3) as server:
        answers = ask(server.address, "-p", 50, "-k", 50, "same.example.org")
        assert [a["status"] for a in answers] == ["ok"] * 50
        assert server.names.count("same.example.org") == 1


def test_what_is_left_of_a_ttl(world):
    """An answer out of libunbound's own cache says what is left, an absence by the SOA: nobody keeps it for longer."""
    answers = ask(world.named.address, "-k", "2", "-i", "1300", "plain.example.com", "nothing.example.com")
    for name in ("plain.example.com", "nothing.example.com"):
        first, second = (a for a in answers if a["name"] == name)
        assert 0 < second["ttl"] < first["ttl"] <= 300


# ---- DNSSEC

@pytest.mark.parametrize("options", [[], ["-s"]], ids=["plain", "sandbox"])
def test_dnssec(world, options):
    names = [n + ".example.com" for n in ("plain", "nothing", "plain.unsigned", "broken")] + ["target.other.example.net"]
    plain, nothing, unsigned, broken, other = ask(world.named.address, "-a", world.anchors, *options, *names)
    check_plain(plain, "secure")
    assert (nothing["status"], nothing["security"]) == ("absent", "secure")
    assert (unsigned["status"], unsigned["security"]) == ("ok", "insecure")
    assert (broken["status"], broken["security"], broken["texts"]) == ("unavailable", "bogus", [])
    assert "validation failure" in broken["why"]
    assert (other["status"], other["security"]) == ("ok", "insecure")


def test_without_an_anchor_nobody_looks(world):
    plain, broken = ask(world.named.address, "plain.example.com", "broken.example.com")
    check_plain(plain, "unknown")
    assert (broken["status"], broken["security"]) == ("ok", "unknown")


# ---- configuration

def typical(world, folder, anchors):
    """The kind of file that a resolver has, written by us: sections, includes, and what only a server needs."""
    parts = folder / "unbound.conf.d"
    parts.mkdir()
    (parts / "anchor.conf").write_text(f'server:\n    # kept up to date\n    auto-trust-anchor-file: "{anchors}"\n')
    (parts / "more.conf").write_text("server:\n    qname-minimisation: yes\n    prefetch: yes\n")
    conf = folder / "unbound.conf"
    conf.write_text(f"""
server:
    verbosity: 1
    num-threads: 2
    interface: 127.0.0.1
    access-control: 127.0.0.0/8 allow
    chroot: "{folder}"
    username: "unbound"
    directory: "{folder}"
    logfile: "{folder}/unbound.log"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    outgoing-range: 8192
    num-queries-per-thread: 4096
    so-rcvbuf: 1m
    msg-cache-size: 8m
    hide-identity: yes
    do-not-query-localhost: no
include-toplevel: "{parts}/*.conf"
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{world.named.port}
""")
    return conf


@pytest.mark.parametrize("options", [[], ["-s"]], ids=["plain", "sandbox"])
def test_resolver_configuration(world, folder, options):
    anchors = folder / "root.key"
    anchors.write_text(world.anchor + "\n")
    conf = typical(world, folder, anchors)
    answers, costs = probe("-r", conf, *options, "plain.example.com", "broken.example.com")
    check_plain(answers[0], "secure")
    assert answers[1]["security"] == "bogus"
    assert anchors.read_text() == world.anchor + "\n", "the anchor is the system's and was written"
    assert sorted(os.listdir(folder)) == ["root.key", "unbound.conf", "unbound.conf.d"]
    assert costs["answered"]["fds"] < 20


@pytest.mark.parametrize("arguments, words", [
    (["-n", "ns.example.com"], ["Nameservers", '"ns.example.com"']),
    (["-a", "FOLDER/none"], ["TrustAnchorFile", "No such file"]),
    (["-a", "FOLDER/nonsense"], ["TrustAnchorFile", "FOLDER/nonsense"]),
    (["-r", "FOLDER/none"], ["ResolverConfiguration", "No such file"]),
    (["-r", "FOLDER/nonsense"], ["ResolverConfiguration", "syntax error"]),
    (["-r", "FOLDER/badanchor"], ["ResolverConfiguration", "FOLDER/none"]),
])
def test_mistakes_are_named(folder, arguments, words):
    (folder / "nonsense").write_text("server:\n  nonsense: yes\n")
    (folder / "badanchor").write_text(f'server:\n  trust-anchor-file: "{folder}/none"\n')
    said = probe(*[a.replace("FOLDER", str(folder)) for a in arguments], "a.example.com", expect=1)
    for word in words:
        assert word.replace("FOLDER", str(folder)) in said


# ---- servers that are no help

@pytest.mark.parametrize("rcode, why", [(2, "SERVFAIL"), (5, "SERVFAIL"), (4, "SERVFAIL")],
                         ids=["servfail", "refused", "notimp"])
def test_errors_of_servers(rcode, why):
    with dnsservers.Scripted(lambda query: dnsservers.response(query, rcode=rcode)) as server:
        answer, = ask(server.address, "a.example.org")
    assert (answer["status"], answer["why"]) == ("unavailable", why)


def test_octets_that_are_no_answer():
    def torn(query):
        return dnsservers.response(query, ["x" * 200]).to_wire()[:-20]
    with dnsservers.Scripted(torn) as server:
        answer, = ask(server.address, "-t", 3000, "a.example.org")
    assert (answer["status"], answer["why"]) == ("unavailable", "SERVFAIL")


def test_truncated_answers_come_by_tcp():
    with dnsservers.Scripted(lambda query: dnsservers.response(query, [LONG])) as server:
        answer, = ask(server.address, "a.example.org")
        assert answer["texts"][0]["bytes"] == 3000
        assert server.asked_tcp == 1


# libunbound gives up by itself after five seconds or so, and says SERVFAIL.

def test_time_limit():
    with dnsservers.Scripted(lambda query: None) as server:
        answers = ask(server.address, "-t", 700, "-p", 2, "a.example.org", "b.example.org")
    for answer in answers:
        assert (answer["status"], answer["why"]) == ("unavailable", "no answer in 0.7 s")
        assert 700_000 <= answer["us"]


def test_nobody_listens():
    answer, = ask(f"127.0.0.1:{dnsservers.free_port()}", "-t", 2000, "a.example.org")
    assert (answer["status"], answer["why"]) == ("unavailable", "no answer in 2 s")


def test_a_server_that_comes_back():
    """Dead for longer than it takes to be given up; asked every quarter of a second."""
    silent = dnsservers.Scripted(lambda query: None).start()
    run = subprocess.Popen([PROBE, "-n", silent.address, "-t", "500", "-i", "250", "-k", "800", "n%d.example.org"],
                           stdout=subprocess.PIPE, text=True)
    time.sleep(9)
    silent.stop()
    with dnsservers.Scripted(lambda query: dnsservers.response(query, ["back"]), port=silent.port):
        back = time.monotonic()
        while time.monotonic() - back < patience.below(120):
            line = run.stdout.readline()
            if not line or '"status":"ok"' in line:
                break
        waited = time.monotonic() - back
        assert '"status":"ok"' in line
        run.kill()
        run.wait()
    print(f"   the server answered for {waited:.1f} s before it was believed")
    # libunbound asks it again every three seconds, and not after a quarter of an hour (infra-host-ttl).
    patience.check(waited, 3, 120, "a server that is back and not believed")


# ---- many questions

def test_many_at_once():
    """200 questions to a forwarder that takes 200 ms for each."""
    with dnsservers.Scripted(lambda query: dnsservers.response(query, ["x"]), delay=0.2) as server:
        answers, costs = probe("-n", server.address, "-p", 200, "-k", 200, "n%d.example.org")
    assert [a["status"] for a in answers] == ["ok"] * 200
    print(f"   200 questions at 200 ms each: {costs['answered']['wall_ms']} ms")
    patience.check(costs["answered"]["wall_ms"] / 1000, 0.5, 200 * 0.2, "200 questions, one after the other,")


def test_a_silent_server_costs_nothing_that_stays(sanitized):
    """10,000 questions at once, then 10,000 one after the other of 500 open ones: descriptors and memory stay."""
    with dnsservers.Scripted(lambda query: None) as server:
        for parallel, limit in ((10000, 1000), (500, 200)):
            _, costs = probe("-n", server.address, "-t", limit, "-p", parallel, "-k", 10000, "-q", "-w", 60000,
                             "n%d.example.org")
            opened, answered, idle = costs["opened"], costs["answered"], costs["idle"]
            print(f"   {parallel} at once: {answered['wall_ms']} ms, {opened['fds']} -> {answered['fds']} -> {idle['fds']} "
                  f"descriptors, {opened['rss_kib']} -> {answered['rss_kib']} -> {idle['rss_kib']} KiB")
            assert answered["fds"] <= opened["fds"] + 560
            assert idle["fds"] <= opened["fds"] + 2
            if not sanitized:
                assert answered["rss_kib"] < opened["rss_kib"] + 40 * 1024


def test_what_it_costs(world, sanitized):
    _, none = probe("-n", world.unbound.address, "-q", "plain.example.com")
    _, cached = probe("-n", world.unbound.address, "-q", "-k", 50000, "plain.example.com")
    _, uncached = probe("-n", world.unbound.address, "-q", "-k", 5000, "n%d.example.com")
    base = none["answered"]["cpu_us"]
    print(f"   cached {(cached['answered']['cpu_us'] - base) / 50000:.1f} us of CPU, uncached "
          f"{(uncached['answered']['cpu_us'] - base) / 5000:.1f} us, open {none['opened']['rss_kib']} KiB "
          f"({none['opened']['rss_kib'] - none['before']['rss_kib']} more)")
    if not sanitized:
        assert (cached["answered"]["cpu_us"] - base) / 50000 < 100


def test_cache_is_bounded(world, sanitized):
    with dnsservers.Unbound(world.folder, settings=['local-zone: "big.example.org" redirect',
                                                    'local-data: "big.example.org TXT ' + "x" * 250 + '"']) as server:
        _, costs = probe("-n", server.address, "-c", 1 << 20, "-q", "-k", 20000, "n%d.big.example.org")
    print(f"   20,000 names in a cache of 1 MiB: {costs['opened']['rss_kib']} -> {costs['answered']['rss_kib']} KiB")
    if not sanitized:
        assert costs["answered"]["rss_kib"] < costs["opened"]["rss_kib"] + 8 * 1024


def test_bind_and_unbound_are_ours_alone(world):
    assert procs.comm(world.named.process.pid) == "named"
    assert world.named.process.poll() is None and world.unbound.process.poll() is None
