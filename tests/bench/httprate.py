"""The group "http" of bench.py: requests of 64 keep-alive connections to signpost-admind's HTTP server, which runs each in
a thread of its pool, and to libmicrohttpd alone. The ratios say what threads and checks cost."""
import os
import statistics

from servers import run


def measure_http(bench, _goals):
    program = bench.program("bench_http")
    if not os.access(program, os.X_OK):
        print("# http: left out, bench_http is not built")
        return
    rounds = {"bare": [], "ours": []}
    for _ in range(bench.args.rounds):
        for line in run([program, str(bench.args.seconds), "64"]).splitlines():
            name, rate, cpu = line.split()
            rounds[name].append((float(rate), float(cpu)))
    found = {name: [statistics.median(values) for values in zip(*measured)] for name, measured in rounds.items()}
    for name, (rate, cpu) in found.items():
        print(f"# http, 64 connections, {name}: {rate:.0f} requests/s, {cpu:.1f} us CPU each", flush=True)
    print(f"# http, ours against bare: rate x {found['ours'][0] / found['bare'][0]:.2f}, "
          f"CPU x {found['ours'][1] / found['bare'][1]:.2f}", flush=True)
    bench.facts["http"] = {name: {"requests_per_s": rate, "cpu_us": cpu} for name, (rate, cpu) in found.items()}
