#!/usr/bin/env python3
"""Measures a signing milter side by side with OpenDKIM and with the floor of the arithmetic.

Both servers get the same keys, tables and configuration and run at the same time; measurements alternate
(A B A B), each with the floor taken just before it, and the median of the rounds is reported. Trust the
ratios, not the times: the speed of a virtual machine drifts. A SCHED_IDLE spinner per core keeps cores awake.

    make bench BENCH_FLAGS="--quick"
    bench.py --programs BUILD/tests/bench --server BUILD/signpostd --json out.json
"""
import argparse
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

START_SECONDS = 300  # a server may need long to read 100,000 domains
STOP_SECONDS = 20
KEY_POOL = 16        # key files for all domains where keys are not cold
OTHER_DOMAINS_MAX = 1000  # OpenDKIM needs 145 ms a message and 2 GB with 100,000

SIMPLE = "relaxed/simple"  # what Debian's opendkim.conf says
RELAXED = "relaxed/relaxed"

# A name that ends in -cold: every domain has a key of its own and sends once, so each message is the first with
# its key. Otherwise a few key files serve all domains.
# name, algorithm, body, connections, messages per connection, domains, domains that send, canonicalization, part of
# --quick
SCENARIOS = [
    ("rsa-4k-c16", "rsa", 4096, 16, 1, 1, 1, SIMPLE, True),
    ("rsa-4k-c64", "rsa", 4096, 64, 1, 1, 1, SIMPLE, False),
    ("rsa-4k-c16-m100", "rsa", 4096, 16, 100, 1, 1, SIMPLE, True),
    ("ed25519-4k-c16", "ed25519", 4096, 16, 1, 1, 1, SIMPLE, True),
    ("ed25519-4k-c16-m100", "ed25519", 4096, 16, 100, 1, 1, SIMPLE, False),
    ("rsa-1m-c16", "rsa", 1 << 20, 16, 1, 1, 1, SIMPLE, False),
    ("rsa-1m-c16-relaxed", "rsa", 1 << 20, 16, 1, 1, 1, RELAXED, False),
    ("rsa-4k-c1", "rsa", 4096, 1, 1, 1, 1, SIMPLE, False),
    ("rsa-domains-1k", "rsa", 4096, 16, 1, 1000, 100, SIMPLE, False),
    ("rsa-domains-100k", "rsa", 4096, 16, 1, 100000, 100, SIMPLE, False),
    ("rsa-domains-100k-all", "rsa", 4096, 16, 1, 100000, 100000, SIMPLE, False),
    ("ed25519-domains-20k-cold", "ed25519", 4096, 16, 1, 20000, 20000, SIMPLE, False),
]


class Scenario:
    def __init__(self, row):
        (self.name, self.algorithm, self.body, self.connections, self.per_connection,
         self.domains, self.active, self.canonicalization, self.quick) = row
        self.cold = self.name.endswith("-cold")
        self.group = (self.algorithm, self.domains, self.canonicalization, self.cold)


class BenchError(Exception):
    pass


def run(command, **kwargs):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **kwargs).stdout


def make_ed25519_key(path):
    """Any 32 octets are a key; a program per key would take minutes for many. PKCS #8, RFC 8410 7."""
    der = bytes.fromhex("302e020100300506032b657004220420") + os.urandom(32)
    with open(path, "w", encoding="ascii") as out:
        out.write(f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END PRIVATE KEY-----\n")
    os.chmod(path, 0o600)


def make_key(path, algorithm):
    if algorithm == "ed25519":
        make_ed25519_key(path)
        return
    run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path],
        stderr=subprocess.DEVNULL)
    os.chmod(path, 0o600)


