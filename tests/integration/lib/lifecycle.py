"""What a life of keys needs, all real and on loopback: authoritative servers (a primary that takes updates, a secondary whose
transfers are late), a caching resolver, a key store, signpost-admind, gateways, and mail that is sent and verified all the
while. Time is compressed by the plan: a life of months takes half a minute.

    with World(folder, ["a.example.com"]) as dns, Admin(store, dns) as admin: ...
"""
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from . import dnsservers, milter, patience, procs, stores
from .daemon import find_program

TTL = 2
PLAN = {"manage": True, "algorithms": ["rsa-2048"], "publisher": "bind", "interval": 0, "ttl": TTL, "negative_floor": 1,
        "lease": 4, "signature_life": 3, "clock_error": 1, "tombstone": 3, "activation_wait": 0, "proofs": 2,
        "proof_interval": 1, "timed_ack": 2, "drift_interval": 3600, "retry": 1, "retry_max": 2, "give_up": 0}
SECRET = "c2lnbnBvc3Qtc2lnbnBvc3Qtc2lnbnBvc3Qtc2lnbnA="
STATES = ("created", "publishing", "published", "proven", "loaded", "active", "retiring", "revoking", "revoked", "removed",
          "destroyed", "failed", "held", "compromised")


def program():
    """signpost-admind of this build, or None."""
    daemon = find_program()
    found = Path(daemon).parent / "signpost-admind" if daemon else None
    return found if found and found.exists() else None


