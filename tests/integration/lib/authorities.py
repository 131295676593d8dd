"""A small DNS tree on loopback addresses, one port for all: BIND on each of them, or servers of our own that lie.

    tree = authorities.Tree(folder)
    tree.serve("127.0.0.11", {"customer.example": text})               BIND as primary
    tree.serve("127.0.0.12", {"customer.example": "127.0.0.11"})       and as secondary of that one
    tree.fake("127.0.0.13", answer)                                    answer(query, tcp): a Message, octets, several, None
    tree.start()                                                       and an unbound in front: tree.resolver
    tree.update("127.0.0.11", "customer.example", add=..)              RFC 2136
    tree.notify("127.0.0.12", "customer.example")                      it fetches the zone: not before that

BIND listens on addresses of interfaces only, and 127.0.0.11 is none: it has 127.0.0.1 and a port of its own, and a relay here
has the address.

A delegation has no port in it, so the resolver is told where each zone is (stub zones) and asks there with the port.
"""
import re
import selectors
import shutil
import socket
import struct
import threading
import time
from pathlib import Path

from . import dnsservers, patience

HOSTS = ["127.0.0.1"] + [f"127.0.0.{n}" for n in range(10, 30)]
SOA_SERIAL = 2026010100


def _hold(port):
    held = []
    try:
        for host in HOSTS:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = socket.socket(socket.AF_INET, kind)
                held.append(s)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((host, port))
                port = s.getsockname()[1]
        return port
    except OSError:
        return None
    finally:
        for s in held:
            s.close()


def free_port():
    for _ in range(100):
        port = _hold(0)
        if port is not None:
            return port
    raise RuntimeError("no port is free on all of the loopback addresses")


def zone(name, servers, records="", ttl=300, soa_ttl=600, minimum=400):
    """The text of a zone. SERVERS: {name: address}; a name outside the zone has no address here."""
    lines = [f"$ORIGIN {name}.", f"$TTL {ttl}",
             f"@ {soa_ttl} IN SOA ns.{name}. hostmaster.{name}. ( {SOA_SERIAL} 86400 86400 864000 {minimum} )"]
    lines += [f"@ IN NS {server}." for server in servers]
    lines += [f"{server}. IN A {address}" for server, address in servers.items() if server.endswith("." + name) and address]
    return "\n".join(lines) + "\n" + records + "\n"


def delegation(name, servers):
    """The lines in the parent's zone, with glue."""
    lines = [f"{name}. IN NS {server}." for server in servers]
    lines += [f"{server}. IN A {address}" for server, address in servers.items() if address]
    return "\n".join(lines) + "\n"


