"""For bench.py: how long a message takes, with spinners beside the measurement and without, for signpostd and for the
least that a filter can be. A spinner keeps a virtual core awake, but where the kernel gives even a SCHED_IDLE thread
whole slices (EEVDF, Linux 6.6 and later: about 3 ms) it also takes the core from a message now and then, which is what
a p99 shows. Without it, cores fall asleep between messages and waking them is in every percentile. Neither is right;
what signpostd adds is what it has more than bare in the same lines."""
import statistics

PERCENTILES = ("p50", "p90", "p99", "max")
HEAD = (f"\n{'latency, ms':<22} {'server':<11} {'spinners':<9} {'p50':>7} {'p90':>7} {'p99':>7} {'max':>7} "
        f"{'p99/p50':>8} {'(min-max)':>13} {'n':>7}")


def row_of(load, server, spun, rounds):
    """Medians over the rounds; the longest of all."""
    row = {"scenario": load.name, "server": server.label, "spinners": spun, "rounds": rounds,
           "messages": sum(found["done"] for found in rounds)}
    for name in PERCENTILES:
        pick = max if name == "max" else statistics.median
        row[f"{name}_us"] = pick(found["latency_us"][name] for found in rounds)
    ratios = [found["latency_us"]["p99"] / max(1, found["latency_us"]["p50"]) for found in rounds]
    row["p99_p50"], row["p99_p50_min"], row["p99_p50_max"] = statistics.median(ratios), min(ratios), max(ratios)
    return row


def format_row(row):
    figures = " ".join(f"{row[f'{name}_us'] / 1e3:>7.2f}" for name in PERCENTILES)
    spread = f"({row['p99_p50_min']:.1f}-{row['p99_p50_max']:.1f})"
    return (f"{row['scenario']:<22} {row['server']:<11} {'with' if row['spinners'] else 'without':<9} {figures} "
            f"{row['p99_p50']:>8.1f} {spread:>13} {row['messages']:>7}")


def measure(bench, servers, load, spinning):
    """All servers with spinners, all without, and again; spinning(bench, on) keeps them while it is held. One row
    per server and way."""
    ways = (False,) if bench.args.no_spin else (True, False)
    totals = {server.label: bench.calibrate(server, load) for server in servers}
    rounds = {(server.label, way): [] for server in servers for way in ways}
    for _ in range(bench.args.rounds):
        for way in ways:
            with spinning(bench, way):
                for server in servers:
                    rounds[server.label, way].append(bench.generate(server, load, totals[server.label]))
    rows = [row_of(load, server, way, rounds[server.label, way]) for way in ways for server in servers]
    for row in rows:
        print(format_row(row), flush=True)
    return rows
