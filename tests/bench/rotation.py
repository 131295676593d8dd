"""For bench.py, group "rotation": the keys of 10,000 domains are rotated by signpost-admind while three signpostd sign for
them at full rate. All real and on this machine: a MariaDB with the key store, a BIND with two zones that takes signed
updates, a caching resolver, the gateways, the load generator for each, and dkimpy, which judges.

Time is compressed by the plan, so that a life of months takes minutes: a lease of LEASE seconds, signatures that count for SIG
seconds. So what must be right within days in earnest has seconds here.

What is judged: all messages are saved. Of each key the last signature is kept, and judged when it is as old as a
signature may become (SIG) and no newer one came; besides, one of SAMPLE_EVERY when it is made, and again when it is that old.
The verifier asks the authoritative server each time. A key's record may go only when both have passed, so a single
failure is one too many. "Too late" are those that this machine did not come to judge before their end.

The keys are Ed25519 unless --rotation-size says otherwise: 20,000 and then 10,000 of RSA take minutes of nothing but arithmetic on
many cores, and hours on two that sign all the while. Both are what a site has months for.
"""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from keystoredata import use_programs_of
from servers import BenchError, new_folder, start
from storedata import said_by_bench
with contextlib.suppress(ImportError):  # dnsservers.missing() says so
    import dkim
    import dns.exception
    import dns.message
    import dns.query
    import dns.rdatatype
from lib import dnsservers, gateways, lifecycle, mariadb, milter, stores  # storedata has set the path

GATEWAYS = 3
CONNECTIONS = 4      # to each
ZONES = ("example", "mass.example.net")
OTHER_ZONE = 10      # every so manyth domain is in the second zone, whose mail has a sender of its own
SLICE_S = 2.0        # of the load: after each the saved messages are looked at
SAMPLE_EVERY = 200
VERIFIERS = 2        # processes
TRIES = 5            # of a question of theirs
LEASE, SIG = 20, 20
TENANT = "acme"
PLAN = {"ttl": 5, "lease": LEASE, "signature_life": SIG, "clock_error": 2, "tombstone": 10, "proofs": 2, "proof_interval": 2,
        "timed_ack": 5, "retry": 2, "retry_max": 10}
SELECTOR = re.compile(rb"[;\s]s=([^;\s]+)")
DOMAIN = re.compile(rb"[;\s]d=([^;\s]+)")
STATES = """SELECT COUNT(*), SUM(published > 0), SUM(proven > 0), SUM(loaded > 0 AND active = 0), SUM(active > 0 AND retiring = 0),
 SUM(retiring > 0 AND revoking = 0), SUM(revoking > 0 AND removed = 0), SUM(removed > 0), SUM(destroyed > 0), SUM(failed > 0) FROM `keys`"""
COLUMNS = ("made", "published", "proven", "standing_by", "active", "retiring", "revoked", "removed", "destroyed", "failed")


