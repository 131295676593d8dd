"""Faults while a real MTA sends: processes killed, reloads, keys and tables replaced under several SMTP clients.

The MTA tempfails what the milter cannot answer and the clients send it again, so every message must arrive exactly once,
with one signature that verifies with a key that was in the file while the message was in hand.
"""
import os
import signal
import time

import pytest

from lib import keys, patience, postfix, procs, sendmail, verify
from lib.daemon import Daemon, is_signpost
from lib.mtaload import MtaLoad
from test_faults import FRONT, KEEPER, children_named

DOMAINS = [f"d{n}.test" for n in range(4)]
SELECTORS = ("s1", "s2")
REST = 0.08             # a file that rests for so long may be read (WATCH_SETTLE_MS, and something for the clocks)
READ_AGAIN = 5          # seconds after which the whole file has surely been read instead


class Site:
    """A daemon with tables; log_of_keys says which key was in the file from when to when."""

    def __init__(self, program, folder, two_keys):
        self.folder, self.two_keys = folder, two_keys
        self.changes = []      # (before, after, index of the key)
        self.rested = []       # (begin, end) of the times when half a table may have been in force
        self.put_key(0)
        self.replace("KeyTable", self.key_table("s1"))
        self.replace("SigningTable", self.signing_table(0))
        self.daemon = Daemon(program, folder, {"KeyTable": f"file:{folder}/KeyTable", "Mode": "s", "LogWhy": False,
                                               "SigningTable": f"refile:{folder}/SigningTable"})

    def put_key(self, index):
        new = self.folder / "key.new"
        new.write_bytes(self.two_keys[index].path.read_bytes())
        new.chmod(0o600)
        before = time.monotonic()
        new.rename(self.folder / "key.private")
        self.changes.append((before, time.monotonic(), index))

    def keys_between(self, begun, ended):
        """Indexes of the keys that were in the file at any moment of that time."""
        ends = [after for _, after, _ in self.changes[1:]] + [float("inf")]
        return {index for (before, _, index), end in zip(self.changes, ends) if before <= ended and end >= begun}

    def key_table(self, selector, extra=0):
        return ("".join(f"key-{d} {d}:{selector}:{self.folder}/key.private\n" for d in DOMAINS)
                + "".join(f"extra{n} extra{n}.test:s1:{self.folder}/key.private\n" for n in range(extra)))

    def signing_table(self, extra):
        return "".join(f"*@other{n}.test key-{DOMAINS[0]}\n" for n in range(extra)) + "".join(f"*@{d} key-{d}\n" for d in DOMAINS)

    def replace(self, name, text):
        new = self.folder / (name + ".new")
        new.write_text(text)
        new.rename(self.folder / name)

    def write_in_place(self, name, text):
        """As an editor that truncates: for a moment only half of the table is in the file. When this process was not let
        run for so long that the half was at rest, it was a table, and what it did is nobody's fault."""
        begun = time.monotonic()
        with open(self.folder / name, "w") as file:
            file.write(text[:len(text) // 2])
            file.flush()
            time.sleep(0.02)
            file.write(text[len(text) // 2:])
        if time.monotonic() - begun > REST:
            self.rested.append((begun, time.monotonic() + patience.seconds(READ_AGAIN)))

    def half_a_table_at(self, begun, ended):
        return any(begun <= end and ended >= begin for begin, end in self.rested)

    def wrong_signatures(self, load, by_number):
        """Numbers whose signature verifies with no key that was in the file at that time, and how many were checked against
        one key only."""
        verdicts = []
        for key in self.two_keys:
            records = {f"{s}._domainkey.{d}": key.record for s in SELECTORS for d in DOMAINS}
            answers = verify.VERIFIERS[0].verify({f"m{n}": d.data for n, d in by_number.items()}, records)
            verdicts.append({n for n in by_number if [v for _, v in answers.get(f"m{n}", [])] == ["pass"]})
        wrong, exact = [], 0
        for number in by_number:
            allowed = self.keys_between(*load.times.get(number, (0, float("inf"))))
            exact += len(allowed) == 1
            if not any(number in verdicts[index] for index in allowed):
                wrong.append((number, allowed, [number in v for v in verdicts]))
        return wrong, exact


def kill_children(site, seconds=10, pause=1.0):
    for turn in range(int(seconds / pause)):
        for name in (FRONT, KEEPER):
            victims = children_named(site.daemon, name)
            if victims:
                os.kill(victims[turn % len(victims)], signal.SIGKILL)
        time.sleep(pause)


def reload_often(site, times=100):
    for _ in range(times):
        os.kill(site.daemon.pid, signal.SIGHUP)
        time.sleep(0.05)


def replace_key(site, seconds=5):
    for turn in range(1, int(seconds * 10) + 1):
        site.put_key(turn % 2)
        time.sleep(0.1)


def edit_tables(site, seconds=6):
    """By rename and in place, in turn; the selector changes, and there are more or fewer other entries."""
    for turn in range(int(seconds * 10)):
        write = site.write_in_place if turn % 2 else site.replace
        if turn % 3 == 0:
            write("KeyTable", site.key_table(SELECTORS[turn // 3 % 2], extra=turn * 7 % 40))
        else:
            write("SigningTable", site.signing_table(turn * 5 % 60))
        time.sleep(0.1)


def everything_in_short(site):
    kill_children(site, seconds=3)
    reload_often(site, times=20)
    replace_key(site, seconds=1)
    edit_tables(site, seconds=1)


FAULTS = {"front-end and keeper killed every second for 10 s": kill_children, "SIGHUP 100 times": reload_often,
          "key file replaced every 100 ms": replace_key, "tables edited every 100 ms": edit_tables}


def run(title, site, mta, sink, fault):
    site.daemon.start()
    try:
        with mta, MtaLoad(mta.ports, DOMAINS) as load:
            assert procs.wait_until(lambda: load.counts["taken (250)"] >= 20), (load.counts, load.errors)
            fault(site)
            done = load.counts["taken (250)"]
            assert procs.wait_until(lambda: load.counts["taken (250)"] >= done + 20), \
                f"no mail after the fault is over: {dict(load.counts)} {load.errors[:5]}\n{site.daemon.log()[-3000:]}\n{mta.log()[-3000:]}"
            load.__exit__()
            sink.wait_for(len(load.times))
            time.sleep(0.3)         # for what comes twice
    finally:
        status = site.daemon.stop()
    by_number = load.account(sink.take())
    excused = {n for n, d in by_number.items() if not verify.signature_domains(d.data)
               and site.half_a_table_at(*load.times.get(n, (0, 0)))}
    load.counts["delivered unsigned"] -= len(excused)
    by_number = {n: d for n, d in by_number.items() if n not in excused}
    wrong, exact = site.wrong_signatures(load, by_number)
    load.report(title)
    print(f"   verified {len(by_number)}, {exact} of them while only one key was in the file; wrong {len(wrong)}; "
          f"daemon's end: {status}")
    if site.rested:
        print(f"   half a table rested {len(site.rested)} times on this busy machine; unsigned for that: {len(excused)}")
    bad = {n: load.counts[n] for n in ("refused (5xx)", "connection lost", "given up", "delivered unsigned", "lost", "duplicated")
           if load.counts[n]}
    assert not bad, (bad, load.errors[:5])
    assert "the keeper did not answer in time" not in site.daemon.log(), site.daemon.log()[-1500:]
    assert not wrong, wrong[:5]
    assert status == 0, site.daemon.log()[-1500:]
    return load


@pytest.fixture
def site(program, folder):
    if not is_signpost(program):
        pytest.skip("not with opendkim: it is one process and reads tables only at a reload")
    return Site(program, folder, [keys.make_key("rsa1024", folder / f"{n}.pem") for n in range(2)])


@pytest.mark.parametrize("title", FAULTS)
def test_postfix(site, sink, title):
    if postfix.missing():
        pytest.skip(postfix.missing())
    mta = postfix.Postfix(site.folder, sink.port, [f"inet:127.0.0.1:{site.daemon.port}"])
    load = run(f"Postfix, {title}", site, mta, sink, FAULTS[title])
    if "killed" not in title and not site.rested:
        assert load.counts["tempfailed (4xx)"] == 0, "nothing here is a reason to tempfail"


def test_sendmail(site, sink):
    if sendmail.missing():
        pytest.skip(sendmail.missing())
    run("Sendmail, all faults in short", site, sendmail.Sendmail(site.folder, sink.port, [site.daemon.address]), sink,
        everything_in_short)