class World:
    """zones: those of the domains; the primary is a BIND at 127.0.0.1; the secondary a Knot at 127.0.0.3 (BIND takes
    addresses of interfaces only), late by up to `late` seconds, or at once (0); None: there is none. wildcard: the TTL of a
    TXT record at *._domainkey, or False."""

    def __init__(self, folder, zones, late=0, wildcard=False, kind=None, static=()):
        """kind: another primary, of lib/publishing.py, without a secondary. static: zones that take no updates."""
        self.folder, self.zones, self.late, self.wildcard = Path(folder), list(zones), late, wildcard
        self.static = static
        if kind is not None:
            self.late = None
            self.kind = kind(self.folder, [*self.zones, "."])
            self.kind.zone_text = self._any_zone
        else:
            self.kind = None
        self.port = self.kind.port if self.kind else dnsservers.free_port()
        self.key_file = self.folder / "tsig.secret"
        self.publishers = self.folder / "publishers"
        self.servers = []

    @property
    def addresses(self):
        return ["127.0.0.1"] + (["127.0.0.3"] if self.late is not None else [])

    def _zone(self, name):
        hosts = "".join(f"@ IN NS ns{i}\nns{i} IN A {address}\n" for i, address in enumerate(self.addresses))
        more = f'*._domainkey {int(self.wildcard)} IN TXT "v=spf1 -all"\n' if self.wildcard else ""
        return (f"$ORIGIN {name}.\n$TTL {TTL}\n@ IN SOA ns0 hostmaster 1 {max(1, self.late or 1)} 1 86400 1\n{hosts}{more}")

    def _any_zone(self, name):
        return self._root() if name == "." else self._zone(name)

    def _root(self):
        return (f"$ORIGIN .\n$TTL {TTL}\n. IN SOA ns0. hostmaster. 1 3600 600 86400 1\n. IN NS ns0.\nns0. IN A 127.0.0.1\n" +
                "".join(f"{name}. IN NS ns{i}.{name}.\nns{i}.{name}. IN A {address}\n"
                        for name in self.zones for i, address in enumerate(self.addresses)))

    def _primary(self):
        if self.kind is not None:
            return self.kind.start()
        folder = self.folder / "named"
        folder.mkdir()
        blocks = []
        for name in self.zones:
            (folder / f"zone.{name}").write_text(self._zone(name))
            updates = "" if name in self.static else 'allow-update { key "signpost"; };'
            blocks.append(f'zone "{name}" {{ type primary; file "{folder}/zone.{name}"; check-names ignore; {updates} }};')
        (folder / "root").write_text(self._root())
        blocks.append(f'zone "." {{ type primary; file "{folder}/root"; check-names ignore; }};')
        notify = "explicit" if self.late == 0 else "no"
        (folder / "named.conf").write_text(f"""
key "signpost" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{ directory "{folder}"; pid-file none; session-keyfile none; lock-file none; recursion no;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  notify {notify}; also-notify {{ 127.0.0.3 port {self.port}; }}; notify-delay 0;
  allow-query {{ any; }}; allow-transfer {{ any; }}; dnssec-validation no; empty-zones-enable no; querylog yes; }};
controls {{ }};
logging {{ channel here {{ stderr; severity info; print-time no; }}; category default {{ here; }}; category queries {{ here; }}; }};
""" + "\n".join(blocks) + "\n")
        return self._run("127.0.0.1", folder, [shutil.which("named", path=dnsservers.SBIN), "-f", "-n", "1", "-c",
                                               folder / "named.conf"])

    def _secondary(self):
        folder = self.folder / "knot"
        folder.mkdir(exist_ok=True)
        late = max(2, self.late)  # the least that Knot takes
        zones = "".join(f"  - domain: {name}\n    master: primary\n    acl: primary\n" for name in self.zones)
        (folder / "knot.conf").write_text(f"""server:
    rundir: {folder}
    listen: 127.0.0.3@{self.port}
log:
  - target: stderr
    any: info
database:
    storage: {folder}
remote:
  - id: primary
    address: 127.0.0.1@{self.port}
acl:
  - id: primary
    address: 127.0.0.1
    action: notify
template:
  - id: default
    storage: {folder}
    zonefile-load: none
    zonefile-sync: -1
    refresh-min-interval: {late}
    refresh-max-interval: {late}
    retry-max-interval: 2
    expire-min-interval: 3600
zone:
{zones}""")
        return self._run("127.0.0.3", folder, [shutil.which("knotd", path=dnsservers.SBIN), "-c", folder / "knot.conf"])

    def _run(self, address, folder, argv):
        process = procs.Process(argv, folder / "log", cwd=folder)
        self.servers.append(process)
        name = f"ns0.{self.zones[-1]}"
        assert procs.wait_until(lambda: process.poll() is not None or self.serves(address, name)), process.output()[-2000:]
        assert process.poll() is None, process.output()[-2000:]
        return process

    def serves(self, address, name):
        import dns.exception
        import dns.message
        import dns.query
        try:
            return bool(dns.query.udp(dns.message.make_query(name, "A"), address, timeout=1, port=self.port).answer)
        except (OSError, dns.exception.DNSException):
            return False

    def start(self):
        self.key_file.write_text(SECRET + "\n")
        self.key_file.chmod(0o600)
        self.primary = self._primary()
        if self.late is not None:
            self.secondary = self._secondary()
        self.resolver = dnsservers.Unbound(self.folder, forward=None, settings=["cache-max-negative-ttl: 5"])
        self.resolver.settings += [f'access-control: 127.0.0.0/8 allow']
        stubs = self._stubs()
        write = self.resolver.write

        def with_stubs():
            write()
            conf = self.resolver.root / "unbound.conf"
            conf.write_text(conf.read_text() + stubs)

        self.resolver.write = with_stubs
        self.resolver.start()
        self.publishers.write_text(self.kind.publisher("bind") + "\n" if self.kind else f"bind rfc2136:127.0.0.1:{self.port}?key=signpost&secretfile={self.key_file}&algorithm=hmac-sha256\n")
        self.publishers.chmod(0o600)
        return self

    def _stubs(self):
        """Where the resolver finds each zone: the ports are not those that a delegation means."""
        places = [(".", ["127.0.0.1"])] + [(zone, self.addresses) for zone in self.zones]
        return "".join(f'stub-zone:\n name: "{zone}"\n' + "".join(f" stub-addr: {a}@{self.port}\n" for a in addresses)
                       for zone, addresses in places)

    def stop_secondary(self):
        self.servers.remove(self.secondary)
        self.secondary.stop()

    def start_secondary(self):
        self.secondary = self._secondary()

    def stop(self):
        self.resolver.stop()
        for server in self.servers:
            server.stop()
        if self.kind is not None:
            self.kind.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def fragments(self):
        """The folder of what zones include: %z there is the fragment of a zone."""
        folder = self.folder / "named" / "fragments"
        folder.mkdir(exist_ok=True)
        return folder

    def reloader(self):
        """A program that has the primary read its zones again: each with a new serial, so that it takes them."""
        path = self.folder / "reload"
        path.write_text(f"""#!/bin/sh
for zone in {" ".join(self.zones)}; do
	[ -e {self.folder}/named/fragments/$zone ] || continue
	now=$(date +%s)
	sed "s/hostmaster [0-9]*/hostmaster $now/" {self.folder}/named/zone.$zone > {self.folder}/named/new
	grep -q INCLUDE {self.folder}/named/new || echo "\\$INCLUDE {self.folder}/named/fragments/$zone" >> {self.folder}/named/new
	mv {self.folder}/named/new {self.folder}/named/zone.$zone
done
kill -HUP {self.primary.pid}
""")
        path.chmod(0o755)
        return path

    def hook(self):
        """A program for exec: that says "done" of what nsupdate did."""
        path = self.folder / "hook"
        path.write_text(f"""#!/usr/bin/python3
import json, subprocess, sys
asked = json.load(sys.stdin)
results = []
for change in asked["changes"]:
    name = change["name"] + "."
    lines = ["server 127.0.0.1 {self.port}", "key hmac-sha256:signpost {SECRET}", "zone " + asked["zone"] + "."]
    if change["how"] == "add":
        lines.append("prereq nxrrset " + name + " TXT")
    else:
        lines.append("update delete " + name + " TXT")
    if change["how"] != "remove":
        lines.append("update add " + name + " %d TXT " % change["ttl"] + " ".join('"' + s + '"' for s in change["strings"]))
    done = subprocess.run(["/usr/bin/nsupdate"], input="\\n".join(lines + ["send", ""]), capture_output=True, text=True)
    results.append({{"id": change["id"], "result": "done" if done.returncode == 0 else "unavailable", "why": done.stderr[-100:]}})
json.dump({{"results": results}}, sys.stdout)
""")
        path.chmod(0o755)
        return path

    def update(self, zone, name, *texts):
        """What somebody does by hand at the primary: TEXTS, each a list of strings, and nothing else at NAME."""
        import dns.query
        import dns.tsigkeyring
        import dns.update
        change = dns.update.Update(zone, keyring=dns.tsigkeyring.from_text({"signpost": SECRET}), keyalgorithm="hmac-sha256")
        change.delete(f"{name}.", "TXT")
        for strings in texts:
            change.add(f"{name}.", TTL, "TXT", " ".join('"%s"' % s for s in strings))
        answer = dns.query.tcp(change, "127.0.0.1", port=self.port, timeout=10)
        assert answer.rcode() == 0, answer

    def keys_in(self, zone):
        """{selector: texts} of all that the primary has below _domainkey."""
        import dns.query
        import dns.zone
        found = dns.zone.from_xfr(dns.query.xfr("127.0.0.1", zone, port=self.port, timeout=patience.seconds(10)), relativize=True)
        return {name.to_text().removesuffix("._domainkey"): [b"".join(r.strings).decode() for r in rdataset]
                for name, rdataset in found.iterate_rdatasets("TXT") if name.to_text().endswith("._domainkey")}

    def ask(self, name, at="127.0.0.1", port=None):
        """The texts at NAME, joined, as a server says; None: no answer."""
        import dns.exception
        import dns.message
        import dns.query
        query = dns.message.make_query(name, "TXT")
        try:
            answer = dns.query.udp(query, at, timeout=5, port=port or self.port)
            if answer.flags & 0x0200:
                answer = dns.query.tcp(query, at, timeout=5, port=port or self.port)
        except (OSError, dns.exception.DNSException):
            return None
        return [b"".join(r.strings).decode() for rrset in answer.answer if rrset.rdtype == 16 for r in rrset]

    def settings(self):
        return {"DNSPublishers": self.publishers, "ProvingResolvers": self.resolver.address, "ProvingPort": self.port,
                "ProvingThreads": 2}


