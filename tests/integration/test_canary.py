"""Gateways verify what they have just signed, by DNS, as receivers will (SelfVerify): with a real BIND, a real unbound, a
key store, signpost-admind and gateways (lib/lifecycle.py). A record that goes away behind our back is found, the key before
signs again; a DNS that does not answer says nothing.
"""
import socket
import threading

import pytest

from lib import dnsservers, lifecycle, patience, procs, stores
from lib.gateways import Gateway, Gateways
from lib.keys import make_key

NAME = "a.example.com"
REPORTS = {"GatewayReport": "yes", "GatewayReportInterval": 1}
# The key before stays as long as the test takes.
PLAN = {"lease": 300, "signature_life": 60, "retry": 1}
MISSING = dnsservers.missing() or stores.missing() or (None if lifecycle.program() else "signpost-admind is not built")
pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.signpost("SelfVerify is ours")]


def until(condition, seconds, *told):
    assert procs.wait_until(condition, patience.seconds(seconds), step=0.05), "\n".join(str(one()) for one in told)


def keys(admin):
    """{state: selector}; of two in one state, any."""
    return {key["state"]: key["selector"] for key in admin.cli("key", "list", NAME)["result"]["keys"]}


def of(admin, selector):
    return next(key for key in admin.cli("key", "list", NAME)["result"]["keys"] if key["selector"] == selector)


def domain(admin):
    return admin.cli("domain", "show", NAME)["result"]["domain"]


def settled(admin):
    states = sorted(key["state"] for key in admin.cli("key", "list", NAME)["result"]["keys"])
    return states.count("ACTIVE") == 1 and states.count("LOADED") == 1


def checked(gateway, result):
    return gateway.metrics().of("selfverify_total", result=result)


def put(world, selector, text):
    world.update(NAME, f"{selector}._domainkey.{NAME}", [text[i:i + 200] for i in range(0, len(text), 200)])


class Service:
    """World, store, signpost-admind and gateways with a rotated key: `new` signs, `old` is the one before."""

    def __init__(self, program, folder, **settings):
        self.store = stores.sqlite_store(folder)
        self.world = lifecycle.World(folder, [NAME])
        self.program, self.folder, self.settings = program, folder, settings

    def __enter__(self):
        world, store = self.world.start(), self.store
        self.admin = lifecycle.Admin(store, world).start().ready()
        lifecycle.provide(self.admin, [NAME], PLAN)
        settings = store.settings(**{"SelfVerify": 1000, "Nameservers": world.resolver.address, **REPORTS, **self.settings})
        self.gateways = Gateways(self.program, self.folder, settings, [], 2).__enter__()
        until(lambda: settled(self.admin), 90, self.admin.log)
        return self

    def __exit__(self, *_):
        self.gateways.__exit__()
        self.admin.stop()
        self.world.stop()

    def log(self):
        return self.admin.log()[-4000:] + "".join(gateway.log()[-2000:] for gateway in self.gateways)

    def send(self):
        """A message by each gateway: which selector it was signed with."""
        for gateway in self.gateways:
            gateway.must_sign([NAME])

    def rotate(self):
        """The stand-by key takes over: (old, new)."""
        old = keys(self.admin)["ACTIVE"]
        new = keys(self.admin)["LOADED"]
        self.admin.cli("rotate", "--reason", "a test", NAME)
        until(lambda: keys(self.admin).get("ACTIVE") == new, 60, self.log)
        return old, new

    def fails(self):
        """Mail is sent until each gateway has found that it cannot be verified, or is told to use another key."""
        self.send()
        return keys(self.admin).get("HELD") is not None

    def verifies(self, seconds=4):
        """Mail for a while, judged by dkimpy; from the first message on."""
        with lifecycle.Mail(self.world, self.gateways, [NAME], later=0.5) as mail:
            done = threading.Event()
            done.wait(seconds)
        assert not mail.faults and mail.signed > 0, (mail.say(), mail.faults[:5], self.log())
        return mail.selectors[NAME]


