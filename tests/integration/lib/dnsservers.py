"""Private DNS servers on loopback: BIND (authoritative), unbound (caching), and small ones of our own that misbehave.

Each has .port (UDP and TCP, given by the kernel) on 127.0.0.1 and ::1, .address ("127.0.0.1:port") and .address6. Use names
under example.com and the like: libunbound answers some top-level names (localhost, invalid, onion) by itself.

    zone = dnsservers.zone("example.com", 's1._domainkey TXT "v=DKIM1; " "p=..."')
    with dnsservers.Named(folder, {"example.com": zone}) as server: ...
    signed, anchor = dnsservers.sign(folder, "example.com", zone)       a signed zone and its trust anchor's line
    with dnsservers.Unbound(folder, forward=server, anchors=[anchor]) as cache: ...
    with dnsservers.Scripted(lambda query: None) as silent: ...         never answers; silent.asked counts packets
"""
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from . import patience, procs

SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"
HOSTS = ("127.0.0.1", "::1")
SERIAL = 2026010100


def missing(*programs):
    """Why these tests cannot run, or None."""
    for name in programs or ("named", "unbound"):
        if not shutil.which(name, path=SBIN):
            return f"{name} is not installed"
    try:
        import dns.message  # noqa: F401
    except ImportError:
        return "python3-dnspython is not installed"
    return None


def _try_port():
    """A port that is free for UDP and TCP on both loopback addresses, and the sockets that hold it."""
    held = []
    port = 0
    try:
        for host in HOSTS:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = socket.socket(family, kind)
                held.append(s)
                if kind == socket.SOCK_STREAM:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((host, port))
                port = s.getsockname()[1]
        return port, held
    except OSError:
        for s in held:
            s.close()
        return None, []


def _hold_port():
    for _ in range(100):
        port, held = _try_port()
        if port is not None:
            return port, held
    raise RuntimeError("no port is free on 127.0.0.1 and ::1")


def free_port():
    port, held = _hold_port()
    for s in held:
        s.close()
    return port


def zone(name, records="", ttl=300):
    """The text of a zone: SOA, NS, and RECORDS (lines of a zone file; owner names relative to it)."""
    return (f"$ORIGIN {name}.\n$TTL {ttl}\n@ IN SOA ns.{name}. hostmaster.{name}. ( {SERIAL} 3600 600 86400 {ttl} )\n"
            f"@ IN NS ns.{name}.\nns IN A 127.0.0.1\n{records}\n")


def txt(value, size=255):
    """A TXT record's data: VALUE in quoted strings of at most SIZE octets."""
    parts = [value[i:i + size] for i in range(0, len(value), size)] or [""]
    return "TXT " + " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in parts)


def _tool(folder, *argv):
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": SBIN})
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def sign(folder, name, text, children=()):
    """(the signed zone's text, the line of its key for a trust anchor file). CHILDREN: folders of dsset- files."""
    work = Path(folder) / f"sign-{name}"
    work.mkdir(parents=True)
    for child in children:
        for file in Path(child).glob("dsset-*"):
            shutil.copy(file, work)
    key = _tool(work, "dnssec-keygen", "-a", "ECDSAP256SHA256", "-f", "KSK", name).strip()
    _tool(work, "dnssec-keygen", "-a", "ECDSAP256SHA256", name)
    (work / "zone").write_text(text)
    _tool(work, "dnssec-signzone", "-S", "-g", "-d", ".", "-K", ".", "-o", name, "-f", "signed", "zone")
    anchor = [line for line in (work / f"{key}.key").read_text().splitlines() if not line.startswith(";")][0]
    return (work / "signed").read_text(), anchor


def break_signatures(text, owner):
    """Signed zone TEXT with the RRSIG of OWNER's TXT records changed: bogus."""
    begin = re.search(r"^" + re.escape(owner) + r"\.\s", text, re.MULTILINE).start()
    found = re.compile(r"RRSIG\s+TXT .*?([A-Za-z0-9+/=]+)\s*\)", re.DOTALL).search(text, begin)
    at = found.start(1)  # the last line of the signature
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]