class Admin:
    """signpost-admind on a store (lib/stores.py). environment: SIGNPOST_CRASH_AT and the like."""

    def __init__(self, store, world, name="admin", **more):
        self.store, self.world, self.folder, self.name = store, world, store.folder, name
        self.socket = self.folder / f"{name}.sock"
        self.conf = self.folder / f"{name}.admind.conf"
        self.settings = {"AdminName": name, "AdminSocket": self.socket, "AdminLease": 6, "Syslog": "no",
                         **(world.settings() if world else {}), **more}
        self.process = None

    def start(self, **environment):
        self.conf.write_text(self.store.admin.read_text() + "".join(f"{n} {v}\n" for n, v in self.settings.items()))
        self.process = procs.Process([program(), "-c", self.conf], self.folder / f"{self.name}.log", cwd=self.folder,
                                     env={**os.environ, **environment})
        return self

    def listens(self):
        with socket.socket(socket.AF_UNIX) as one:
            return one.connect_ex(str(self.socket)) == 0

    def ready(self):
        assert procs.wait_until(lambda: self.listens() or self.process.poll() is not None), self.log()[-2000:]
        assert self.process.poll() is None, self.log()[-2000:]
        return self

    def log(self):
        return self.process.output()

    def cli(self, *words, good=True):
        """`signpost WORDS --json` to this one: what it answers, or (bad) the process that was not content."""
        flags = 1 if words[0] in ("rotate", "status", "emergency", "drift") else 2
        done = subprocess.run([stores.SIGNPOST.resolve(), *words[:flags], "--json", "--socket", self.socket,
                               *map(str, words[flags:])], capture_output=True, text=True, timeout=patience.seconds(120))
        if not good:
            return done
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log()[-2000:]}"
        return json.loads(done.stdout)

    def text(self, *words):
        """What `signpost WORDS` prints for people."""
        done = subprocess.run([stores.SIGNPOST.resolve(), *words[:2], "--socket", self.socket, *map(str, words[2:])],
                              capture_output=True, text=True, timeout=patience.seconds(120))
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log()[-2000:]}"
        return done.stdout

    def states(self, names):
        """{(domain, selector): state}"""
        found = {}
        for name in names:
            for key in self.cli("key", "list", name)["result"]["keys"]:
                found[name, key["selector"]] = key["state"]
        return found

    def stop(self):
        return self.process.stop() if self.process else None

    def kill(self):
        return self.process.kill() if self.process else None

    def __enter__(self):
        return self.start().ready()

    def __exit__(self, *_):
        self.stop()