class Size:
    """TEXT: DOMAINS[,ALGORITHM[,STORE]]."""

    def __init__(self, text):
        given = text.split(",")
        self.algorithm = given[1] if len(given) > 1 else "ed25519"
        self.store = given[2] if len(given) > 2 else "mysql"
        if not given[0].isdigit() or self.store not in ("mysql", "sqlite"):
            raise BenchError("--rotation-size DOMAINS[,ALGORITHM[,mysql or sqlite]]")
        self.domains = int(given[0])
        self.others = max(1, self.domains // OTHER_ZONE)
        self.mailed = self.domains - self.others  # by the load generator
        self.patience_s = 120 + self.domains / 5 * (20 if self.algorithm.startswith("rsa") else 1)
        self.plan, self.life_s, self.slice_s = {**PLAN, "algorithms": [self.algorithm]}, SIG, SLICE_S

    def names(self):
        return [f"d{n:06d}.{ZONES[0]}" for n in range(self.mailed)] + self.other_names()

    def other_names(self):
        return [f"d{n:06d}.{ZONES[1]}" for n in range(self.others)]


# ---- the site ----

class Site:
    def __init__(self, bench, stack, size):
        self.bench, self.stack, self.size = bench, stack, size
        self.folder = Path(new_folder(stack))
        self.make_store()
        (self.folder / "dns").mkdir()
        self.world = stack.enter_context(self.make_world(self.folder / "dns"))
        self.admin = stack.enter_context(lifecycle.Admin(self.store, self.world, ProvingThreads=4, AdminLease=30))
        self.gates = self.make_gates()
        lifecycle.provide(self.admin, [], size.plan, tenant=TENANT)

    def make_world(self, folder):
        return lifecycle.World(folder, ZONES, late=None)

    def make_gates(self):
        return [self.gateway(n) for n in range(GATEWAYS)]

    def make_store(self):
        if self.size.store == "sqlite":
            self.server, self.store = None, stores.sqlite_store(self.folder)
            return
        (self.folder / "mariadb").mkdir()
        self.server = mariadb.MariaDB(self.folder / "mariadb")
        self.stack.callback(self.server.stop)
        self.server.start("--innodb-buffer-pool-size=512M", "--max-connections=300", "--innodb-log-file-size=256M")
        self.store = stores.mysql_store(self.server, self.folder)
        self.server.run("GRANT INSERT, UPDATE, DELETE ON signpost.gateways TO 'sp_reader'@'127.0.0.1'")

    def gateway(self, number):
        lines = [f"KeyStore {self.store.spec}", f"SiteKeyFile {self.store.site_key}", "KeyStorePollInterval 1",
                 "GatewayReport yes", "GatewayReportInterval 1", f"GatewayName gate{number}", "SelfVerify 0"]
        return start(self.bench, self.stack, f"signpostd{number}", self.bench.args.server, str(self.folder), "rsa", lines)

    def ask(self, sql):
        if self.server:
            return self.server.run(sql, "signpost").split()
        import sqlite3
        with contextlib.closing(sqlite3.connect(self.folder / "store.db", timeout=30)) as database:
            return database.execute(sql.replace("`", "")).fetchone()

    def counts(self):
        values = self.ask(STATES)
        return dict(zip(COLUMNS, (int(v) if v not in ("NULL", None) else 0 for v in values)))

    def until(self, what, done, each=lambda counts: None):
        """Seconds until DONE(counts)."""
        begun = time.monotonic()
        while True:
            counts = self.counts()
            each(counts)
            if done(counts):
                return time.monotonic() - begun
            if time.monotonic() > begun + self.size.patience_s:
                raise BenchError(f"{what}: {counts} after {self.size.patience_s:.0f} s; signpost-admind says:\n"
                                 f"{self.admin.log()[-3000:]}")
            time.sleep(0.5)


class Dns:
    """What the primary was told and asked, from its log."""

    def __init__(self, world):
        self.path, self.at = world.folder / "named" / "log", 0

    def read(self):
        """Counts since the last call."""
        found, zones = Counter(), {}
        with open(self.path, "rb") as log:
            log.seek(self.at)
            for line in log:
                if b": query: " in line:
                    found["questions"] += 1
                elif b" approved" in line:
                    found["updates"] += 1
                elif b"updating zone" in line:
                    found["changes"] += b"adding an RR" in line or b"deleting" in line
                    zones.setdefault(line.split(b"'")[1].split(b"/")[0].decode(), Counter())["changes"] += 1
            self.at = log.tell()
        return found, zones


# ---- mail ----

def texts_at(port, name):
    """The first TXT record that the authoritative server has there, or None."""
    query = dns.message.make_query(name.decode() if isinstance(name, bytes) else name, "TXT")
    for more in range(TRIES - 1, -1, -1):  # as every resolver does: packets get lost
        try:
            answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", timeout=2, port=port)
            break
        except dns.exception.Timeout:
            if more == 0:
                raise
    found = [b"".join(one.strings) for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for one in rrset]
    return found[0] if found else None


def verified(port, message):
    """(does it verify, why not, when the server was asked); in a process of its own, beside the load."""
    at = time.time()
    try:
        good = dkim.verify(message, dnsfunc=lambda name, **_: texts_at(port, name), minkey=1024)
        return good, "it does not", at
    except (dkim.DKIMException, dns.exception.DNSException) as error:
        return False, str(error), at


class Judge(threading.Thread):
    """dkimpy with what the authoritative server says at that moment."""

    def __init__(self, world, life_s=SIG):
        super().__init__(daemon=True)
        self.port, self.life_s, self.lock, self.ends = world.port, life_s, threading.Lock(), threading.Event()
        self.pool = concurrent.futures.ProcessPoolExecutor(VERIFIERS)
        list(self.pool.map(time.sleep, [0.1] * VERIFIERS))  # all are there before there are many threads
        self.last = {}           # (domain, selector) -> (when, message, judged)
        self.now, self.later = [], []
        self.counts, self.faults = Counter(), []

    def take(self, when, message, number):
        head = message[message.lower().index(b"dkim-signature"):].split(b"\r\n\r\n", 1)[0]
        key = DOMAIN.search(head).group(1), SELECTOR.search(head).group(1)
        with self.lock:
            if key not in self.last or self.last[key][0] < when:
                self.last[key] = (when, message, False)
            if number % SAMPLE_EVERY == 0:
                self.now.append((when, message))
                self.later.append((when, message))

    def judge(self, one, verdict):
        (when, message, what), (good, why, at) = one, verdict
        if not good and at > when + self.life_s:
            self.counts["too late"] += 1
            return
        self.counts[what] += 1
        if not good:
            self.counts["bad"] += 1
            head = message[message.lower().index(b"dkim-signature"):]
            self.faults.append(f"{what}, {at - when:.1f} s old: {DOMAIN.search(head)[1].decode()} "
                               f"{SELECTOR.search(head)[1].decode()}: {why}")

    def due(self):
        """What is to be judged now; old first."""
        old = time.time() - 0.9 * self.life_s
        with self.lock:
            found = [(when, message, "last of its key") for when, message, judged in self.last.values() if not judged and when < old]
            self.last.update({key: (when, b"", True) for key, (when, _, judged) in self.last.items() if not judged and when < old})
            found += [(when, message, "later") for when, message in self.later if when < old]
            self.later = [one for one in self.later if one[0] >= old]
            found += [(when, message, "at once") for when, message in self.now]
            self.now = []
        return found

    def run(self):
        while True:
            found = self.due()
            for one, verdict in zip(found, self.pool.map(verified, [self.port] * len(found), [one[1] for one in found], chunksize=10)):
                self.judge(one, verdict)
            with self.lock:
                left = self.now or self.later or any(not judged for _, _, judged in self.last.values())
            if self.ends.is_set() and not left:
                return
            time.sleep(0.2)

    def until_all_have_signed(self, count):
        """The keys that are replaced are judged, too: each has to have signed something."""
        for _ in range(1200):
            with self.lock:
                if len(self.last) >= count:
                    return
            time.sleep(0.1)
        raise BenchError(f"{count - len(self.last)} of {count} domains have sent nothing within two minutes")

    def finish(self):
        self.ends.set()
        self.join(120 + self.life_s)
        self.pool.shutdown(cancel_futures=True)
        self.counts["keys"] = sum(judged for _, _, judged in self.last.values())
        return self.counts


class Mail:
    """All gateways are kept busy: most by the load generator, in slices; the domains of the second zone by a client."""

    def __init__(self, site, judge):
        self.site, self.judge = site, judge
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.counts, self.number = Counter(), 0
        self.faults = []
        self.threads = [threading.Thread(target=self.guard, args=(send, gate), daemon=True)
                        for gate in site.gates for send in (self.generate, self.send_others)]

    def guard(self, send, gate):
        try:
            send(gate)
        except Exception as error:  # pylint: disable=broad-except
            self.faults.append(f"{gate.label}: {error!r}")

    def note(self, result, messages):
        with self.lock:
            self.counts.update(result)
            first, self.number = self.number, self.number + len(messages)
        for n, (when, message) in enumerate(messages):
            self.judge.take(when, message, first + n)

    def generate(self, gate):
        folder, total, first, slices = self.site.folder / f"saved-{gate.label}", 200, 0, 0
        while not self.stopping.is_set():
            place = folder / str(slices)
            place.mkdir(parents=True)
            slices += 1
            first += total + 977 * slices
            begun = time.monotonic()
            done = subprocess.run(
                [self.site.bench.program("miltergen"), "--json", "--socket", gate.address, "--total", str(total), "--connections",
                 str(CONNECTIONS), "--messages", "20", "--body", "512", "--domains", str(self.site.size.mailed), "--first",
                 str(first % self.site.size.mailed), "--timeout", "20000", "--save", str(place)], capture_output=True, text=True, check=False)
            if not done.stdout:
                raise BenchError(f"miltergen: {done.stderr}")
            took, result = time.monotonic() - begun, json.loads(done.stdout)
            messages = [(path.stat().st_mtime, path.read_bytes()) for path in place.iterdir()]
            signed = [(when, text) for when, text in messages if b"dkim-signature" in text[:2000].lower()]
            self.note({name: result[name] for name in ("done", "signed", "unsigned", "tempfail", "reject", "errors", "lost")}, signed)
            shutil.rmtree(place)
            total = max(50, int(total * self.site.size.slice_s / max(took, 0.05)))

    def send_others(self, gate):
        names = self.site.size.other_names()
        kind, _, place = gate.address.partition(":")
        address = place if kind == "local" else ("127.0.0.1", int(place.partition("@")[0]))
        while not self.stopping.is_set():
            with milter.Session(address) as session:
                session.hello()
                for name in names:
                    if self.stopping.wait(0.01):
                        break
                    self.send_one(session, gateways.message(name))

    def send_one(self, session, data):
        result = session.message(data)
        waits = not result.signed and (result.verdict == "tempfail" or result.text[:1] == "4")
        self.note({"done": 1, "signed": result.signed, "tempfail": waits, "unsigned": not result.signed and not waits},
                  [(time.time(), session.apply(data, result))] if result.signed else [])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def rate(self, seconds=None, until=None):
        """Messages a second while it is waited."""
        before, begun = self.counts["done"], time.monotonic()
        if until:
            until()
        else:
            time.sleep(seconds)
        return (self.counts["done"] - before) / (time.monotonic() - begun)


# ---- the show ----

class Progress:
    """When which count was reached."""

    def __init__(self, begin):
        self.begin, self.begun, self.rows = begin, time.monotonic(), []
        self.said = 0.0

    def __call__(self, counts):
        at = time.monotonic() - self.begun
        self.rows.append((at, counts))
        if at >= self.said:
            print(f"# rotation: {at:6.1f} s  " + ", ".join(f"{counts[name]} {name}" for name in COLUMNS if counts[name]), flush=True)
            self.said = at + 10

    def rate(self, name, total):
        """A second, between the first and the last of TOTAL more, and the seconds from the begin to the last."""
        first = self.begin.get(name, 0)
        begun = next((at for at, counts in self.rows if counts[name] > first), 0)
        begun = max([at for at, counts in self.rows if at < begun], default=0)
        ended = next((at for at, counts in self.rows if counts[name] >= first + total), self.rows[-1][0])
        return total / max(ended - begun, 0.5), ended


class Show:
    def __init__(self, site, goals):
        self.site, self.goals, self.facts = site, goals, {}
        self.dns = Dns(site.world)
        self.total = site.size.domains

    def say_dns(self, what):
        found, zones = self.dns.read()
        by_zone = ", ".join(f"{count['changes']} in {zone}" for zone, count in sorted(zones.items()))
        self.facts[f"dns, {what}"] = dict(found)
        print(f"# rotation: {what}: BIND took {found['updates']} updates with {found['changes']} changes ({by_zone}), "
              f"{found['changes'] / max(1, found['updates']):.0f} each, and {found['questions']} questions")
        return found

    def say_rates(self, what, progress, **totals):
        parts = []
        for name, total in totals.items():
            rate, ended = progress.rate(name, total)
            self.facts[f"{what}, {name}"] = {"a_second": rate, "all_after_s": ended}
            parts.append(f"{name} {rate:.0f} a second (all after {ended:.0f} s)")
        print(f"# rotation: {what}: " + ", ".join(parts), flush=True)

    def provide(self):
        """Each gets a key that signs and one that stands by."""
        begun = time.monotonic()
        self.site.admin.stop()  # it looks for domains that others have written when it starts, and every hour
        self.site.store.load("".join(f"domain {TENANT} {name} policy=rotating\n" for name in self.site.size.names()))
        print(f"# rotation: signpost store load wrote {self.total} domains in {time.monotonic() - begun:.1f} s")
        self.site.admin.start().ready()
        progress = Progress({})
        self.site.until("all domains have keys", lambda c: c["active"] >= self.total and c["standing_by"] >= self.total, progress)
        self.say_rates("the first keys", progress, made=2 * self.total, published=2 * self.total, active=self.total)
        self.say_dns("the first keys")
        for gate in self.site.gates:
            gate.begun = time.monotonic()
            gate.wait(self.site.bench.program("miltergen"))

    def signpost(self, *words):
        """What it answers; it may take its time."""
        done = subprocess.run([stores.SIGNPOST.resolve(), words[0], "--json", "--socket", self.site.admin.socket, *words[1:]],
                              capture_output=True, text=True, timeout=self.site.size.patience_s, check=False)
        if done.returncode != 0:
            raise BenchError(f"signpost {words}: {done.returncode}\n{done.stdout[-500:]}{done.stderr[-2000:]}")
        return json.loads(done.stdout)["result"]

    def rotate(self):
        """Until the old keys are destroyed, and each domain has one that signs and one that stands by."""
        before = self.site.counts()
        progress, begun = Progress(before), time.monotonic()
        answer = self.signpost("rotate", "--tenant", TENANT, "--reason", "all of them")
        print(f"# rotation: signpost rotate --tenant asked for {answer['asked']} in {time.monotonic() - begun:.1f} s "
              f"({answer['refused']} refused)")
        total = self.total
        self.site.until("all are rotated", lambda c: c["destroyed"] >= before["destroyed"] + total and c["active"] == total and
                        c["standing_by"] >= total, progress)
        took = time.monotonic() - begun
        self.say_rates("rotated", progress, made=total, published=total, removed=total, destroyed=total)
        active = next((at for at, c in progress.rows if before["made"] and c["retiring"] + c["revoked"] + c["removed"] >= total), took)
        print(f"# rotation: all have a new key that signs {active:.1f} s after, the old ones are destroyed {took:.1f} s after")
        self.facts["rotation"] = {"asked": answer["asked"], "all_active_s": active, "all_destroyed_s": took}
        begun = time.monotonic()
        self.signpost("status")
        print(f"# rotation: signpost status took {time.monotonic() - begun:.1f} s")

    def run(self):
        self.provide()
        judge = Judge(self.site.world)
        judge.start()
        with Mail(self.site, judge) as mail:
            mail.rate(5)
            before = mail.rate(10)
            judge.until_all_have_signed(self.site.size.domains)
            meanwhile = mail.rate(until=self.rotate)
        self.say_dns("the rotation")
        self.say_mail(mail, judge, judge.finish(), before, meanwhile)

    def say_mail(self, mail, judge, judged, before, meanwhile):
        sent, size = mail.counts, self.site.size
        good = sum(judged[what] for what in ("at once", "later", "last of its key"))
        print(f"# rotation: {meanwhile:.0f} messages a second meanwhile, {before:.0f} before; {sent['done']} messages: {sent['signed']} signed, "
              f"{sent['unsigned']} unsigned, {sent['tempfail']} deferred, {sent['reject'] + sent['errors'] + sent['lost']} else")
        print(f"# rotation: dkimpy judged {good} signatures: {judged['at once']} when made, {judged['later']} of them again {0.9 * size.life_s:.0f} s or "
              f"more later, and {judged['last of its key']} so old that were the last of their keys so far, of {judged['keys']} keys; "
              f"{judged['bad']} did not verify, {judged['too late']} too late")
        for fault in mail.faults[:5] + judge.faults[:5]:
            print(f"# rotation: {fault}")
        self.facts["mail"] = {"before": before, "meanwhile": meanwhile, "sent": dict(sent), "judged": dict(judged)}
        self.goals.at_most("rotation: signatures that do not verify", judged["bad"], 0)
        self.goals.at_most("rotation: messages unsigned", sent["unsigned"] + sent["reject"], 0)
        self.goals.at_most("rotation: messages deferred or lost", sent["tempfail"] + sent["errors"] + sent["lost"] + len(mail.faults), 0)
        self.goals.at_least("rotation: keys whose last signature was judged", judged["keys"], 2 * size.domains)
        self.goals.at_most("rotation: not judged in time", judged["too late"], 0)


def measure_rotation(bench, goals):
    use_programs_of(bench)
    admind = Path(bench.args.server).resolve().parent / "signpost-admind"
    lifecycle.program = lambda: admind
    size = Size(bench.args.rotation_size or ("200" if bench.args.quick else "10000"))
    why_not = (dnsservers.missing() or (mariadb.missing() if size.store == "mysql" else None) or
               (None if os.access(admind, os.X_OK) else "signpost-admind is not built"))
    if why_not:
        print(f"# rotation: left out, {why_not}")
        return
    with said_by_bench("rotation"), contextlib.ExitStack() as stack:
        print(f"# rotation: {size.domains} domains in {len(ZONES)} zones, {size.algorithm}, {size.store}; lease {LEASE} s, signatures "
              f"{SIG} s")
        show = Show(Site(bench, stack, size), goals)
        bench.facts["rotation"] = show.facts
        show.run()