def make_tables(folder, algorithm, domains, cold):
    """One key name per domain. Domain N is dNNNNNN.example."""
    keys = [os.path.join(folder, f"key{i}.pem") for i in range(domains if cold else min(domains, KEY_POOL))]
    for key in keys:
        make_key(key, algorithm)
    with open(os.path.join(folder, "KeyTable"), "w", encoding="ascii") as table:
        for i in range(domains):
            table.write(f"k{i:06d} d{i:06d}.example:bench:{keys[i % len(keys)]}\n")
    with open(os.path.join(folder, "SigningTable"), "w", encoding="ascii") as table:
        for i in range(domains):
            table.write(f"*@d{i:06d}.example k{i:06d}\n")


class Server:
    """A milter that reads an OpenDKIM configuration: PATH -f -x CONF."""

    def __init__(self, label, path, folder, args, group):
        self.label = label
        self.log = os.path.join(folder, f"{label}.log")
        self.address = self.make_address(folder, args.inet)
        self.conf = os.path.join(folder, f"{label}.conf")
        self.write_conf(folder, args, group)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([path, "-f", "-x", self.conf], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def make_address(self, folder, inet):
        if not inet:
            return f"local:{folder}/{self.label}.sock"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return f"inet:{probe.getsockname()[1]}@127.0.0.1"

    def write_conf(self, folder, args, group):
        algorithm, _, canonicalization, _ = group
        lines = [f"Socket {self.address}", f"KeyTable file:{folder}/KeyTable",
                 f"SigningTable refile:{folder}/SigningTable", "InternalHosts 127.0.0.1", "Mode s",
                 f"Canonicalization {canonicalization}", "OversignHeaders From", "Background no", "Syslog no",
                 "RequireSafeKeys no"]
        if algorithm == "ed25519":
            lines.append("SignatureAlgorithm ed25519-sha256")
        if self.label == "server":
            lines += args.conf
        with open(self.conf, "w", encoding="ascii") as conf:
            conf.write("\n".join(lines) + "\n")

    def connect(self):
        if self.address.startswith("local:"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.address[len("local:"):])
        else:
            port, host = self.address[len("inet:"):].split("@")
            with socket.create_connection((host, int(port))):
                pass

    def wait(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.connect()
                return
            time.sleep(0.05)
        raise BenchError(f"{self.label} does not listen; it says:\n{self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-20:])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Bench:
    def __init__(self, args):
        self.args = args
        self.results = []

    def program(self, name):
        return os.path.join(self.args.programs, name)

    def floor(self, scenario):
        return json.loads(run([self.program("floor"), scenario.algorithm, str(scenario.body)]))["floor_us"]

    def generate(self, server, scenario, total, first=0):
        command = [self.program("miltergen"), "--json", "--socket", server.address,
                   "--pid", str(server.process.pid), "--total", str(total),
                   "--connections", str(scenario.connections), "--messages", str(scenario.per_connection),
                   "--body", str(scenario.body), "--domains", str(scenario.domains),
                   "--active", str(scenario.active), "--first", str(first)]
        if self.args.replies:
            command.append("--replies")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if not done.stdout:
            raise BenchError(f"{server.label}: {done.stderr.strip()}; the server says:\n{server.last_words()}")
        result = json.loads(done.stdout)
        if done.returncode != 0 or result["signed"] != result["done"] or result["errors"] + result["lost"] > 0:
            raise BenchError(f"{server.label}: not every message was signed: {done.stdout.strip()} {done.stderr.strip()}; "
                             f"the server says:\n{server.last_words()}")
        return result

    def calibrate(self, server, scenario):
        """Warms the server up (every sending domain once, if they are few) and finds out how many messages fill
        the time of a round."""
        least = 4 * scenario.connections
        if scenario.active <= 1000:
            least = max(least, 2 * scenario.active)
        self.generate(server, scenario, least)
        rate = self.generate(server, scenario, least)["messages_per_s"]
        if scenario.cold:  # what a round may use up, the warm-up left out
            return min(int(rate * self.args.seconds), (scenario.active - least) // self.args.rounds)
        per_session = scenario.connections * min(scenario.per_connection, 20)
        return max(int(rate * self.args.seconds), 2 * per_session, 50)

    def measure(self, server, scenario, total, number):
        floor = self.floor(scenario)
        first = scenario.active - (number + 1) * total if scenario.cold else 0
        result = self.generate(server, scenario, total, first)
        result["floor_us"] = floor
        result["x_floor"] = result["cpu_us"] / floor
        return result

    def scenario(self, servers, scenario):
        totals = {server.label: self.calibrate(server, scenario) for server in servers}
        rounds = {server.label: [] for server in servers}
        for number in range(self.args.rounds):
            for server in servers:
                rounds[server.label].append(self.measure(server, scenario, totals[server.label], number))
        for server in servers:
            self.results.append(summary(scenario, server.label, rounds[server.label]))
            print(format_row(self.results[-1]), flush=True)

    def group(self, group, scenarios):
        algorithm, domains, _, cold = group
        with tempfile.TemporaryDirectory(prefix="signpost-bench-") as folder, contextlib.ExitStack() as stack:
            os.chmod(folder, 0o711)
            make_tables(folder, algorithm, domains, cold)
            servers = []
            for label, path in self.servers(domains):
                server = Server(label, path, folder, self.args, group)
                stack.callback(server.stop)
                server.wait()
                servers.append(server)
            for scenario in scenarios:
                self.scenario(servers, scenario)

    def servers(self, domains):
        servers = []
        if self.args.server:
            servers.append(("server", self.args.server))
        if self.args.opendkim and domains <= self.args.opendkim_domains:
            servers.append(("opendkim", self.args.opendkim))
        return servers


def median_of(rounds, *keys):
    def get(result):
        for key in keys:
            result = result[key]
        return result
    return statistics.median(get(result) for result in rounds)


def summary(scenario, label, rounds):
    return {"scenario": scenario.name, "server": label, "rounds": rounds,
            "messages_per_s": median_of(rounds, "messages_per_s"), "cpu_us": median_of(rounds, "cpu_us"),
            "floor_us": median_of(rounds, "floor_us"), "x_floor": median_of(rounds, "x_floor"),
            "x_floor_min": min(r["x_floor"] for r in rounds), "x_floor_max": max(r["x_floor"] for r in rounds),
            "p50_us": median_of(rounds, "latency_us", "p50"), "p99_us": median_of(rounds, "latency_us", "p99"),
            "max_us": max(r["latency_us"]["max"] for r in rounds),
            "pss_mb": max(r["pss_after"] for r in rounds) / 1e6,
            "messages": sum(r["done"] for r in rounds)}


HEAD = (f"{'scenario':<25} {'server':<9} {'msg/s':>8} {'CPU us':>8} {'floor':>7} {'x floor':>8} {'(min-max)':>13} "
        f"{'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'PSS MB':>8} {'n':>7}")


def format_row(row):
    spread = f"({row['x_floor_min']:.2f}-{row['x_floor_max']:.2f})"
    return (f"{row['scenario']:<25} {row['server']:<9} {row['messages_per_s']:>8.0f} {row['cpu_us']:>8.0f} "
            f"{row['floor_us']:>7.0f} {row['x_floor']:>8.2f} {spread:>13} {row['p50_us'] / 1e3:>8.2f} "
            f"{row['p99_us'] / 1e3:>8.2f} {row['max_us'] / 1e3:>8.1f} {row['pss_mb']:>8.1f} {row['messages']:>7}")


def print_ratios(results):
    """The server against OpenDKIM where both were measured: CPU of one over the other, each over its own floor."""
    by_key = {(row["scenario"], row["server"]): row for row in results}
    pairs = [(name, by_key[name, "server"], by_key[name, "opendkim"])
             for name in dict.fromkeys(row["scenario"] for row in results)
             if (name, "server") in by_key and (name, "opendkim") in by_key]
    if pairs:
        print(f"\n{'against opendkim':<25} {'rate x':>8} {'CPU /':>8} {'p50 /':>8} {'p99 /':>8}")
    for name, ours, theirs in pairs:
        print(f"{name:<25} {ours['messages_per_s'] / theirs['messages_per_s']:>8.2f} "
              f"{theirs['x_floor'] / ours['x_floor']:>8.2f} {theirs['p50_us'] / ours['p50_us']:>8.2f} "
              f"{theirs['p99_us'] / ours['p99_us']:>8.2f}")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="folder of miltergen, floor and spin")
    parser.add_argument("--server", help="the milter under test; called with -f -x CONF")
    parser.add_argument("--conf", action="append", default=[], metavar="LINE",
                        help="one more line for the configuration of --server (may be repeated)")
    parser.add_argument("--opendkim", default=shutil.which("opendkim", path=os.environ["PATH"] + ":/usr/sbin"),
                        help="path of opendkim, empty to leave it out")
    parser.add_argument("--opendkim-domains", type=int, default=OTHER_DOMAINS_MAX, metavar="N",
                        help="leave opendkim out of scenarios with more domains (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="only the most telling scenarios, one round of 1 s")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this scenario (may be repeated)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--rounds", type=int, help="rounds per server (3)")
    parser.add_argument("--seconds", type=float, help="of each measurement (3)")
    parser.add_argument("--inet", action="store_true", help="TCP on loopback instead of UNIX sockets")
    parser.add_argument("--replies", action="store_true", help="the MTA refuses to go on without replies")
    parser.add_argument("--no-spin", action="store_true", help="let idle cores sleep")
    parser.add_argument("--json", metavar="FILE", help="write all results there")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (1.0 if args.quick else 3.0)
    return args


def choose(args):
    scenarios = [Scenario(row) for row in SCENARIOS]
    unknown = set(args.only or []) - {scenario.name for scenario in scenarios}
    if unknown:
        raise BenchError(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
    if args.only:
        return [scenario for scenario in scenarios if scenario.name in args.only]
    return [scenario for scenario in scenarios if scenario.quick or not args.quick]


@contextlib.contextmanager
def spinning(bench):
    """Spinners end with us, whatever happens (they ask the kernel for it)."""
    if bench.args.no_spin:
        yield
        return
    spinner = subprocess.Popen([bench.program("spin")], stdin=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        if spinner.poll() is not None:
            raise BenchError("spin does not run")
        yield
    finally:
        spinner.kill()
        spinner.wait()


def say_what_is_left_out(args):
    if not args.opendkim:
        print("# opendkim is not installed: left out")
    elif not os.access(args.opendkim, os.X_OK):
        raise BenchError(f"{args.opendkim} cannot be run")
    if not args.server:
        print("# no --server: only opendkim is measured")
    elif not os.access(args.server, os.X_OK):
        raise BenchError(f"{args.server} cannot be run")
    if not args.server and not args.opendkim:
        raise BenchError("nothing to measure: give --server PATH or install opendkim")


def warn_about_load():
    load = os.getloadavg()[0]
    if load > 0.5 * os.cpu_count():
        print(f"# the machine is busy (load {load:.1f} on {os.cpu_count()} cores): rates and latencies are too bad, "
              "CPU ratios less so")


def measure_all(bench, scenarios):
    groups = {}
    for scenario in scenarios:
        groups.setdefault(scenario.group, []).append(scenario)
    print(HEAD, flush=True)
    for group, members in groups.items():
        if bench.servers(group[1]):
            bench.group(group, members)
        else:
            print(f"# {', '.join(s.name for s in members)}: left out, {group[1]} domains are too many for opendkim "
                  "(--opendkim-domains)")


def main():
    args = parse_args()
    if args.list:
        print("\n".join(row[0] for row in SCENARIOS))
        return 0
    bench = Bench(args)
    try:
        scenarios = choose(args)
        say_what_is_left_out(args)
        warn_about_load()
        with spinning(bench):
            measure_all(bench, scenarios)
    except BenchError as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    print_ratios(bench.results)
    if args.json:
        with open(args.json, "w", encoding="ascii") as out:
            json.dump(bench.results, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
