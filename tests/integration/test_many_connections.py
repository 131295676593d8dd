"""Many connections and many messages at the same time: no error, and memory, descriptors and threads do not grow.

By the load generator of tests/bench (make tests/bench/miltergen). 300 connections and 20,000 messages, or as many as
SIGNPOST_CONNECTIONS and SIGNPOST_MESSAGES say: 1000 and 100000 for the full size (a minute or two).
"""
import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from lib import manymail, milter, patience, procs
from lib.daemon import Daemon, is_sanitized, is_signpost

CONNECTIONS = int(os.environ.get("SIGNPOST_CONNECTIONS", "300"))
MESSAGES = int(os.environ.get("SIGNPOST_MESSAGES", "20000"))
MESSAGES_SANITIZED = 4000       # memory is not judged then, and each message costs a multiple
PER_CONNECTION = 10
ROUNDS = 10
GROWTH_MAX = 0.05
FIRST = b"From: a@d000000.example\r\nTo: b@sink.test\r\nSubject: x\r\n\r\nbody\r\n"


def generator():
    return Path(os.environ.get("SIGNPOST_BUILD", "/nonexistent")) / "tests/bench/miltergen"


def anonymous_kib(pids):
    """What no file is behind. Not the proportional size: that grows when other programs that use the same files end."""
    total = 0
    for pid in pids:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Anonymous:"):
                total += int(line.split()[1])
    return total


def usage(daemon):
    pids = daemon.tree()
    return {"RSS KiB": procs.rss_kib(pids), "anonymous KiB": anonymous_kib(pids), "processes": len(pids),
            "descriptors": sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids),
            "threads": sum(len(os.listdir(f"/proc/{p}/task")) for p in pids)}


def idle_usage(daemon, at_rest):
    """When the descriptors of closed connections are back."""
    procs.wait_until(lambda: at_rest is None or usage(daemon)["descriptors"] <= at_rest["descriptors"])
    return usage(daemon)


def settled_usage(daemon):
    """When the number of descriptors has not changed for a second: connections that were closed are gone."""
    seen = []

    def same():
        seen.append(usage(daemon)["descriptors"])
        return len(seen) >= 20 and len(set(seen[-20:])) == 1
    procs.wait_until(same, step=0.05)
    return usage(daemon)


def offer(daemon, messages):
    argv = [generator(), "--socket", daemon.spec.replace("local:", "unix:"), "--connections", CONNECTIONS, "--messages",
            PER_CONNECTION, "--total", messages, "--domains", 50, "--body", 2048, "--pid", daemon.pid, "--json",
            "--timeout", int(patience.seconds(120) * 1000)]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=patience.seconds(600))
    assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-500:])
    return json.loads(done.stdout.splitlines()[-1])


async def at_once(daemon, count):
    """COUNT connections have all of a message but its end; when that has been read, all of them end it. How many the load
    generator has in the middle of a message at the same time is chance, but never more: no later moment needs more memory."""
    packets = manymail.message_packets(FIRST + b"body\r\n" * 350)
    end = manymail.packet(b"E")
    assert packets.endswith(end)
    connections = [await manymail.Connection.open(daemon.address, "127.0.0.1") for _ in range(count)]
    for connection in connections:
        connection.writer.write(packets[:-len(end)])
        await connection.writer.drain()
    seen = []

    def read():
        seen.append(usage(daemon)["RSS KiB"])
        return len(seen) >= 10 and len(set(seen[-10:])) == 1
    await asyncio.to_thread(procs.wait_until, read, step=0.1)
    for connection in connections:
        connection.writer.write(end)
    outcomes = await asyncio.gather(*(connection.outcome() for connection in connections))
    for connection in connections:
        await connection.close()
    return sum(outcome.signed for outcome in outcomes)


def test_many(program, folder, shared_keys):
    if not is_signpost(program):
        pytest.skip("not with opendkim: its libmilter makes a thread for each connection")
    if not generator().exists():
        pytest.skip("no load generator: make tests/bench/miltergen")
    domains = [f"d{n:06d}.example" for n in range(50)]
    (folder / "KeyTable").write_text("".join(f"{d} {d}:sel:{shared_keys['rsa1024'].path}\n" for d in domains))
    (folder / "SigningTable").write_text("".join(f"*@{d} {d}\n" for d in domains))
    settings = {"KeyTable": f"file:{folder}/KeyTable", "SigningTable": f"refile:{folder}/SigningTable", "Mode": "s",
                "SyslogSuccess": False, "LogWhy": False}
    samples, signed = [], 0
    total = min(MESSAGES, MESSAGES_SANITIZED) if is_sanitized(program) else MESSAGES
    with Daemon(program, folder, settings, unix=True) as daemon:
        assert milter.one_shot(daemon.address, FIRST)[0].signed      # all processes are there
        before = settled_usage(daemon)
        assert asyncio.run(at_once(daemon, CONNECTIONS)) == CONNECTIONS
        most = idle_usage(daemon, before)
        for _ in range(ROUNDS):
            result = offer(daemon, total // ROUNDS)
            signed += result["signed"]
            samples.append(idle_usage(daemon, before))
        log = daemon.log()
    print(f"\n{CONNECTIONS} connections, {total} messages: signed {signed}; last round: "
          + ", ".join(f"{k} {v}" for k, v in result.items() if isinstance(v, (int, float))))
    for label, sample in [("at the start", before), ("after all at once", most)] + [(f"after {(n + 1) * total // ROUNDS}", s) for n, s in enumerate(samples)]:
        print(f"   {label}: " + ", ".join(f"{k} {v}" for k, v in sample.items()))
    assert signed == total // ROUNDS * ROUNDS
    assert "error" not in log.lower(), log[-1500:]
    for what in ("processes", "descriptors", "threads"):
        assert samples[-1][what] == before[what], what
    if not is_sanitized(program):
        for what in ("RSS KiB", "anonymous KiB"):
            # From when all connections were in the middle of a message at the same time, and one round more, which has other
            # messages than that.
            first = max(most[what], samples[0][what])
            grown = samples[-1][what] / first - 1
            assert grown <= GROWTH_MAX, f"{what} has grown by {grown:.1%}"