class Relay:
    """What comes to HOST:PORT goes to 127.0.0.1:TO, and the answers back."""

    def __init__(self, host, port, to):
        self.host, self.port, self.to, self.stopping = host, port, to, False
        self.udp = _bound(socket.SOCK_DGRAM, host, port)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.tcp = _bound(socket.SOCK_STREAM, host, port)
        self.tcp.settimeout(0.1)
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._udp, self._tcp)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(5)
        self.udp.close()
        self.tcp.close()

    def _udp(self):
        ready = selectors.DefaultSelector()
        ready.register(self.udp, selectors.EVENT_READ, None)
        while not self.stopping:
            for key, _ in ready.select(0.1):
                try:
                    self._one(ready, key)
                except OSError:
                    pass
        for key in list(ready.get_map().values()):
            if key.data is not None:
                key.fileobj.close()

    def _one(self, ready, key):
        packet, peer = key.fileobj.recvfrom(65535)
        if key.data is None:
            way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            way.connect(("127.0.0.1", self.to))
            way.send(packet)
            ready.register(way, selectors.EVENT_READ, peer)
        else:
            ready.unregister(key.fileobj)
            key.fileobj.close()
            self.udp.sendto(packet, key.data)

    def _tcp(self):
        while not self.stopping:
            try:
                one, _ = self.tcp.accept()
                other = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                continue
            for pair in ((one, other), (other, one)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def _bound(kind, host, port):
    s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    if kind == socket.SOCK_STREAM:
        s.listen(64)
    return s


class Bind(dnsservers._Server):
    """BIND behind one address. ZONES: name -> text of it, or the address of its primary."""

    def __init__(self, folder, host, tree, zones):
        super().__init__(folder, f"bind-{host}")
        self.host, self.zones, self.tree, self.relay = host, dict(zones), tree, None

    def start(self):
        super().start()
        self.relay = Relay(self.host, self.tree.port, self.port)
        return self

    def stop(self):
        if self.relay is not None:
            self.relay.stop()
        super().stop()

    def write(self):
        blocks = []
        for name, text in self.zones.items():
            file = self.root / f"zone.{name}"
            if "\n" not in text:
                blocks.append(f'zone "{name}" {{ type secondary; file "{file}"; masterfile-format text; '
                              f'primaries port {self.tree.servers[text].port} {{ 127.0.0.1; }}; allow-notify {{ any; }}; }};')
                continue
            file.write_text(text)
            blocks.append(f'zone "{name}" {{ type primary; file "{file}"; check-names ignore; '
                          f'allow-update {{ any; }}; }};')
        (self.root / "named.conf").write_text(f"""options {{
  directory "{self.root}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; notify no; allow-query {{ any; }}; allow-transfer {{ any; }}; querylog yes; dnssec-validation no;
  minimal-responses yes; empty-zones-enable no; version "private"; check-integrity no;
}};
controls {{ }};
logging {{ channel here {{ stderr; severity info; print-time no; }}; category default {{ here; }};
  category queries {{ here; }}; }};
""" + "\n".join(blocks) + "\n")

    def argv(self):
        return [shutil.which("named", path=dnsservers.SBIN), "-f", "-n", "1", "-c", self.root / "named.conf"]

    def _wait_until_it_answers(self):
        wait_for(self._answers, f"named on {self.host} to answer", self)

    def _answers(self):
        import dns.exception
        import dns.message
        import dns.query
        try:
            for name in self.zones:
                reply = dns.query.udp(dns.message.make_query(name, "SOA"), "127.0.0.1", timeout=2, port=self.port)
                if not reply.answer:
                    return False
            return True
        except (OSError, dns.exception.DNSException):
            return False

    def asked(self):
        """Lines of its log about questions."""
        return [line for line in (self.root / "log").read_text(errors="replace").splitlines() if " query: " in line]


def wait_for(condition, what, server=None):
    deadline = time.monotonic() + patience.seconds(60)
    while time.monotonic() < deadline:
        if condition():
            return
        if server is not None and server.process.poll() is not None:
            raise RuntimeError(f"{what}: it ended: {server.process.output()[-2000:]}")
        time.sleep(0.03)
    raise RuntimeError(f"waited in vain for {what}" + ("" if server is None else ": " + server.process.output()[-2000:]))


class Fake:
    """ANSWER(query, tcp) gives a dns.message.Message, octets, a list of those, or None to keep silent."""

    def __init__(self, host, port, answer):
        self.host, self.port, self.answer, self.asked, self.stopping = host, port, answer, [], False
        self.threads = []
        self.other = None

    def start(self):
        self.udp, self.tcp = _bound(socket.SOCK_DGRAM, self.host, self.port), _bound(socket.SOCK_STREAM, self.host, self.port)
        for s in (self.udp, self.tcp):
            s.settimeout(0.1)
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._udp, self._tcp)]
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(5)
        self.udp.close()
        self.tcp.close()

    def _wires(self, packet, tcp):
        import dns.message
        query = dns.message.from_wire(packet)
        self.asked.append((query.question[0].name.to_text(omit_final_dot=True).lower(), query.question[0].rdtype, tcp))
        replies = self.answer(query, tcp)
        if not isinstance(replies, list):
            replies = [replies]
        return [r if isinstance(r, bytes) else r.to_wire(max_size=65535) for r in replies if r is not None]

    def _udp(self):
        while not self.stopping:
            try:
                packet, peer = self.udp.recvfrom(65535)
            except (socket.timeout, OSError):
                continue
            for wire in self._wires(packet, False):
                (self.other or self.udp).sendto(wire, peer)

    def _tcp(self):
        while not self.stopping:
            try:
                connection, _ = self.tcp.accept()
            except (socket.timeout, OSError):
                continue
            with connection:
                connection.settimeout(patience.seconds(10))
                try:
                    head = connection.recv(2, socket.MSG_WAITALL)
                    packet = connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                    for wire in self._wires(packet, True):
                        connection.sendall(struct.pack("!H", len(wire)) + wire)
                except (OSError, struct.error):
                    pass


