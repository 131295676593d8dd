"""Measurements for bench.py: rounds of the load generator against several servers in turn, each with the floor taken
just before it. A result is a dict; a row is the median over the rounds."""
import contextlib
import json
import os
import statistics
import subprocess

from servers import BenchError, run


class Load:
    """What the generator sends. Every message must end as EXPECT says, or there is no figure at all. GIVEN: a file of
    signed messages that are sent instead of made-up ones. ZIPF: active domains send as unequally as Zipf's law has it.
    TRIES: of a message more that is tempfailed, for servers that others keep waiting."""

    def __init__(self, name, algorithm="rsa", body=4096, connections=16, per_connection=1, domains=1, active=1,
                 canonicalization="relaxed/simple", expect="signed", given=None,
                 zipf=False, tries=0):
        self.name, self.algorithm, self.body = name, algorithm, body
        self.connections, self.per_connection = connections, per_connection
        self.domains, self.active, self.canonicalization = domains, active, canonicalization
        self.expect, self.given, self.zipf, self.tries = expect, given, zipf, tries
        self.cold = name.endswith("-cold")


class Bench:
    def __init__(self, args):
        self.args = args
        self.rows = []
        self.facts = {}
        self.failures = []

    def program(self, name):
        return os.path.join(self.args.programs, name)

    def floor(self, load):
        verify = ["verify"] if load.given else []
        return json.loads(run([self.program("floor"), load.algorithm, str(load.body), *verify]))

    def generate(self, server, load, total, first=0):
        command = [self.program("miltergen"), "--json", "--socket", server.address,
                   "--pid", str(server.process.pid), "--total", str(total),
                   "--connections", str(load.connections), "--messages", str(load.per_connection),
                   "--body", str(load.body), "--domains", str(load.domains),
                   "--active", str(load.active), "--first", str(first)]
        command += ["--given", load.given] if load.given else []
        command += ["--zipf"] if load.zipf else []
        command += ["--reconnect", str(load.tries)] if load.tries else []
        if self.args.replies:
            command.append("--replies")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        result = json.loads(done.stdout) if done.stdout else None
        if done.returncode != 0 or not result or result[load.expect] != total or result["errors"] + result["lost"] > 0:
            raise BenchError(f"{load.name}, {server.label}: not every message was {load.expect}: {done.stdout.strip()} "
                             f"{done.stderr.strip()}; the server says:\n{server.last_words()}")
        return result

    def calibrate(self, server, load):
        """Warms the server up (every sending domain once, if they are few) and finds out how many messages fill
        the time of a round."""
        per_session = load.connections * min(load.per_connection, 20)
        least = max(4 * load.connections, 2 * per_session)
        if load.active <= 1000:
            least = max(least, 2 * load.active)
        self.generate(server, load, least)
        rate = self.generate(server, load, least)["messages_per_s"]
        if load.cold:  # what a round may use up, the warm-up left out
            return min(int(rate * self.args.seconds), (load.active - least) // self.args.rounds)
        return max(int(rate * self.args.seconds), 2 * per_session, 50)

    def measure(self, server, load, total, number):
        floor = self.floor(load)
        first = load.active - (number + 1) * total if load.cold else (number + 1) * total if load.zipf else 0
        result = self.generate(server, load, total, first)
        result["floor_us"] = floor["floor_us"]
        result["sign_us"] = floor["sign_us"]
        result["x_floor"] = result["cpu_us"] / floor["floor_us"]
        result["p99_p50"] = result["latency_us"]["p99"] / max(1, result["latency_us"]["p50"])
        return result

    @contextlib.contextmanager
    def rounds_of(self, number):
        """So many rounds while it is held."""
        self.args.rounds, before = number, self.args.rounds
        try:
            yield
        finally:
            self.args.rounds = before

    def alternate(self, servers, load):
        """A B C A B C ...; answers one row per server."""
        rows = self.alternate_pairs([(server, load) for server in servers])
        return {server.label: row for server, row in zip(servers, rows)}

    def alternate_pairs(self, pairs):
        """The same for pairs of a server and a load; answers one row per pair."""
        totals = [self.calibrate(*pair) for pair in pairs]
        rounds = [[] for _ in pairs]
        for number in range(self.args.rounds):
            for (server, load), total, results in zip(pairs, totals, rounds):
                results.append(self.measure(server, load, total, number))
        rows = [summary(load, server.label, results) for (server, load), results in zip(pairs, rounds)]
        for row in rows:
            self.rows.append(row)
            print(format_row(row), flush=True)
        return rows


def median_of(rounds, *keys):
    def get(result):
        for key in keys:
            result = result[key]
        return result
    return statistics.median(get(result) for result in rounds)


def summary(load, label, rounds):
    return {"scenario": load.name, "server": label, "rounds": rounds,
            "messages_per_s": median_of(rounds, "messages_per_s"), "cpu_us": median_of(rounds, "cpu_us"),
            "floor_us": median_of(rounds, "floor_us"), "sign_us": median_of(rounds, "sign_us"),
            "x_floor": median_of(rounds, "x_floor"),
            "x_floor_min": min(r["x_floor"] for r in rounds), "x_floor_max": max(r["x_floor"] for r in rounds),
            "p50_us": median_of(rounds, "latency_us", "p50"), "p99_us": median_of(rounds, "latency_us", "p99"),
            "p99_p50": median_of(rounds, "p99_p50"),
            "max_us": max(r["latency_us"]["max"] for r in rounds),
            "rss_mb": max(r["rss_after"] for r in rounds) / 1e6,
            "pss_mb": max(r["pss_after"] for r in rounds) / 1e6,
            "messages": sum(r["done"] for r in rounds)}


HEAD = (f"{'scenario':<22} {'server':<14} {'msg/s':>7} {'CPU us':>7} {'floor':>7} {'x floor':>8} {'(min-max)':>15} "
        f"{'p50 ms':>7} {'p99 ms':>7} {'max ms':>7} {'PSS MB':>7} {'n':>7}")


def format_row(row):
    spread = f"({row['x_floor_min']:.2f}-{row['x_floor_max']:.2f})"
    return (f"{row['scenario']:<22} {row['server']:<14} {row['messages_per_s']:>7.0f} {row['cpu_us']:>7.1f} "
            f"{row['floor_us']:>7.1f} {row['x_floor']:>8.2f} {spread:>15} {row['p50_us'] / 1e3:>7.2f} "
            f"{row['p99_us'] / 1e3:>7.2f} {row['max_us'] / 1e3:>7.1f} {row['pss_mb']:>7.1f} {row['messages']:>7}")