class _Server:
    """What servers that are processes have in common."""

    def __init__(self, folder, label):
        self.root = procs.make_dir(label) if folder is None else Path(folder) / f"{label}-{free_port()}"
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def address6(self):
        return f"[::1]:{self.port}"

    def start(self):
        self.write()
        self.process = procs.Process(self.argv(), self.root / "log", cwd=self.root)
        self._wait_until_it_answers()
        return self

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + patience.seconds(60)
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.argv()[0]} ended: {self.process.output()[-2000:]}")
            if all(ask_raw(host, self.port) for host in HOSTS):
                return
            time.sleep(0.03)
        raise RuntimeError(f"{self.argv()[0]} does not answer: {self.process.output()[-2000:]}")

    def stop(self):
        if self.process is not None:
            self.process.stop()
        self.process = None

    def queries(self, name, kind="TXT"):
        """How often NAME has been asked for, by the server's own log."""
        pattern = re.compile(self.asked % (re.escape(name.rstrip(".")), kind), re.IGNORECASE)
        return len(pattern.findall((self.root / "log").read_text(errors="replace")))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def ask_raw(host, port, timeout=2.0):
    """True when something answers a question for the version's name at HOST:PORT."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    query = b"\x12\x34\x00\x00\x00\x01\0\0\0\0\0\0\x07version\x04bind\0\x00\x10\x00\x03"
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.connect((host, port))
            s.send(query)
            return s.recv(65535)[:2] == b"\x12\x34"
        except OSError:
            return False


class Named(_Server):
    """BIND, authoritative. ZONES: name -> text. update: {zone: statements such as "allow-update { key k; };"}; options
    and globals: more text for the options block and beside it (keys of TSIG)."""

    asked = r"query: %s IN %s "

    def __init__(self, folder, zones, options="", globals="", update=None):
        super().__init__(folder, "named")
        self.zones, self.options, self.globals, self.update = dict(zones), options, globals, update or {}

    def zone_file(self, name):
        return self.root / f"zone.{name}"

    def write(self):
        blocks = []
        for name, text in self.zones.items():
            self.zone_file(name).write_text(text)
            blocks.append(f'zone "{name}" {{ type primary; file "{self.zone_file(name)}"; check-names ignore; '
                          f'{self.update.get(name, "")} }};')
        (self.root / "named.conf").write_text(
            f"""options {{
  directory "{self.root}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 port {self.port} {{ ::1; }};
  recursion no; notify no; allow-query {{ any; }}; allow-transfer {{ any; }}; querylog yes; dnssec-validation no;
  minimal-responses yes; empty-zones-enable no; version "private"; {self.options}
}};
controls {{ }};
logging {{ channel here {{ stderr; severity info; print-time no; }}; category default {{ here; }};
  category queries {{ here; }}; }};
{self.globals}
""" + "\n".join(blocks) + "\n")

    def argv(self):
        return [shutil.which("named", path=SBIN), "-f", "-n", "1", "-c", self.root / "named.conf"]

    def change(self, name, text):
        """Other contents of a zone, with a higher serial; the caller bears caches in mind."""
        self.zones[name] = text
        self.zone_file(name).write_text(text)
        self.process.signal(1)


class Unbound(_Server):
    """unbound, caching. forward: a server of this module that gets all questions, or None; anchors: lines of trust
    anchors; local_data: lines such as "a.example.com. TXT hello"; settings: more lines of the server: block."""

    asked = r"info: \S+ %s\. %s IN\s"

    def __init__(self, folder, forward=None, anchors=(), local_data=(), settings=()):
        super().__init__(folder, "unbound")
        self.forward, self.anchors, self.local_data, self.settings = forward, anchors, local_data, settings

    def write(self):
        lines = ["server:", f'directory: "{self.root}"', 'chroot: ""', 'username: ""', 'pidfile: ""', 'logfile: ""',
                 "use-syslog: no", "log-queries: yes", "num-threads: 1", f"port: {self.port}", "interface: 127.0.0.1",
                 "interface: ::1", "do-not-query-localhost: no", 'local-zone: "test." nodefault', "so-rcvbuf: 0"]
        lines += [f"local-data: '{line}'" for line in self.local_data] + list(self.settings)
        if self.anchors:
            (self.root / "anchors").write_text("".join(line + "\n" for line in self.anchors))
            lines.append(f'trust-anchor-file: "{self.root}/anchors"')
        if self.forward is not None:
            lines += ["forward-zone:", 'name: "."', f"forward-addr: 127.0.0.1@{self.forward.port}"]
        lines += ["remote-control:", "control-enable: no"]
        (self.root / "unbound.conf").write_text("\n".join(lines) + "\n")

    def argv(self):
        return [shutil.which("unbound", path=SBIN), "-d", "-c", self.root / "unbound.conf"]


class Scripted:
    """A server in a thread of this process. ANSWER(query: dns.message.Message) gives a Message, octets, or None to keep
    silent; DELAY seconds later it is sent. Over UDP a Message beyond UDP_SIZE is sent truncated. port: to come back on.
    deaf: a packet with these octets (small letters) is not even read, which costs less than a None."""

    def __init__(self, answer, delay=0.0, udp_size=1232, port=None, deaf=None):
        self.answer, self.delay, self.udp_size, self.deaf = answer, delay, udp_size, deaf
        self.wanted = port
        self.asked = 0          # packets that came over UDP
        self.asked_tcp = 0
        self.names = []
        self.stopping = False
        self.threads = []
        self.sockets = []
        self.connections = []

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def address6(self):
        return f"[::1]:{self.port}"

    def start(self):
        if self.wanted is None:
            self.port, self.sockets = _hold_port()
        else:
            self.port = self.wanted
            for host in HOSTS:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((host, self.port))
                    self.sockets.append(s)
        for s in self.sockets:
            s.settimeout(0.2)
            stream = s.type == socket.SOCK_STREAM
            if stream:
                s.listen(64)
            else:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._thread(self._serve_tcp if stream else self._serve_udp, s)
        return self

    def stop(self):
        self.stopping = True
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)       # who waits for a question waits no longer
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)
        for s in self.sockets:
            s.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _thread(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        self.threads = [t for t in self.threads if t.is_alive()]
        self.threads.append(thread)
        thread.start()

    def _reply(self, packet, most):
        import dns.flags
        import dns.message
        query = dns.message.from_wire(packet)
        if query.question:
            self.names.append(query.question[0].name.to_text(omit_final_dot=True))
        answer = self.answer(query)
        if answer is None or isinstance(answer, bytes):
            return answer
        wire = answer.to_wire(max_size=65535)
        if len(wire) <= most:
            return wire
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC | dns.flags.RA
        return short.to_wire()

    def _later(self, send, *args):
        if self.delay <= 0:
            send(*args)
            return
        timer = threading.Timer(self.delay, send, args)
        timer.daemon = True
        timer.start()

    def _serve_udp(self, s):
        while not self.stopping:
            try:
                packet, peer = s.recvfrom(65535)
            except socket.timeout:
                continue
            except OSError:
                return
            self.asked += 1
            if self.deaf is not None and self.deaf in packet.lower():
                continue
            wire = self._reply(packet, self.udp_size)
            if wire is not None:
                self._later(self._send_udp, s, wire, peer)

    @staticmethod
    def _send_udp(s, wire, peer):
        try:
            s.sendto(wire, peer)
        except OSError:
            pass

    def _serve_tcp(self, s):
        while not self.stopping:
            try:
                connection, _ = s.accept()
            except socket.timeout:
                continue
            except OSError:
                return
            self.connections.append(connection)
            self._thread(self._serve_connection, connection)

    def _serve_connection(self, connection):
        with connection:
            connection.settimeout(patience.seconds(60))
            try:
                while not self.stopping:
                    head = self._exactly(connection, 2)
                    if head is None:
                        return
                    packet = self._exactly(connection, struct.unpack("!H", head)[0])
                    self.asked_tcp += 1
                    wire = self._reply(packet, 65535)
                    if wire is not None:
                        self._later(connection.sendall, struct.pack("!H", len(wire)) + wire)
            except (OSError, socket.timeout):
                return

    @staticmethod
    def _answers_name(send, args):
        """The name, in small letters, that an answer is about to be sent for; SEND and ARGS as _later gets them."""
        wire = args[-2] if send == Scripted._send_udp else args[-1][2:]
        return wire[12:wire.index(b"\0", 12)].lower()

    @staticmethod
    def _exactly(connection, count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data


class Held(Scripted):
    """What it would answer about names with COLD in them it keeps until release()."""

    def __init__(self, answer, cold=b"cold", **options):
        super().__init__(answer, **options)
        self.cold, self.lock, self.kept, self.released = cold, threading.Lock(), [], False
        self.waiting = set()        # the names, whoever asked how often

    def _later(self, send, *args):
        name = self._answers_name(send, args)
        with self.lock:
            if self.cold in name and not self.released:
                self.waiting.add(name)
                self.kept.append((send, args))
                return
        send(*args)

    def release(self):
        with self.lock:
            self.released = True
            kept, self.kept = self.kept, []
        for send, args in kept:
            try:
                send(*args)
            except OSError:
                pass


def response(query, records=(), rcode=0, ttl=300):
    """An answer to QUERY for Scripted. RECORDS: TXT values (str: strings of 255 octets), or ("CNAME", target)."""
    import dns.flags
    import dns.message
    import dns.rrset
    answer = dns.message.make_response(query, recursion_available=True)
    answer.set_rcode(rcode)
    name = query.question[0].name
    for record in records:
        kind, data = record if isinstance(record, tuple) else txt(record).split(" ", 1)
        answer.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, data))
    return answer
