"""Where private keys are in memory: only in the keeper, and there only in locked, non-dumped pages.

Reads /proc/PID/mem of every process of signpostd, during load and after it, and looks for d, p, q, dp, dq and qinv of the RSA
key (big and little endian, the beginning, the middle and the end of each), for the seed of the Ed25519 key and what it
expands to, and for the text and the DER of the key files.
"""
import base64
import os
import re
import time

import pytest

from lib import keys, milter, procs
from lib.daemon import Daemon, is_sanitized
from lib.load import Load

PIECE = 24
SNAPSHOTS = 4      # during load: what a signature leaves on a stack comes and goes


def pieces(value):
    """The beginning, the middle and the end of VALUE, PIECE octets each."""
    middle = max(0, len(value) // 2 - PIECE // 2)
    return {value[:PIECE], value[middle:middle + PIECE], value[-PIECE:]}


def patterns(key, label=None):
    """name -> set of octets that give the secret away: its numbers in both orders, PEM lines, base64 and DER."""
    label, found = label or key.kind, {}
    for name, value in keys.secrets(key).items():
        found[f"{label} {name} big-endian"] = pieces(value)
        found[f"{label} {name} little-endian"] = pieces(value[::-1])
    lines = key.path.read_bytes().split(b"\n")[1:-2]
    if key.kind == "ed25519":
        found[f"{label} PEM"] = {lines[0][-PIECE:]}     # before it: the same in every Ed25519 key
    else:
        secret = lines[len(lines) // 3:]                # before it: the modulus, which everybody knows
        found[f"{label} PEM"] = {line[:PIECE] for line in secret if len(line) >= PIECE}
        der = base64.b64decode(b"".join(lines))
        found[f"{label} DER"] = {der[at:at + PIECE] for at in range(len(der) // 3, len(der) - PIECE, 97)}
    return found


def mappings(pid):
    """[(start, end, permissions, name, VmFlags)] of PID."""
    result = []
    for line in open(f"/proc/{pid}/smaps"):
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)$", line)
        if head:
            result.append([int(head.group(1), 16), int(head.group(2), 16), head.group(3), head.group(4), set()])
        elif line.startswith("VmFlags:"):
            result[-1][4] = set(line.split()[1:])
    return result


def shadow(mapping):
    """The address sanitizer's terabytes: not memory of the program."""
    return mapping[1] - mapping[0] > 1 << 32


def search(pid, wanted):
    """[(name of the secret, mapping)] for every hit in the memory of PID."""
    hits = []
    try:
        file, found = open(f"/proc/{pid}/mem", "rb", 0), mappings(pid)
    except OSError:
        return []       # it has ended
    with file as memory:
        for mapping in found:
            start, end, permissions, label, _ = mapping
            if not permissions.startswith("r") or label in ("[vvar]", "[vsyscall]") or shadow(mapping):
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            hits += [(name, mapping) for name, octets in wanted.items() if any(o in data for o in octets)]
    return hits


def show(mapping):
    return f"{mapping[0]:x}-{mapping[1]:x} {mapping[2]} {mapping[3]} {' '.join(sorted(mapping[4]))}"


def is_keeper(pid):
    return procs.comm(pid).startswith("sp-keeper") or b"signpostd: keeper" in open(f"/proc/{pid}/cmdline", "rb").read()


class Found:
    """What the searches found: good in locked pages of the keeper that are not dumped, wrong anywhere else."""

    def __init__(self, daemon, wanted):
        self.daemon, self.wanted = daemon, wanted
        self.good, self.wrong, self.searches = set(), set(), 0

    def look(self):
        self.searches += 1
        for pid in self.daemon.tree():
            for secret, mapping in search(pid, self.wanted):
                if is_keeper(pid) and {"lo", "dd"} <= mapping[4]:
                    self.good.add(secret)
                else:
                    self.wrong.add(f"{secret} in {procs.comm(pid)} ({pid}): {show(mapping)}")
        return self


def glance(keeper, chosen, seconds=5):
    """Many quick looks at what is not locked in the keeper: stacks above all, the top of each. Any 16 octets of a number, at
    an address that a word may have. Answers (hits, number of looks)."""
    wanted = {octets[at:at + 16]: f"{key.kind} {name}" for key in chosen for name, value in keys.secrets(key).items()
              for octets in (value, value[::-1]) for at in range(0, len(octets) - 15, 8)}
    places = [m for m in mappings(keeper) if "w" in m[2] and not {"lo", "dd"} <= m[4]]
    hits, looks, end = set(), 0, time.monotonic() + seconds
    with open(f"/proc/{keeper}/mem", "rb", 0) as memory:
        while time.monotonic() < end:
            looks += 1
            for place in places:
                start = max(place[0], place[1] - (128 << 10))
                memory.seek(start)
                data = memory.read(place[1] - start)
                words = {data[at:at + 16] for at in range(0, len(data) - 15, 8)}
                hits |= {f"{wanted[octets]} in {show(place)}" for octets in words & wanted.keys()}
    return hits, looks


def message(domain):
    return f"From: a@{domain}\r\nTo: b@sink.test\r\nSubject: x\r\n\r\nbody\r\n".encode()


@pytest.fixture
def site(program, folder, shared_keys):
    """A daemon that signs with keys of both kinds; its key files may be replaced."""
    if os.geteuid() != 0:
        pytest.skip("reading /proc/PID/mem of others needs root")
    if is_sanitized(program):
        pytest.skip("the address sanitizer makes mlock() do nothing")
    chosen = {"rsa.test": shared_keys["rsa2048"], "ed.test": shared_keys["ed25519"]}
    settings = {"KeyTable": f"file:{folder}/KeyTable", "SigningTable": f"refile:{folder}/SigningTable", "Mode": "s"}
    for domain, key in chosen.items():
        (folder / f"{domain}.private").write_bytes(key.path.read_bytes())
    (folder / "KeyTable").write_text("".join(f"{d} {d}:sel:{folder}/{d}.private\n" for d in chosen))
    (folder / "SigningTable").write_text("".join(f"*@{d} {d}\n" for d in chosen))
    with Daemon(program, folder, settings) as running:
        yield running, chosen


@pytest.mark.signpost("opendkim keeps keys in one process, on the heap")
def test_only_locked_pages_of_the_keeper(site):
    daemon, chosen = site
    found = Found(daemon, {name: octets for key in chosen.values() for name, octets in patterns(key).items()})
    with Load(daemon.address, [message(d) for d in chosen]) as load:
        load.wait(300, log=daemon.log)
        for _ in range(SNAPSHOTS):
            found.look()
        seen, looks = glance([p for p in daemon.tree() if is_keeper(p)][0], chosen.values())
        found.wrong |= seen
    found.look()
    print(f"\n{found.searches} searches of everything, {looks} glances at unlocked pages of the keeper, {load.total()} messages signed; in locked pages of the keeper: "
          f"{', '.join(sorted(found.good)) or 'nothing'}; elsewhere: {len(found.wrong)}")
    assert not found.wrong, "\n".join(sorted(found.wrong))
    assert any(s.startswith("rsa") for s in found.good) and any(s.startswith("ed25519") for s in found.good), \
        "the search found no key at all: it proves nothing"


@pytest.mark.signpost("opendkim reads a key file again for every message and wipes nothing")
def test_a_replaced_key_is_wiped(site):
    """Both key files are replaced under load: soon no octet of the old keys is left in any process."""
    daemon, chosen = site
    old = {name: octets for key in chosen.values() for name, octets in patterns(key, "old " + key.kind).items()}
    with Load(daemon.address, [message(d) for d in chosen]) as load:
        load.wait(300, log=daemon.log)
        assert Found(daemon, old).look().good, "the old keys were never there: the search proves nothing"
        fresh = {}
        for domain, key in chosen.items():
            fresh[domain] = keys.make_key(key.kind, daemon.folder / f"{domain}.next")
            fresh[domain].path.rename(daemon.folder / f"{domain}.private")
            fresh[domain].path = daemon.folder / f"{domain}.private"
        load.wait(500, log=daemon.log)
        during = Found(daemon, old).look()
    after = Found(daemon, old).look()
    new = Found(daemon, {n: o for key in fresh.values() for n, o in patterns(key, "new " + key.kind).items()}).look()
    print(f"\nold keys after the replacement: under load {sorted(during.good | during.wrong) or 'nothing'}, "
          f"idle {sorted(after.good | after.wrong) or 'nothing'}; new keys found: {len(new.good)} patterns")
    assert not after.good and not after.wrong, sorted(after.good) + sorted(after.wrong)
    assert not during.good and not during.wrong, sorted(during.good) + sorted(during.wrong)
    assert new.good and not new.wrong, sorted(new.wrong)


def test_the_search_can_find(program, folder, shared_keys):
    """The control: in any program that signs with a KeyFile the search finds the key somewhere."""
    if os.geteuid() != 0:
        pytest.skip("reading /proc/PID/mem of others needs root")
    if is_sanitized(program):
        pytest.skip("the searches that it is the control of are left out")
    key = shared_keys["rsa2048"]
    with Daemon(program, folder, {"Domain": "rsa.test", "KeyFile": key.path, "Selector": "sel"}) as running:
        for _ in range(5):
            assert milter.one_shot(running.address, message("rsa.test"))[0].signed
        hits = [h for pid in running.tree() for h in search(pid, patterns(key))]
    assert hits
