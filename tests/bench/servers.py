"""Keys, tables and the milters under test for bench.py: started here, ready when a message was signed, stopped here."""
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

START_SECONDS = 300  # opendkim may need long to read many domains
STOP_SECONDS = 20
KEY_POOL = 16        # key files for all domains where keys are not cold


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


def make_tables(folder, algorithm, domains, cold=False, first=0):
    """One key name per domain. Domain N is dNNNNNN.example."""
    keys = [os.path.join(folder, f"key{i}.pem") for i in range(domains if cold else min(domains, KEY_POOL))]
    for key in keys:
        make_key(key, algorithm)
    with open(os.path.join(folder, "KeyTable"), "w", encoding="ascii") as table:
        for i in range(first, first + domains):
            table.write(f"k{i:06d} d{i:06d}.example:bench:{keys[i % len(keys)]}\n")
    with open(os.path.join(folder, "SigningTable"), "w", encoding="ascii") as table:
        for i in range(first, first + domains):
            table.write(f"*@d{i:06d}.example k{i:06d}\n")


def make_address(folder, label, inet):
    if not inet:
        return f"local:{folder}/{label}.sock"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"inet:{probe.getsockname()[1]}@127.0.0.1"


def memory_kb(pid, file, key):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{file}", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(key):
                return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def new_folder(stack):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="signpost-bench-"))
    os.chmod(folder, 0o711)
    return folder


class Server:
    """A milter that reads an OpenDKIM configuration: PATH -f -x CONF. FOLDER holds the tables."""

    def __init__(self, label, path, folder, algorithm, inet=False, conf=()):
        self.label, self.path, self.folder, self.algorithm = label, path, folder, algorithm
        self.address = make_address(folder, label, inet)
        self.log = os.path.join(folder, f"{label}.log")
        self.lines = list(conf)
        with open(self.log, "wb") as log:
            self.begun = time.monotonic()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def command(self):
        given = {line.split()[0].lower() for line in self.lines}
        # With tables a server that only verifies asks them whether a message is ours; beside a key store they would
        # hide what it does not know.
        tables = [] if "Mode v" in self.lines or "keystore" in given else [f"KeyTable file:{self.folder}/KeyTable",
                                                    f"SigningTable refile:{self.folder}/SigningTable"]
        lines = [f"Socket {self.address}", *tables, "InternalHosts 127.0.0.1", "Mode s",
                 "Canonicalization relaxed/simple", "OversignHeaders From", "Background no", "Syslog no",
                 "RequireSafeKeys no"]
        if self.algorithm == "ed25519":
            lines.append("SignatureAlgorithm ed25519-sha256")
        conf = os.path.join(self.folder, f"{self.label}.conf")
        with open(conf, "w", encoding="ascii") as out:
            out.write("\n".join([line for line in lines if line.split()[0].lower() not in given] + self.lines) + "\n")
        return [self.path, "-f", "-x", conf]

    def wait(self, miltergen, expect="signed"):
        """Until one message has got its answer. Seconds since the start."""
        command = [miltergen, "--json", "--socket", self.address, "--total", "1", "--timeout", "5000"]
        while time.monotonic() < self.begun + START_SECONDS and self.process.poll() is None:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
            if done.stdout and json.loads(done.stdout)[expect] == 1:
                return time.monotonic() - self.begun - 0.05  # miltergen pauses so long before it ends
            time.sleep(0.01)
        raise BenchError(f"{self.label} does not serve; it says:\n{self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-20:])

    def pids(self):
        """The process and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                        found += [int(child) for child in children.read().split()]
        return found

    def memory_mb(self):
        """Sums over the processes: RSS (shared pages count once for each), PSS (they count once)."""
        pids = self.pids()
        return (sum(memory_kb(pid, "status", "VmRSS:") for pid in pids) / 1e3,
                sum(memory_kb(pid, "smaps_rollup", "Pss:") for pid in pids) / 1e3)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def start(bench, stack, label, path, folder, algorithm, conf=(), kind=None, inet=None):
    """A server on the tables of a folder. Those whose label begins with signpostd get the lines of --conf."""
    more = bench.args.conf if label.startswith("signpostd") else []
    server = (kind or Server)(label, path, folder, algorithm, bench.args.inet if inet is None else inet, [*conf, *more])
    stack.callback(server.stop)
    return server


class Bare(Server):
    """The least that a filter can be; it knows one key and neither tables nor a configuration."""

    def command(self):
        return [self.path, "--socket", self.address, "--key", os.path.join(self.folder, "key0.pem"),
                "--threads", str(os.cpu_count())]
