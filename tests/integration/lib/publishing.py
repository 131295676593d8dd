"""Servers that records are published at, and what stands between them and a publisher. All on loopback, ports of the kernel.

    with Bind(folder, ["example.com"]) as server:
        server.publisher("b")                              a line of the file of publishers
        server.texts("s._domainkey.example.com")           the TXT records that are there, joined
"""
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

from . import dnsservers, patience, procs

KEY = "signpost"
SECRET = "c2lnbnBvc3Qtc2lnbnBvc3Qtc2lnbnBvc3Qtc2lnbnA="
API_KEY = "a-key-of-the-api"


def ask(port, name, kind="TXT"):
    """The records of NAME as the server on PORT has them: joined texts, or targets; None: it does not answer."""
    import dns.exception
    import dns.message
    import dns.query
    import dns.rdatatype
    try:
        query = dns.message.make_query(name + ".", kind)
        query.flags = 0
        answer = dns.query.tcp(query, "127.0.0.1", timeout=patience.seconds(10), port=port)
    except (OSError, EOFError, dns.exception.DNSException):
        return None
    found = [r for rrset in answer.answer for r in rrset if rrset.rdtype in (dns.rdatatype.TXT, dns.rdatatype.CNAME)]
    return sorted(b"".join(r.strings).decode() if r.rdtype == dns.rdatatype.TXT else "CNAME " + r.target.to_text() for r in found)


class Server:
    """ZONES: names. records: {zone: lines of a zone file}."""

    label = "server"

    def __init__(self, folder, zones, records=None, algorithm="hmac-sha256", secret=SECRET):
        self.folder = Path(folder) / f"{self.label}-{procs.free_port()}"
        self.folder.mkdir()
        self.zones, self.records, self.algorithm = list(zones), records or {}, algorithm
        self.port = dnsservers.free_port()
        self.process = None
        self.secret_file = self.file("tsig.secret", secret)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def zone_text(self, zone):
        return dnsservers.zone(zone, self.records.get(zone, ""))

    def publisher(self, name, port=None, options=""):
        return (f"{name} rfc2136:127.0.0.1:{port or self.port}?key={KEY}&secretfile={self.secret_file}"
                f"&algorithm={self.algorithm}&timeout={int(patience.seconds(20))}{options}")

    def texts(self, name):
        return ask(self.port, name)

    def run(self):
        self.process = procs.Process(self.argv(), self.folder / "log", cwd=self.folder)
        first = self.zones[0]

        def answers():
            return self.process.poll() is not None or ask(self.port, f"ready.{first}") is not None
        assert procs.wait_until(answers) and self.process.poll() is None, self.process.output()[-3000:]

    def start(self):
        self.write()
        self.run()
        return self

    def stop(self):
        if self.process is not None:
            self.process.stop()
        self.process = None

    def kill(self):
        self.process.kill()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Bind(Server):
    label = "named"
    policy = f"allow-update {{ key {KEY}; }};"

    def write(self):
        (self.folder / "named.conf").write_text(f"""
key "{KEY}" {{ algorithm {self.algorithm}; secret "{SECRET}"; }};
options {{ directory "{self.folder}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; notify no; allow-query {{ any; }};
  dnssec-validation no; empty-zones-enable no; }};
controls {{ }};
logging {{ channel here {{ stderr; severity info; print-time no; }}; category default {{ here; }}; }};
""" + "".join(f'zone "{z}" {{ type primary; file "{self.folder}/zone.{z}"; check-names ignore; {self.policy} }};\n'
              for z in self.zones))
        for zone in self.zones:
            (self.folder / f"zone.{zone}").write_text(self.zone_text(zone))

    def argv(self):
        return [shutil.which("named", path=dnsservers.SBIN), "-f", "-n", "1", "-c", self.folder / "named.conf"]


class Knot(Server):
    label = "knotd"

    def write(self):
        (self.folder / "knot.conf").write_text(f"""
server:
    rundir: "{self.folder}"
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: "{self.folder}"
control:
    listen: "{self.folder}/control"
key:
  - id: {KEY}
    algorithm: {self.algorithm}
    secret: {SECRET}
acl:
  - id: update
    key: {KEY}
    action: update
zone:
""" + "".join(f'  - domain: {z}\n    file: "{self.folder}/zone.{z}"\n    acl: update\n    zonefile-sync: -1\n'
              for z in self.zones))
        for zone in self.zones:
            (self.folder / f"zone.{zone}").write_text(self.zone_text(zone))

    def argv(self):
        return [shutil.which("knotd", path=dnsservers.SBIN), "-c", self.folder / "knot.conf"]


