"""For bench.py, group "moving": a site of OpenDKIM with 10,000 domains moves to Signpost, as an operator would do it, and what it takes
in commands and seconds. opendkim, Postfix, MariaDB, BIND, a caching resolver and the gateways are real and on this machine.

The site has three gateways, each with an opendkim of its own and a part of the domains: flat files with RSA keys, patterns
(refile:) and tables in MariaDB (dsn:) with Ed25519 keys; see opendkimsite.py. Step by step:

    import      report, --apply, and once more, which has nothing to do
    rehearse    signpostd behind each opendkim, with ShadowReport, on the key store; a message of each domain. Before that
                somebody changes a selector in a KeyTable of opendkim's after the import, which has to be found
    switch      ShadowReport is taken out, and the MTA asks signpostd alone; a message of each domain has to have the d= and s=
                that it had by opendkim
    rotate      all keys, while there is mail

signpostd signs from the key store and not from the old tables, which it could read as well: keys in files stay where they
are, and only those of the store are rotated. What Canonicalization and the like said in opendkim.conf stands in its configuration.

Every signature is judged by dkimpy with what BIND says. Of the mail beside the rotation see rotation.py, whose code, and whose
time, compressed by the plan, is used here. The seconds are those of the commands, and of what is waited for after them.

The keys are of a pool. The RSA domains are 1 of RSA_EVERY unless --moving-size says otherwise: for each of them two keys are made.
"""
import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import opendkimsite
import rotation
from keystoredata import use_programs_of
from servers import BenchError, start
from storedata import said_by_bench
from lib import dnsservers, gateways, lifecycle, mariadb, postfix, procs, sink, smtpc, stores  # storedata has set the path

RSA_EVERY = 20
POOL = 32            # keys of each algorithm
RSA_POLICY = "rotating-rsa"
PLANTED = 3          # messages of the domain whose selector was changed, and of one that stayed in each part
REPORT_SHOWN = re.compile(r"(\d+) messages, (\d+) alike, (\d+) different")
TAG = {tag: re.compile(rb"[;\s]%s=([^;\s]+)" % tag) for tag in (b"d", b"s")}


