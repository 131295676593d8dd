"""A world in which the customer's DNS is not ours: the provider's zone, where records of keys stand, is that of lifecycle.World;
the customer's is that of another server, which only the customer changes.

    with Delegated(folder) as world, lifecycle.Admin(store, world) as admin: world.set_cname(1)
"""
import shutil

from . import dnsservers, lifecycle, patience, procs

PROVIDER = "provider.example"
DELEGATION = f"dkim.{PROVIDER}"
CUSTOMER = "customer.example"
ADDRESS = "127.0.0.4"
SLOTS = 3


class Delegated(lifecycle.World):
    """The customer's server is a Knot at 127.0.0.4, on the port of all servers."""

    def __init__(self, folder, **more):
        super().__init__(folder, [PROVIDER], late=None, **more)

    def _root(self):
        return super()._root() + f"{CUSTOMER}. IN NS ns.{CUSTOMER}.\nns.{CUSTOMER}. IN A {ADDRESS}\n"

    def _stubs(self):
        return super()._stubs() + f'stub-zone:\n name: "{CUSTOMER}"\n stub-addr: {ADDRESS}@{self.port}\n'

    def _customer(self):
        folder = self.folder / "customer"
        folder.mkdir()
        (folder / "zone").write_text(f"$ORIGIN {CUSTOMER}.\n$TTL {lifecycle.TTL}\n@ IN SOA ns hostmaster 1 3600 600 86400 1\n"
                                     f"@ IN NS ns\nns IN A {ADDRESS}\n")
        (folder / "knot.conf").write_text(f"""server:
    rundir: {folder}
    listen: {ADDRESS}@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: {folder}
key:
  - id: signpost
    algorithm: hmac-sha256
    secret: {lifecycle.SECRET}
acl:
  - id: update
    key: signpost
    action: update
zone:
  - domain: {CUSTOMER}
    file: {folder}/zone
    acl: update
    zonefile-sync: -1
""")
        process = procs.Process([shutil.which("knotd", path=dnsservers.SBIN), "-c", folder / "knot.conf"], folder / "log", cwd=folder)
        self.servers.append(process)
        assert procs.wait_until(lambda: process.poll() is not None or self.serves(ADDRESS, f"ns.{CUSTOMER}")), process.output()[-2000:]
        assert process.poll() is None, process.output()[-2000:]

    def start(self):
        self._customer()
        return super().start()

    def target(self, slot, domain=CUSTOMER):
        return f"sp{slot}.{domain}.{DELEGATION}."

    def customer(self, name, kind=None, value=None):
        """What the customer sets at NAME, in place of all that is there; nothing: it goes."""
        import dns.query
        import dns.tsigkeyring
        import dns.update
        change = dns.update.Update(CUSTOMER, keyring=dns.tsigkeyring.from_text({"signpost": lifecycle.SECRET}),
                                   keyalgorithm="hmac-sha256")
        change.delete(f"{name}.")
        if kind:
            change.add(f"{name}.", lifecycle.TTL, kind, value)
        answer = dns.query.tcp(change, ADDRESS, port=self.port, timeout=patience.seconds(10))
        assert answer.rcode() == 0, answer

    def set_cname(self, slot, target=None):
        self.customer(f"sp{slot}._domainkey.{CUSTOMER}", "CNAME", target or self.target(slot))

    def take_cname(self, slot):
        self.customer(f"sp{slot}._domainkey.{CUSTOMER}")

    def set_all(self):
        for slot in range(1, SLOTS + 1):
            self.set_cname(slot)

    def at_target(self, slot):
        """The texts at the target of a slot, as the provider's server has them."""
        return self.ask(self.target(slot).rstrip("."))