class PowerDns(Server):
    """Its API and RFC 2136, on an SQLite database."""

    label = "pdns"

    def __init__(self, folder, zones, **options):
        super().__init__(folder, zones, **options)
        self.web_port = procs.free_port()
        self.api_key_file = self.file("api.key", API_KEY)

    @staticmethod
    def schema():
        return next((p for p in ("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql",
                                 "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql") if os.path.exists(p)), None)

    def util(self, *argv):
        done = subprocess.run([shutil.which("pdnsutil", path=dnsservers.SBIN), f"--config-dir={self.folder}", *argv],
                              capture_output=True, text=True, timeout=patience.seconds(120))
        assert done.returncode == 0, done.stdout + done.stderr

    def write(self):
        import sqlite3
        with sqlite3.connect(self.folder / "db") as database:
            database.executescript(Path(self.schema()).read_text())
        (self.folder / "pdns.conf").write_text(f"""
launch=gsqlite3
gsqlite3-database={self.folder}/db
local-address=127.0.0.1
local-port={self.port}
socket-dir={self.folder}
webserver=yes
webserver-address=127.0.0.1
webserver-port={self.web_port}
webserver-allow-from=127.0.0.0/8
api=yes
api-key={API_KEY}
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
receiver-threads=1
daemon=no
guardian=no
""")
        self.util("import-tsig-key", KEY, self.algorithm, SECRET)
        for zone in self.zones:
            text = self.folder / f"zone.{zone}"
            text.write_text(self.zone_text(zone))
            self.util("load-zone", zone, str(text))
            self.util("set-meta", zone, "TSIG-ALLOW-DNSUPDATE", KEY)

    def argv(self):
        return [shutil.which("pdns_server", path=dnsservers.SBIN), f"--config-dir={self.folder}"]


class PowerDnsApi(PowerDns):
    label = "pdns-api"

    def publisher(self, name, port=None, options=""):
        return (f"{name} powerdns:http://127.0.0.1:{port or self.web_port}?server=localhost&keyfile={self.api_key_file}"
                f"&timeout={int(patience.seconds(20))}{options}")


class Proxy:
    """Passes DNS messages over TCP between a publisher and PORT, and counts the updates. seen(count): called when an update is
    there, before it is passed on; cut: the answers to updates are not passed back, the connection is closed."""

    def __init__(self, port, seen=None, cut=False, change=None):
        self.to, self.seen, self.cut, self.change = port, seen, cut, change
        self.updates, self.questions, self.octets = 0, 0, 0
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(16)
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.socket() as server:
            try:
                server.connect(("127.0.0.1", self.to))
                while True:
                    message = self._message(client)
                    if message is None or not self._pass_on(client, server, message):
                        return
            except OSError:
                return

    def _pass_on(self, client, server, message):
        update = message[2] >> 3 & 15 == 5
        self.updates += update
        self.questions += not update
        self.octets = max(self.octets, len(message))
        if update and self.seen:
            self.seen(self.updates)
        server.sendall(struct.pack("!H", len(message)) + message)
        answer = self._message(server)
        if answer is None or (update and self.cut):
            return False
        if self.change:
            answer = self.change(answer)
        client.sendall(struct.pack("!H", len(answer)) + answer)
        return True

    @staticmethod
    def _exactly(connection, count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data

    def _message(self, connection):
        head = self._exactly(connection, 2)
        return None if head is None else self._exactly(connection, struct.unpack("!H", head)[0])


class Unsigned(Proxy):
    """A server that answers everything with the same rcode, and signs nothing."""

    def __init__(self, rcode):
        self.rcode = rcode
        super().__init__(None)

    def _serve(self, client):
        with client:
            message = self._message(client)
            answer = message[:2] + bytes([message[2] | 0x84, self.rcode]) + bytes(8)
            client.sendall(struct.pack("!H", len(answer)) + answer)
            self._message(client)
