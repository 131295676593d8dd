"""Several signpostd that share one key store and a few memcached, and what each level was asked.

Look-ups are counted where they arrive: in the general log of a MariaDB of ours, by what the statements of sql/STATEMENTS
have that the others have not; the questions of the pollers ("changes", the clock) are none. What a gateway itself says is in
its MetricsFile.
"""
import collections
import re
import time

from . import milter, procs
from .daemon import Daemon

DATE = "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\n"
INTERVAL_S = 1      # KeyStorePollInterval of stores.Store.settings()
# What marks a statement. All that a message can cause is here.
LOOKUPS = {"senders": "SELECT 'e', e.epoch", "address": "r.kind = 0 AND r.subject =", "patterns": "rules_order",
           "keys": "k.private_key", "bindings": "LEFT JOIN bindings"}


def message(domain, user="alice"):
    return f"From: {user}@{domain}\r\nTo: t@sink.test\r\nSubject: x\r\n{DATE}\r\nHello.\r\n".encode()


def selectors(delivered):
    """s= of every signature."""
    head = delivered.split(b"\r\n\r\n", 1)[0]
    fields = [f for f in re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n") if f.lower().startswith(b"dkim-signature:")]
    return [re.search(rb"[;\s]s=([^;\s]+)", field).group(1).decode() for field in fields]


def waits(result):
    """Is it tempfailed?"""
    return not result.signed and (result.verdict == "tempfail" or result.text.startswith("4"))


def read_metrics(path):
    """{'name{label="value"}': number}"""
    lines = path.read_text().splitlines() if path.exists() else []
    return collections.Counter({line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] not in ("#", "")})


def fresh_metrics(path, log=lambda: ""):
    """Of a file that was written after this was called: not while, so that all of it is of later."""
    asked = time.time() + 0.2
    assert procs.wait_until(lambda: path.exists() and path.stat().st_mtime > asked), f"no {path}\n{log()[-2000:]}"
    return read_metrics(path)


class Counts(collections.Counter):
    """Metrics, or their growth."""

    def of(self, name, **labels):
        """The sum over all whose labels are these."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return int(sum(value for line, value in self.items()
                       if line.partition("{")[0] == f"signpost_{name}" and all(w in line for w in wanted)))


class Gateway(Daemon):
    def __init__(self, program, folder, settings, name):
        self.metrics_file = folder / f"{name}.metrics"
        super().__init__(program, folder, {**settings, "MetricsFile": self.metrics_file, "MetricsInterval": 1}, name=name)

    def start(self):
        self.metrics_file.unlink(missing_ok=True)
        return super().start()

    def restart(self):
        """All that it knew is forgotten."""
        self.stop()
        return self.start()

    def metrics(self):
        """As they are now or a moment later."""
        return Counts(fresh_metrics(self.metrics_file, self.log))

    def send(self, names, client="127.0.0.1", user="alice"):
        """{name: (result, message as delivered)}; one connection."""
        answers = {}
        with milter.Session(self.address) as session:
            session.hello(client=client)
            for name in names:
                data = message(name, user)
                result = session.message(data)
                answers[name] = (result, session.apply(data, result))
        return answers

    def must_sign(self, names, client="127.0.0.1"):
        """The messages as delivered."""
        answers = self.send(names, client)
        bad = {name: result for name, (result, _) in answers.items() if not result.signed}
        assert not bad, f"{self.name}: {len(bad)} of {len(answers)} are not signed: {list(bad.items())[:3]}\n{self.log()[-3000:]}"
        return {name: delivered for name, (_, delivered) in answers.items()}


class Gateways(list):
    """COUNT gateways; servers: the memcached."""

    def __init__(self, program, folder, settings, servers, count=2):
        shared = {"Memcached": ",".join(server.address for server in servers)} if servers else {}
        super().__init__(Gateway(program, folder, {**settings, **shared, **self._named(settings, n)}, f"gateway{n}") for n in range(count))

    @staticmethod
    def _named(settings, number):
        """Those that report have names of their own."""
        return {"GatewayName": f"gateway{number}"} if "GatewayReport" in settings else {}

    def __enter__(self):
        for one in self:
            one.start()
        return self

    def __exit__(self, *_):
        for one in self:
            one.stop()


class StoreLog:
    """What a MariaDB is asked from now on."""

    def __init__(self, server, name="general.log"):
        self.server, self.path = server, server.folder / name
        self.begin = self.path.stat().st_size if self.path.exists() else 0
        server.run(f"SET GLOBAL log_output='FILE', general_log_file='{self.path}', general_log=1")

    def close(self):
        self.server.run("SET GLOBAL general_log=0")

    def executed(self, after=0):
        """The texts of all statements that were prepared and executed, values filled in; of connections after that one."""
        text = self.path.read_bytes()[self.begin:].decode(errors="replace")
        return [found for number, found in re.findall(r"(\d+) Execute\t(.*)", text) if int(number) > after]

    def newest(self):
        """The last connection so far; every later one has a greater number."""
        return int(self.server.run("SELECT CONNECTION_ID()"))

    def lookups(self, about=""):
        """Kind -> how many so far; about: only those with this text."""
        found = collections.Counter()
        for statement in self.executed():
            for kind, mark in LOOKUPS.items():
                found[kind] += mark in statement and about in statement
        return found

    def until_polled(self, after, count=2):
        """A gateway that was started after this connection knows what is new."""
        def polls():
            return sum("e.trimmed" in statement for statement in self.executed(after))
        assert procs.wait_until(lambda: polls() >= count, step=0.1), "the store is not asked for changes"


def stored(servers):
    """[(server, name, value)] of all that is in the memcached."""
    found = [(server, name, server.get(name)) for server in servers for name in server.names()]
    return [one for one in found if one[2] is not None]


def until_stored(servers, count, seconds=None):
    """Are there so many values? Storing does not wait, and a list of names is up to a second old."""
    return procs.wait_until(lambda: sum(len(server.names()) for server in servers) >= count, seconds, step=0.2)