class Tree:
    def __init__(self, folder, anchors=(), settings=()):
        self.folder, self.port, self.servers, self.where = Path(folder), free_port(), {}, {}
        self.anchors, self.settings, self.resolver = anchors, settings, None

    def serve(self, host, zones, start=False):
        self.servers[host] = Bind(self.folder, host, self, zones)
        for name in zones:
            self.where.setdefault(name, []).append(host)
        return self.servers[host].start() if start else self.servers[host]

    def fake(self, host, answer, zones=()):
        self.servers[host] = Fake(host, self.port, answer)
        for name in zones:
            self.where.setdefault(name, []).append(host)
        return self.servers[host]

    def start(self):
        for server in self.servers.values():
            server.start()
        self.resolver = Resolver(self.folder, self)
        self.resolver.start()
        return self

    def stop(self):
        for server in [self.resolver, *self.servers.values()]:
            if server is not None:
                server.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def update(self, host, name, remove=(), add=(), ttl=300):
        """REMOVE: names below the zone; ADD: (name, value) of TXT records; a value "CNAME TARGET." is an alias."""
        import dns.query
        import dns.rcode
        import dns.update
        update = dns.update.Update(name)
        for owner in remove:
            update.delete(owner)
        for owner, value in add:
            update.add(owner, ttl, *(value if value.startswith("CNAME ") else dnsservers.txt(value)).split(" ", 1))
        reply = dns.query.tcp(update, host, port=self.port, timeout=patience.seconds(10))
        assert reply.rcode() == dns.rcode.NOERROR, reply

    def serial(self, host, name):
        import dns.message
        import dns.query
        reply = dns.query.udp(dns.message.make_query(name, "SOA"), host, port=self.port, timeout=patience.seconds(10))
        return reply.answer[0][0].serial

    def notify(self, host, name):
        """The secondary at HOST fetches the zone and has what its primary has."""
        import dns.flags
        import dns.message
        import dns.opcode
        import dns.query
        primary = self.servers[host].zones[name]
        query = dns.message.make_query(name, "SOA")
        query.set_opcode(dns.opcode.NOTIFY)
        query.flags = (query.flags | dns.flags.AA) & ~dns.flags.RD
        dns.query.udp(query, host, port=self.port, timeout=patience.seconds(10))
        wait_for(lambda: self.serial(host, name) == self.serial(primary, name), f"{host} to fetch {name}")


class Resolver(dnsservers.Unbound):
    """unbound, told where each zone is."""

    def __init__(self, folder, tree):
        settings = ["module-config: \"validator iterator\"", 'local-zone: "example." nodefault', *tree.settings]
        super().__init__(folder, anchors=tree.anchors, settings=settings)
        self.tree = tree

    def write(self):
        super().write()
        lines = []
        for name, hosts in self.tree.where.items():
            lines += ["stub-zone:", f'name: "{name}."', "stub-no-cache: no"]
            lines += [f"stub-addr: {host}@{self.tree.port}" for host in hosts]
        with open(self.root / "unbound.conf", "a") as f:
            f.write("\n".join(lines) + "\n")

    def asked_for(self):
        """(name, type) of every question that came."""
        found = []
        for line in (self.root / "log").read_text(errors="replace").splitlines():
            words = line.split()
            if "info:" in words and words[-1] == "IN" and len(words) >= 4 and words[-4].count(".") + words[-4].count(":") >= 2:
                found.append((words[-3].rstrip(".").lower(), words[-2]))
        return found


class BindResolver(dnsservers._Server):
    """BIND that caches: it forwards what is in each zone to the servers of that zone."""

    def __init__(self, folder, tree):
        super().__init__(folder, "bind-resolver")
        self.tree = tree

    def write(self):
        zones = []
        for name, hosts in self.tree.where.items():
            servers = " ".join(f"{host} port {self.tree.port};" for host in hosts)
            zones.append(f'zone "{name}" {{ type forward; forward only; forwarders {{ {servers} }}; }};')
        (self.root / "named.conf").write_text(f"""options {{
  directory "{self.root}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 port {self.port} {{ ::1; }};
  recursion yes; allow-query {{ any; }}; allow-recursion {{ any; }}; querylog yes; dnssec-validation no;
  empty-zones-enable no; version "private";
}};
controls {{ }};
logging {{ channel here {{ stderr; severity info; print-time no; }}; category default {{ here; }};
  category queries {{ here; }}; }};
""" + "\n".join(zones) + "\n")

    def argv(self):
        return [shutil.which("named", path=dnsservers.SBIN), "-f", "-n", "1", "-c", self.root / "named.conf"]

    def asked_for(self):
        """(name, type) of every question that came."""
        log = (self.root / "log").read_text(errors="replace")
        return [(name.lower(), kind) for name, kind in re.findall(r" query: (\S+) IN (\S+) ", log)]