def test_good_signatures_are_told(program, folder):
    """The first ten of a key, and no more where one of a thousand is looked at; the store is told."""
    with Service(program, folder) as service:
        selector = keys(service.admin)["ACTIVE"]
        for _ in range(15):
            service.send()
        for gateway in service.gateways:
            until(lambda: 10 <= checked(gateway, "good") <= 11, 30, gateway.metrics, gateway.log)
            assert checked(gateway, "failed") == checked(gateway, "unavailable") == 0
        until(lambda: of(service.admin, selector)["verified_by"] == 2, 30, service.log)
        assert of(service.admin, selector)["failing_at"] == 0
        assert all(one["failed"] == "" for one in service.admin.cli("gateway", "list")["result"]["gateways"])
        assert "VERIFIED-BY" in service.admin.text("key", "list", NAME)


def test_record_is_replaced_behind_our_back(program, folder):
    with Service(program, folder) as service:
        admin, world = service.admin, service.world
        service.send()
        old, new = service.rotate()
        right = world.keys_in(NAME)[new][0]
        put(world, new, world.keys_in(NAME)[old][0])    # another key
        until(service.fails, 90, service.log)
        assert keys(admin)["ACTIVE"] == old and keys(admin)["HELD"] == new
        # Each gateway hears of it within its KeyStorePollInterval; then all mail verifies again.
        until(lambda: all(f"s={old}" in str(gateway.must_sign([NAME])) for gateway in service.gateways), 30, service.log)
        assert service.verifies() == [old]
        assert "rolled back" in of(admin, new)["trouble"] and of(admin, new)["suspect"]
        assert domain(admin)["paused"] and domain(admin)["rolled_back"] and new != old
        assert "rolled back" in admin.text("status") and "rolled back" in admin.log()
        log = "".join(gateway.log() for gateway in service.gateways)
        assert f"s={new}" in log and "cannot be verified by its receivers" in log
        assert sum(checked(gateway, "failed") for gateway in service.gateways) >= 3
        # Nothing is activated, not even if somebody asks, until it is released.
        admin.cli("rotate", "--reason", "too early", NAME)
        assert service.verifies(2) == [old]
        put(world, new, right)
        admin.cli("key", "release", NAME, new)
        assert not domain(admin)["paused"] and not domain(admin)["rolled_back"]
        until(lambda: keys(admin).get("ACTIVE") not in (None, old), 60, service.log)
        assert old not in service.verifies()[1:]


def test_dns_that_does_not_answer_says_nothing(program, folder):
    """A server that is silent, and one that fails: nobody is blamed, mail goes on at once."""
    for number, answer in enumerate((None, 2)):
        here = folder / str(number)
        here.mkdir()
        with Unhelpful(answer) as server, Service(program, here, DNSTimeout=1, Nameservers=server.address) as service:
            old, new = service.rotate()
            for _ in range(5):
                service.send()
            for gateway in service.gateways:
                until(lambda: checked(gateway, "unavailable") >= 1, 60, gateway.metrics, gateway.log)
                assert checked(gateway, "failed") == 0
            assert keys(service.admin)["ACTIVE"] == new and not of(service.admin, new)["trouble"]
            assert not domain(service.admin)["paused"]


class Unhelpful:
    """A name server that never answers (None), or always with this code."""

    def __init__(self, rcode):
        self.rcode = rcode
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            try:
                question, who = self.socket.recvfrom(4096)
                if self.rcode is not None and len(question) > 12:
                    self.socket.sendto(question[:2] + bytes([0x81, 0x80 | self.rcode]) + question[4:6] + bytes(6) + question[12:], who)
            except OSError:
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_keys_of_a_table(program, folder):
    """Without a KeyStore it has to be asked for; the metrics and the log tell of it."""
    key = make_key("rsa2048", folder / "key.pem")
    (folder / "zone").write_text(f"good._domainkey.{NAME} {key.record}\n")
    for selector, wanted in (("good", "good"), ("other", "failed")):
        settings = {"Mode": "s", "Domain": NAME, "Selector": selector, "KeyFile": key.path, "SelfVerify": 1,
                    "TestPublicKeys": folder / "zone"}
        with Gateway(program, folder, settings, selector) as gateway:
            gateway.must_sign([NAME])
            until(lambda: checked(gateway, wanted) == 1, 30, gateway.metrics, gateway.log)
            assert ("cannot be verified by its receivers: " in gateway.log()) == (wanted == "failed"), gateway.log()
