"""Where private keys are in memory: only in the keeper, and there only in locked, non-dumped pages.

Reads /proc/PID/mem of every process of signpostd after load and looks for d, p and q of the RSA key (big and little endian,
whole and in parts) and for the seed of the Ed25519 key.
"""
import os
import re

import pytest

from lib import keys, milter, procs
from lib.daemon import Daemon
from lib.load import Load

PIECE = 32


def patterns(key):
    """name -> octets to look for: PIECE octets from the middle of each secret number, in both orders; PEM text too."""
    found = {}
    for name, value in keys.secrets(key).items():
        piece = value if len(value) <= PIECE else value[len(value) // 2 - PIECE // 2:len(value) // 2 + PIECE // 2]
        found[f"{key.kind} {name} big-endian"] = piece
        found[f"{key.kind} {name} little-endian"] = piece[::-1]
    lines = key.path.read_bytes().split(b"\n")
    found[f"{key.kind} PEM"] = lines[len(lines) // 2][:48] if key.kind != "ed25519" else lines[1][16:60]
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


def search(pid, wanted):
    """[(name of the secret, mapping)] for every hit in the memory of PID."""
    hits = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for mapping in mappings(pid):
            start, end, permissions, label, _ = mapping
            if not permissions.startswith("r") or label in ("[vvar]", "[vsyscall]"):
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            hits += [(name, mapping) for name, octets in wanted.items() if octets in data]
    return hits


def show(mapping):
    return f"{mapping[0]:x}-{mapping[1]:x} {mapping[2]} {mapping[3]} {' '.join(sorted(mapping[4]))}"


@pytest.fixture
def loaded(program, folder, shared_keys):
    """A daemon that has just signed with both kinds of keys, and the secrets to look for."""
    if os.geteuid() != 0:
        pytest.skip("reading /proc/PID/mem of others needs root")
    chosen = {"rsa.test": shared_keys["rsa2048"]}
    settings = {"KeyTable": f"file:{folder}/KeyTable", "SigningTable": f"refile:{folder}/SigningTable", "Mode": "s"}
    chosen["ed.test"] = shared_keys["ed25519"]
    (folder / "KeyTable").write_text("".join(f"{d} {d}:sel:{k.path}\n" for d, k in chosen.items()))
    (folder / "SigningTable").write_text("".join(f"*@{d} {d}\n" for d in chosen))
    messages = [f"From: a@{d}\r\nTo: b@sink.test\r\nSubject: x\r\n\r\nbody\r\n".encode() for d in chosen]
    with Daemon(program, folder, settings) as running:
        with Load(running.address, messages) as load:
            assert procs.wait_until(lambda: load.total() >= 300, 30), dict(load.counts)
        for data in messages:
            assert milter.one_shot(running.address, data)[0].signed
        wanted = {}
        for key in chosen.values():
            wanted.update(patterns(key))
        yield running, wanted


@pytest.mark.signpost("opendkim keeps keys in one process, on the heap")
def test_only_locked_pages_of_the_keeper(loaded):
    daemon, wanted = loaded
    wrong, good = [], set()
    for pid in daemon.tree():
        name = procs.comm(pid)
        keeper = name.startswith("sp-keeper") or b"signpostd: keeper" in open(f"/proc/{pid}/cmdline", "rb").read()
        for secret, mapping in search(pid, wanted):
            if keeper and {"lo", "dd"} <= mapping[4]:
                good.add(secret)
            else:
                wrong.append(f"{secret} in {name} ({pid}): {show(mapping)}")
    print(f"\nfound in locked pages of the keeper: {', '.join(sorted(good)) or 'nothing'}")
    assert not wrong, "\n".join(wrong)
    assert any(s.startswith("rsa") for s in good) and any(s.startswith("ed25519") for s in good), \
        "the search found no key at all: it proves nothing"


def test_the_search_can_find(program, folder, shared_keys):
    """The control: in any program that signs with a KeyFile the search finds the key somewhere."""
    if os.geteuid() != 0:
        pytest.skip("reading /proc/PID/mem of others needs root")
    key = shared_keys["rsa2048"]
    data = b"From: a@rsa.test\r\nTo: b@sink.test\r\nSubject: x\r\n\r\nbody\r\n"
    with Daemon(program, folder, {"Domain": "rsa.test", "KeyFile": key.path, "Selector": "sel"}) as running:
        for _ in range(5):
            assert milter.one_shot(running.address, data)[0].signed
        hits = [h for pid in running.tree() for h in search(pid, patterns(key))]
    assert hits