def provide(admin, names, plan=None, name="rotating", tenant="acme", new=True):
    """By `signpost`: a tenant (if it is new), a policy that has PLAN, and domains that have it."""
    file = admin.folder / f"{name}.plan"
    file.write_text(json.dumps({**PLAN, **(plan or {})}))
    if new:
        admin.cli("tenant", "add", tenant)
        admin.store.load(f"binding client:127.0.0.1/32 {tenant}\n")
    admin.cli("policy", "set", "--plan", file, tenant, name)
    for domain in names:
        admin.cli("domain", "add", "--policy", name, domain, tenant)


class Timeline:
    """Who was in which state when, from the rows; a thread that looks on."""

    def __init__(self, look, every=0.1):
        self.look, self.every, self.events, self.seen = look, every, [], {}
        self.began = time.monotonic()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.ends.wait(self.every):
            for key, state in sorted(self.look().items()):
                if self.seen.get(key) != state:
                    self.seen[key] = state
                    self.events.append((time.monotonic() - self.began, *key, state))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(patience.seconds(30))

    def say(self):
        for at, domain, selector, state in self.events:
            print(f"# {at:6.1f} s  {domain:24} {selector:20} {state}")


class Mail:
    """Sends a message a domain now and then to each gateway, and judges each signature by dkimpy: when it is made, by what a
    caching resolver says then, and again `later` seconds after."""

    def __init__(self, world, gateways, names, later=3.0, every=0.25):
        self.world, self.gateways, self.names, self.later, self.every = world, gateways, list(names), later, every
        self.sent = self.signed = self.unsigned = self.deferred = self.bad = self.verified = 0
        self.first = set()      # (gateway, domain) that was signed for once: from then on each message has to be
        self.selectors = {}
        self.faults = []
        self.waiting = []
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=self._send, daemon=True), threading.Thread(target=self._judge_later, daemon=True)]
        self.lock = threading.Lock()

    def text_of(self, name):
        host, _, port = self.world.resolver.address.partition(":")
        texts = self.world.ask(name, host, int(port))
        return texts[0].encode() if texts else None

    def judge(self, message, when):
        import dkim
        good = dkim.verify(message, dnsfunc=lambda name, **_: self.text_of(name.decode().rstrip(".") if isinstance(name, bytes) else name.rstrip(".")))
        self.verified += 1
        if not good:
            self.bad += 1
            self.faults.append((when, re.search(rb"d=([^;]+); s=([^;]+)", message.replace(b"\r\n\t", b" ")).groups()))

    def _send(self):
        while not self.ends.wait(self.every):
            for gateway in self.gateways:
                try:
                    answers = gateway.send(self.names)
                except (milter.Closed, OSError, RuntimeError) as error:
                    self.faults.append(("gateway", str(error)))
                    continue
                for name, (result, message) in answers.items():
                    self._take(gateway.name, name, result, message)

    def _take(self, gateway, name, result, message):
        self.sent += 1
        if result.signed:
            self.signed += 1
            self.first.add((gateway, name))
            found = re.search(rb"s=([^;\s]+)", message[message.lower().index(b"dkim-signature"):]).group(1).decode()
            self.selectors.setdefault(name, [])
            if found not in self.selectors[name]:
                self.selectors[name].append(found)
            self.judge(message, "at once")
            with self.lock:
                self.waiting.append((time.monotonic() + self.later, message))
        elif (gateway, name) in self.first:
            if result.verdict == "tempfail" or result.text.startswith("4"):
                self.deferred += 1
            else:
                self.unsigned += 1
            self.faults.append(("not signed", name, result.verdict, result.text))

    def _judge_later(self):
        while True:
            with self.lock:
                due = [m for at, m in self.waiting if at <= time.monotonic()]
                self.waiting = [(at, m) for at, m in self.waiting if at > time.monotonic()]
            for message in due:
                self.judge(message, "later")
            if self.ends.is_set() and not self.waiting:
                return
            time.sleep(0.1)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join(patience.seconds(60))

    def say(self):
        return (f"{self.sent} messages, {self.signed} signed, {self.unsigned} unsigned, {self.deferred} deferred; "
                f"{self.verified} judged by dkimpy, {self.bad} did not verify")
