"""For bench.py: verifying. Messages are signed beforehand by the signpostd under test, for many domains, and sent by the
load generator as a client outside would; every one must come back with dkim=pass.

verify: signpostd and opendkim beside each other, both with the same private unbound that knows the keys, all of them in
its (and soon in their own) cache. The floor is one verification with a warm key and SHA-256 of the body.

flight: 200 messages at once, each with a key of its own that nobody has asked for, and a DNS server that takes 200 ms for
each answer. One thread that waits for each answer gets five messages a second through.
"""
import contextlib
import os
import shutil
import subprocess
import sys

from measure import Load
from servers import KEY_POOL, BenchError, Server, cpu_seconds, make_tables, new_folder, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from lib import dnsservers  # noqa: E402  pylint: disable=wrong-import-position

DOMAINS = 100
MESSAGES = 1000
FLIGHT = 200         # messages at once
FLIGHT_MESSAGES = 4000
DNS_MS = 200


def record_of(path, algorithm):
    import base64  # pylint: disable=import-outside-toplevel
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                         stdout=subprocess.PIPE).stdout
    key = der[-32:] if algorithm == "ed25519" else der
    return f"v=DKIM1; k={algorithm}; p={base64.b64encode(key).decode()}"


class Mail:
    """Signed messages of many domains in one file, and their records."""

    def __init__(self, bench, folder, algorithm, domains, messages):
        self.path = os.path.join(folder, "given")
        self.algorithm = algorithm
        make_tables(folder, algorithm, domains)
        keys = [record_of(os.path.join(folder, f"key{i}.pem"), algorithm) for i in range(min(domains, KEY_POOL))]
        self.records = {f"bench._domainkey.d{i:06d}.example": keys[i % len(keys)] for i in range(domains)}
        self.sign(bench, folder, domains, messages)

    def sign(self, bench, folder, domains, messages):
        saved = os.path.join(folder, "saved")
        os.mkdir(saved)
        signer = Server("signer", bench.args.server, folder, self.algorithm)
        try:
            signer.wait(bench.program("miltergen"))
            run([bench.program("miltergen"), "--json", "--socket", signer.address, "--connections", "16", "--total",
                 str(messages), "--messages", "100", "--domains", str(domains), "--save", saved])
        finally:
            signer.stop()
        names = sorted(os.listdir(saved))
        if len(names) != messages:
            raise BenchError(f"{len(names)} of {messages} messages were signed")
        with open(self.path, "wb") as out:
            for name in names:
                with open(os.path.join(saved, name), "rb") as message:
                    octets = message.read()
                out.write(b"%d\n" % len(octets) + octets)


class Verifier(Server):
    """A milter that only verifies; CONF names its DNS server."""

    def command(self):
        conf = os.path.join(self.folder, f"{self.label}.conf")
        lines = [f"Socket {self.address}", "Mode v", "AuthservID bench.example", "Background no", "Syslog no",
                 "DNSTimeout 10", *self.lines]
        with open(conf, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        return [self.path, "-f", "-x", conf]


def verifiers(bench, stack, folder, port):
    found = []
    for label, path in (("signpostd", bench.args.server), ("opendkim", bench.args.opendkim)):
        if path:
            more = bench.args.conf if label == "signpostd" else []
            server = Verifier(label, path, folder, "", bench.args.inet, [f"Nameservers 127.0.0.1@{port}", *more])
            stack.callback(server.stop)
            server.wait(bench.program("miltergen"), "unsigned")
            found.append(server)
    return found


def resolver_cost(bench, servers, load, unbound):
    """CPU microseconds of unbound for each message: what a server that caches nothing leaves to others."""
    for server in servers:
        before = cpu_seconds(unbound.process.pid)
        bench.generate(server, load, MESSAGES)
        cost = (cpu_seconds(unbound.process.pid) - before) * 1e6 / MESSAGES
        bench.facts[f"unbound_us_{load.name}_{server.label}"] = cost
        print(f"# {load.name}, {server.label}: unbound took {cost:.0f} us CPU a message besides")


def measure_verify(bench, goals):
    if not shutil.which("unbound", path=dnsservers.SBIN):
        print("# verify: left out, unbound is not installed")
        return
    for algorithm in ("rsa", "ed25519"):
        with contextlib.ExitStack() as stack:
            folder = new_folder(stack)
            mail = Mail(bench, folder, algorithm, DOMAINS, MESSAGES)
            data = [f"{name}. 3600 IN {dnsservers.txt(record)}" for name, record in mail.records.items()]
            unbound = stack.enter_context(dnsservers.Unbound(folder, local_data=data, settings=["log-queries: no"]))
            servers = verifiers(bench, stack, folder, unbound.port)
            load = Load(f"verify-{algorithm}-4k-c16", algorithm, domains=DOMAINS, active=DOMAINS, expect="verified",
                        given=mail.path)
            rows = bench.alternate(servers, load)
            resolver_cost(bench, servers, load, unbound)
        if algorithm == "rsa" and len(rows) == 2:
            goals.at_least(f"{load.name}: opendkim's CPU over signpostd's",
                           rows["opendkim"]["x_floor"] / rows["signpostd"]["x_floor"], 6)


class SlowDns:
    """slowdns.py beside us."""

    def __init__(self, folder, records):
        path = os.path.join(folder, "records")
        with open(path, "w", encoding="ascii") as out:
            out.write("".join(f"{name} {record}\n" for name, record in records.items()))
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slowdns.py")
        self.process = subprocess.Popen([sys.executable, program, path, str(DNS_MS)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def measure_flight(bench, goals):
    total = FLIGHT_MESSAGES // (4 if bench.args.quick else 1)
    with contextlib.ExitStack() as stack:
        folder = new_folder(stack)
        mail = Mail(bench, folder, "ed25519", total, total)
        slow = SlowDns(folder, mail.records)
        stack.callback(slow.stop)
        load = Load(f"flight-{FLIGHT}-dns-{DNS_MS}ms", "ed25519", connections=FLIGHT, per_connection=10, expect="verified",
                    given=mail.path)
        for server in verifiers(bench, stack, folder, slow.port):
            result = bench.generate(server, load, total)
            rate, one = result["messages_per_s"], 1000 / DNS_MS
            bench.facts[f"{load.name}_{server.label}"] = result
            print(f"# {load.name}, {server.label}: {total} messages, a new key each: {rate:.0f} msg/s, {rate / one:.0f} times "
                  f"what one waiting thread does ({one:.0f}/s; {FLIGHT * one:.0f}/s is all there is), "
                  f"{result['cpu_us']:.0f} us CPU each, p50 {result['latency_us']['p50'] / 1e3:.0f} ms, "
                  f"p99 {result['latency_us']['p99'] / 1e3:.0f} ms")
            if server.label == "signpostd":
                goals.at_least(f"{load.name}: messages in one DNS round trip", rate / one, 0.75 * FLIGHT)