class Size(rotation.Size):
    """TEXT: DOMAINS[,RSA], the second how many of them have RSA keys."""

    def __init__(self, text):
        domains, _, rsa = text.partition(",")
        if not domains.isdigit() or int(domains) < 12 or not (rsa or "1").isdigit():
            raise BenchError("--moving-size DOMAINS[,RSA]: numbers, and 12 domains at least")
        super().__init__(domains)
        self.rsa = int(rsa or max(4, self.domains // RSA_EVERY))
        if self.rsa > self.domains // 2:
            raise BenchError("--moving-size: at most half of the domains have RSA keys")
        self.pool, self.settle_s = min(POOL, self.domains // 4), 10
        self.patience_s += self.rsa


def signed_as(message):
    """(d=, s=) of each signature."""
    head = re.sub(rb"\r\n(?=[ \t])", b"", message.split(b"\r\n\r\n", 1)[0])
    fields = [line for line in head.split(b"\r\n") if line.lower().startswith(b"dkim-signature:")]
    return [tuple(TAG[tag].search(field).group(1).decode() for tag in (b"d", b"s")) for field in fields]


# ---- the site ----

class Site(rotation.Site):
    """parts: what is there before; gates: signpostd beside them, as soon as they are started; mta: in front of both."""

    def make_world(self, folder):
        size = self.size
        self.parts = opendkimsite.build(self.folder, size.names(), size.rsa, size.pool, self.server)
        return opendkimsite.World(folder, rotation.ZONES, {name: text for part in self.parts for name, text in part.records().items()})

    def make_gates(self):
        return []

    def shadow_gate(self, number):
        """On the key store, beside the opendkim of a part."""
        self.report(number).unlink(missing_ok=True)
        lines = [f"KeyStore {self.store.spec}", f"SiteKeyFile {self.store.site_key}", "KeyStorePollInterval 1",
                 "GatewayReport yes", "GatewayReportInterval 1", f"GatewayName gate{number}", "SelfVerify 0",
                 f"ShadowReport {self.report(number)}"]
        return start(self.bench, self.stack, f"signpostd{number}", self.bench.args.server, str(self.folder), "rsa", lines, inet=True)

    def report(self, number):
        return self.folder / f"shadow{number}.json"

    def port(self, number):
        return int(self.gates[number].address.partition(":")[2].partition("@")[0])

    def start_gates(self):
        self.gates = [self.shadow_gate(n) for n in range(len(self.parts))]
        for number, gate in enumerate(self.gates):
            procs.wait_connect(("127.0.0.1", self.port(number)), proc=gate.process)

    def start_mta(self):
        """A service that asks opendkim and signpostd for each part, and one for each that asks signpostd alone."""
        self.sink = sink.Sink()
        self.stack.callback(self.sink.close)
        if not self.sink.ready():
            raise BenchError("the last hop of the MTA does not greet")
        both = [f"inet:127.0.0.1:{part.old.port},inet:127.0.0.1:{self.port(n)}" for n, part in enumerate(self.parts)]
        alone = [f"inet:127.0.0.1:{self.port(n)}" for n in range(len(self.parts))]
        self.mta = self.stack.enter_context(postfix.Postfix(self.folder, self.sink.port, both + alone))

    def send(self, per_part, switched=False):
        """One message of each domain of PER_PART, lists of them, by the service of its part; all as delivered."""
        first, faults = len(self.parts) if switched else 0, []

        def by_one(number, domains):
            try:
                client = smtpc.Client(self.mta.ports[first + number])
                for domain in domains:
                    client.send(f"a@{domain}", ["b@far.test"], gateways.message(domain))
                client.quit()
            except (smtpc.SmtpError, OSError) as error:
                faults.append(f"part {number}: {error}")

        threads = [threading.Thread(target=by_one, args=one) for one in enumerate(per_part)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        count = sum(len(domains) for domains in per_part)
        if faults or not self.sink.wait_for(count, self.size.patience_s):
            raise BenchError(f"{len(self.sink.messages)} of {count} messages were delivered; {faults}; Postfix says:\n{self.mta.log()[-2000:]}")
        return [one.data for one in self.sink.take()]

    def reload_gates(self, without=()):
        """HUP to each; WITHOUT: parameters that go out of its configuration. Until it is in force."""
        for gate in self.gates:
            conf = Path(gate.folder) / f"{gate.label}.conf"
            conf.write_text("".join(line for line in conf.read_text().splitlines(True) if line.split()[0] not in without))
            before = Path(gate.log).read_text(errors="replace").count("configuration reloaded")
            gate.process.send_signal(signal.SIGHUP)
            if not procs.wait_until(lambda gate=gate, before=before: Path(gate.log).read_text(errors="replace").count("configuration reloaded") > before):
                raise BenchError(f"{gate.label} does not reload:\n{gate.last_words()}")

    def reported(self):
        """Lines so far of all reports."""
        return sum(self.report(n).read_bytes().count(b"\n") for n in range(len(self.parts)) if self.report(n).exists())


# ---- the steps ----

class Steps:
    """What was typed, and what it took."""

    def __init__(self, site):
        self.site, self.rows = site, []

    def note(self, command, seconds, came_to):
        self.rows.append((command, seconds, came_to))
        print(f"# moving: {seconds:7.1f} s  {command}: {came_to}", flush=True)

    @contextlib.contextmanager
    def timed(self, command):
        """Gives a list, whose first text says what it came to."""
        begun, came_to = time.monotonic(), []
        yield came_to
        self.note(command, time.monotonic() - begun, came_to[0] if came_to else "")

    def signpost(self, *words, code=0, asks=True):
        """The process that ended; ASKS: signpost-admind."""
        where = ["--socket", self.site.admin.socket] if asks else []
        begun = time.monotonic()
        done = subprocess.run([stores.SIGNPOST.resolve(), *map(str, words), *map(str, where)], capture_output=True, text=True,
                              timeout=self.site.size.patience_s, check=False)
        shown = "signpost " + " ".join(str(word).replace(f"{self.site.folder}/", "") for word in words)
        if done.returncode != code:
            raise BenchError(f"{shown}: {done.returncode}, not {code}\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n{self.site.admin.log()[-2000:]}")
        return shown, time.monotonic() - begun, done

    def print(self):
        width = max(len(command) for command, _, _ in self.rows)
        print(f"\n{'command':<{width}} {'seconds':>8}")
        for command, seconds, came_to in self.rows:
            print(f"{command:<{width}} {seconds:>8.1f}  {came_to}")
        print(f"{len(self.rows)} steps{'':<{width - len(str(len(self.rows))) - 6}} {sum(seconds for _, seconds, _ in self.rows):>8.1f}\n", flush=True)


class Show(rotation.Show):
    def __init__(self, site, goals, judge):
        super().__init__(site, goals)
        self.steps, self.judge = Steps(site), judge
        self.bad, self.judged_mail = [], 0

    # -- import --

    def import_part(self, part, *flags):
        policy = RSA_POLICY if part.kind == "rsa2048" else "rotating"
        words = ("import", "opendkim", "-t", rotation.TENANT, "-p", policy, f"--nameserver={self.site.world.resolver.address}", *flags, part.conf)
        shown, seconds, done = self.steps.signpost(*words)
        last = (done.stdout + done.stderr).strip().splitlines()[-1]
        return shown, seconds, re.sub(r"^signpost[^:]*: ", "", last)

    def bring_in(self):
        """With a policy that has a plan: what a key is promised (its lease, how long its signatures count) is the plan's of that moment."""
        with self.steps.timed(f"signpost policy set --plan FILE {rotation.TENANT} {RSA_POLICY}  (and one for Ed25519)"):
            lifecycle.provide(self.site.admin, [], {**self.site.size.plan, "algorithms": ["rsa-2048"]}, name=RSA_POLICY,
                              tenant=rotation.TENANT, new=False)
        before = self.site.counts()
        for flags in ((), ("--apply",), ("--apply",)):
            for part in self.site.parts:
                self.steps.note(*self.import_part(part, *flags))
            if not flags and self.site.counts() != before:
                raise BenchError("a report has changed the store")
        written = [came_to for command, _, came_to in self.steps.rows[-len(self.site.parts):]]
        self.goals.at_most("moving: rows written by the second import", sum(not one.startswith("0 rows written") for one in written), 0)
        self.goals.at_least("moving: domains that sign by the store", self.site.counts()["active"], self.total)

    # -- the rehearsal --

    def shadow(self, code):
        shown, seconds, done = self.steps.signpost("shadow", *[self.site.report(n) for n in range(len(self.site.parts))], code=code, asks=False)
        found = REPORT_SHOWN.search(done.stdout)
        self.steps.note(shown, seconds, found.group(0))
        return [int(number) for number in found.groups()], done.stdout

    def wait_for_report(self, count):
        if not procs.wait_until(lambda: self.site.reported() >= count, self.site.size.patience_s):
            raise BenchError(f"{self.site.reported()} of {count} messages are in the reports")

    def check(self, messages, what):
        """dkimpy judges each. {domain: (d=, s=)}"""
        verdicts = self.judge.pool.map(rotation.verified, [self.site.world.port] * len(messages), messages, chunksize=20)
        self.bad += [f"{what}: {signed_as(message)}: {why}" for message, (good, why, _) in zip(messages, verdicts) if not good]
        self.judged_mail += len(messages)
        return {one[0]: one for message in messages for one in signed_as(message)}

    def rehearse(self):
        site, steps = self.site, self.steps
        changed = site.parts[1].domains[0]
        site.parts[1].key_table(other=[changed])      # somebody does it after the import
        for part in site.parts:
            site.stack.enter_context(part.old)
        with steps.timed("systemctl start signpostd  (3 gateways, ShadowReport)"):
            site.start_gates()
        site.start_mta()
        some = [part.domains[-1:] * PLANTED for part in site.parts]
        some[1] = some[1] + [changed] * PLANTED
        with steps.timed("mail through both") as came_to:
            site.send(some)
            self.wait_for_report(sum(map(len, some)))
            came_to.append(f"{sum(map(len, some))} messages, a selector was changed in opendkim's KeyTable after the import")
        (count, alike, different), said = self.shadow(1)
        lines = [line for line in said.splitlines() if changed in line and "other-selector" in line]
        if (count, different, len(lines)) != (count, PLANTED, 1) or alike + different != count:
            raise BenchError(f"what was planted was not found, or more than that:\n{said}")
        site.parts[1].key_table()
        site.parts[1].old.kill()
        site.parts[1].old.start()
        for n in range(len(site.parts)):
            site.report(n).rename(site.folder / f"shadow{n}.old")
        with steps.timed("systemctl reload signpostd  (the KeyTable is mended, new reports)"):
            site.reload_gates()
        with steps.timed("mail through both") as came_to:
            messages = site.send([part.domains for part in site.parts])
            self.wait_for_report(self.total)
            came_to.append(f"{len(messages)} messages, one of each domain")
        (count, alike, different), said = self.shadow(0)
        self.goals.at_most("moving: differences in shadow mode", different, 0)
        self.goals.at_least("moving: messages alike in shadow mode", alike, self.total)
        return self.check(messages, "by opendkim")

    # -- the switch --

    def switch(self, before):
        site, steps = self.site, self.steps
        miltergen = site.bench.program("miltergen")
        with steps.timed("systemctl reload signpostd; postfix reload  (without ShadowReport, without opendkim)"):
            site.reload_gates(without=("ShadowReport",))
            for gate in site.gates:
                gate.begun = time.monotonic()
                gate.wait(miltergen)
        for part in site.parts:
            part.old.kill()
        with steps.timed("mail through signpostd") as came_to:
            messages = site.send([part.domains for part in site.parts], switched=True)
            came_to.append(f"{len(messages)} messages, one of each domain")
        after = self.check(messages, "after the switch")
        other = [(domain, before[domain], after.get(domain)) for domain in before if after.get(domain) != before[domain]]
        self.goals.at_most("moving: domains signed otherwise than by opendkim", len(other), 0)
        self.goals.at_least("moving: domains that opendkim signed for", len(before), self.total)
        for one in other[:5]:
            print(f"# moving: {one}")

    # -- rotation --

    def stand_by(self):
        """signpost-admind makes them since the import."""
        with self.steps.timed("(until each domain has a key that stands by)"):
            self.site.until("keys that stand by", lambda c: c["standing_by"] >= self.total, rotation.Progress({}))

    def rotate_all(self):
        with self.steps.timed(f"signpost rotate -t {rotation.TENANT}") as came_to:
            super().rotate()
            came_to.append(f"all sign with new keys after {self.facts['rotation']['all_active_s']:.0f} s, the old ones are gone at the end")

    def run(self):
        self.bring_in()
        before = self.rehearse()
        self.switch(before)
        self.judge.start()
        with rotation.Mail(self.site, self.judge) as mail:
            rate = mail.rate(self.site.size.settle_s)
            self.stand_by()
            self.judge.until_all_have_signed(self.total)
            meanwhile = mail.rate(until=self.rotate_all)
        judged = self.judge.finish()
        self.say_mail(mail, self.judge, judged, rate, meanwhile)
        self.say_all()

    def say_all(self):
        print(f"# moving: dkimpy judged {self.judged_mail} messages that came through Postfix; {len(self.bad)} did not verify")
        for one in self.bad[:5]:
            print(f"# moving: {one}")
        self.goals.at_most("moving: messages through Postfix that do not verify", len(self.bad), 0)
        self.goals.at_least("moving: messages through Postfix that were judged", self.judged_mail, 2 * self.total)
        self.facts["steps"] = self.steps.rows
        self.steps.print()


def missing():
    return dnsservers.missing() or mariadb.missing() or postfix.missing() or opendkimsite.missing()


def move(bench, goals, size):
    """The whole of it. The show, with its facts."""
    with said_by_bench("moving"), contextlib.ExitStack() as stack:
        site = Site(bench, stack, size)
        judge = rotation.Judge(site.world, size.life_s)
        stack.callback(judge.pool.shutdown, cancel_futures=True)
        parts = Counter({part.name: len(part.domains) for part in site.parts})
        print(f"# moving: {size.domains} domains of OpenDKIM ({', '.join(f'{count} {name}' for name, count in parts.items())}), "
              f"load of this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        show = Show(site, goals, judge)
        bench.facts["moving"] = show.facts
        show.run()
        return show


def measure_moving(bench, goals):
    use_programs_of(bench)
    admind = Path(bench.args.server).resolve().parent / "signpost-admind"
    lifecycle.program = lambda: admind
    why_not = missing() or (None if os.access(admind, os.X_OK) else "signpost-admind is not built")
    if why_not:
        print(f"# moving: left out, {why_not}")
        return
    move(bench, goals, Size(bench.args.moving_size or ("300" if bench.args.quick else "10000")))
