"""For bench.py, group "selfverify": what it costs to verify samples of what was signed (SelfVerify): none, one message of a
thousand, which is the default with a key store, and each (the limit of 200 a second is in force). One domain; an unbound
beside it has the record.
"""
import base64
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import measure
import servers
from lib import dnsservers, gateways  # measure's path was set by storedata

SAMPLES = (0, 1000, 1)
GOAL = 0.97     # of the rate without


def record_of(key):
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def start_one(bench, stack, folder, unbound, every):
    metrics = f"{folder}/metrics{every}"
    server = servers.start(bench, stack, f"signpostd-{every}", bench.args.server, folder, "rsa",
                           ["Mode s", f"SelfVerify {every}", f"Nameservers 127.0.0.1:{unbound.port}", f"MetricsFile {metrics}",
                            "MetricsInterval 1"])
    server.wait(bench.program("miltergen"))
    return server, metrics


def measure_selfverify(bench, goals):
    if not shutil.which("unbound", path=dnsservers.SBIN):
        print("# selfverify: left out, unbound is not installed")
        return
    with contextlib.ExitStack() as stack:
        folder = servers.new_folder(stack)
        servers.make_tables(folder, "rsa", 1)
        record = record_of(os.path.join(folder, "key0.pem"))
        data = [f"bench._domainkey.d000000.example. 3600 IN {dnsservers.txt(record)}"]
        unbound = stack.enter_context(dnsservers.Unbound(folder, local_data=data, settings=["log-queries: no"]))
        started = [start_one(bench, stack, folder, unbound, every) for every in SAMPLES]
        rows = bench.alternate([server for server, _ in started], measure.Load("selfverify-rsa-4k-c16"))
        none = rows["signpostd-0"]
        for every, (server, metrics) in zip(SAMPLES, started):
            row = rows[server.label]
            found = gateways.fresh_metrics(Path(metrics))
            counts = {result: int(found[f'signpost_selfverify_total{{result="{result}"}}'])
                      for result in ("good", "failed", "unavailable", "dropped")}
            print(f"# SelfVerify {every}: {row['messages_per_s'] / none['messages_per_s']:.3f} of the rate without, "
                  f"CPU x {row['cpu_us'] / none['cpu_us']:.3f}; {counts}")
        goals.at_least("SelfVerify 1000: rate over that without", rows["signpostd-1000"]["messages_per_s"] / none["messages_per_s"],
                       GOAL)
