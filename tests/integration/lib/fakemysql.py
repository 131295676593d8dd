"""A MySQL server that is none: it logs clients in as MySQL 8 does, and answers one prepared statement.

Debian has no MySQL server. This one knows the handshake of version 10, TLS, caching_sha2_password by its short way (the server
has the password's hash in memory) and its long one (the password itself, over TLS or under the server's RSA key),
mysql_native_password and the change from one to the other. Every statement with slots is answered by those
of `rows` ({name: (value, ...)}) that have one of its values as their name, so one table can be asked. `seen` is what a client gave away: "tls", "scramble", "password", "rsa".
"""
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import threading

from . import keys, patience

LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, WITH_DB, PROTOCOL_41, SSL, TRANSACTIONS, SECURE, PLUGINS, LENENC = (
    1, 2, 4, 8, 0x200, 0x800, 0x2000, 0x8000, 0x80000, 0x200000)
SHA2, NATIVE = "caching_sha2_password", "mysql_native_password"
MORE, SWITCH = b"\x01", b"\xfe"
KNOWN, GIVE_PASSWORD, GIVE_KEY = b"\x03", b"\x04", b"\x02"
QUIT, QUERY, PING, PREPARE, EXECUTE, CLOSE, RESET = 1, 3, 0x0e, 0x16, 0x17, 0x19, 0x1a


class Ended(Exception):
    """The client is away."""


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))


def sha2_scramble(password, nonce):
    return xor(sha256(password), sha256(sha256(sha256(password)), nonce))


def native_scramble(password, nonce):
    once = hashlib.sha1(password).digest()
    return xor(once, hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest())


def number(value):
    """A length or count of the protocol."""
    return bytes([value]) if value < 251 else b"\xfc" + struct.pack("<H", value) if value < 65536 else (
        b"\xfd" + struct.pack("<I", value)[:3])


def text(value):
    return number(len(value)) + value


def take_number(data):
    width = {0xfc: 2, 0xfd: 3, 0xfe: 8}.get(data[0], 0)
    return (int.from_bytes(data[1:1 + width], "little"), data[1 + width:]) if width else (data[0], data[1:])


def take_text(data):
    n, data = take_number(data)
    return data[:n], data[n:]


def column(name):
    return (b"".join(text(t) for t in (b"def", b"", b"t", b"t", name, name)) + b"\x0c"
            + struct.pack("<HIBHBH", 45, 1 << 20, 0xfd, 0, 0, 0))


END_OF_LIST = b"\xfe\0\0\2\0"
DONE = b"\0\0\0\2\0\0\0"


class Session:
    def __init__(self, server, sock):
        self.server, self.sock, self.count, self.statements = server, sock, 0, {}
        self.nonce = bytes(b % 126 + 1 for b in os.urandom(20))

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise Ended
            data += part
        return data

    def receive(self):
        head = self.read(4)
        self.count = head[3] + 1
        return self.read(int.from_bytes(head[:3], "little"))

    def send(self, *packets):
        for packet in packets:
            self.sock.sendall(struct.pack("<I", len(packet))[:3] + bytes([self.count & 255]) + packet)
            self.count += 1

    def refuse(self, code, words):
        self.send(b"\xff" + struct.pack("<H", code) + b"#28000" + words.encode())
        raise Ended

    # ---- logging in ----

    def greet(self):
        can = (LONG_PASSWORD | FOUND_ROWS | LONG_FLAG | WITH_DB | PROTOCOL_41 | TRANSACTIONS | SECURE | PLUGINS | LENENC
               | (SSL if self.server.context else 0))
        self.send(b"\x0a8.0.36\0" + struct.pack("<I", 7) + self.nonce[:8] + b"\0" + struct.pack("<HBHHB", can & 0xffff, 255, 2, can >> 16, 21)
                  + bytes(10) + self.nonce[8:] + b"\0" + self.server.method.encode() + b"\0")
        answer = self.receive()
        if len(answer) == 32:
            self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
            self.server.seen.append("tls")
            answer = self.receive()
        flags, rest = struct.unpack("<I", answer[:4])[0], answer[32:]
        user, _, rest = rest.partition(b"\0")
        proof, rest = take_text(rest) if flags & LENENC else (rest[1:1 + rest[0]], rest[1 + rest[0]:])
        if flags & WITH_DB:
            rest = rest.partition(b"\0")[2]
        return user.decode(), proof, rest.partition(b"\0")[0].decode()

    def log_in(self):
        user, proof, method = self.greet()
        wanted = self.server.switch_to or self.server.method
        if method != wanted:
            self.nonce = bytes(b % 126 + 1 for b in os.urandom(20))
            self.send(SWITCH + wanted.encode() + b"\0" + self.nonce + b"\0")
            proof = self.receive()
        self.server.seen.append("scramble")
        good = self.sha2(proof) if wanted == SHA2 else proof == native_scramble(self.server.password, self.nonce)
        if user != self.server.user or not good:
            self.refuse(1045, f"Access denied for user '{user}'@'localhost' (using password: YES)")
        self.send(DONE)

    def sha2(self, proof):
        if not self.server.long_way:
            good = proof == sha2_scramble(self.server.password, self.nonce)
            if good:
                self.send(MORE + KNOWN)
            return good
        self.send(MORE + GIVE_PASSWORD)
        answer = self.receive()
        if answer == GIVE_KEY:
            self.server.seen.append("rsa")
            self.send(MORE + self.server.public_key())
            answer = xor(self.server.decrypt(self.receive()), self.nonce * 20)
        self.server.seen.append("password")
        return answer == self.server.password + b"\0"

    # ---- questions ----

    def serve(self):
        self.log_in()
        self.server.logged_in += 1
        while True:
            packet = self.receive()
            kind, rest = packet[0], packet[1:]
            if kind == QUIT:
                raise Ended
            if kind in (QUERY, PING, RESET):
                self.send(DONE)
            elif kind == PREPARE:
                self.prepare(rest)
            elif kind == EXECUTE:
                self.execute(rest)
            elif kind != CLOSE:
                self.refuse(1047, "Unknown command")

    def prepare(self, statement):
        slots, ident = statement.count(b"?"), len(self.statements) + 1
        self.statements[ident] = slots
        self.send(b"\0" + struct.pack("<IHHBH", ident, len(self.server.columns), slots, 0, 0), *([column(b"?")] * slots),
                  *([END_OF_LIST] if slots else []), *self.server.columns, END_OF_LIST)

    def execute(self, data):
        slots = self.statements[struct.unpack("<I", data[:4])[0]]
        data = data[9 + (slots + 7) // 8:]
        data = data[1 + (2 * slots if data[0] else 0):]
        values = []
        for _ in range(slots):
            value, data = take_text(data)
            values.append(value)
        found = [(name, *row) for name, row in self.server.rows.items() if name.encode() in values]
        self.send(number(len(self.server.columns)), *self.server.columns, END_OF_LIST,
                  *(b"\0\0" + b"".join(text(value.encode()) for value in row) for row in found), END_OF_LIST)


class FakeMySQL:
    """long_way: the password's hash is not in memory. switch_to: the user's method is not the server's default."""

    def __init__(self, folder, password, pair=None, method=SHA2, switch_to=None, long_way=False):
        self.folder, self.user, self.password = folder, "mail", password.encode()
        self.method, self.switch_to, self.long_way = method, switch_to, long_way
        self.rows, self.seen, self.logged_in, self.errors = {}, [], 0, []
        self.context = None
        if pair:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*pair)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sessions = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(patience.seconds(60))
            self.sessions.append(sock)
            threading.Thread(target=self.session, args=(sock,), daemon=True).start()

    def session(self, sock):
        one = Session(self, sock)
        try:
            one.serve()
        except (Ended, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - the test asserts that there was none
            self.errors.append(repr(error))
        finally:
            one.sock.close()

    @property
    def columns(self):
        """The name, and what all rows have."""
        return [column(b"c")] * (1 + len(next(iter(self.rows.values()), "v")))

    def private_key(self):
        path = self.folder / "fakemysql.rsa"
        if not path.exists():
            keys.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path)
        return path

    def public_key(self):
        return subprocess.run(["openssl", "pkey", "-in", self.private_key(), "-pubout"], check=True, capture_output=True).stdout

    def decrypt(self, data):
        return subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", self.private_key(), "-pkeyopt", "rsa_padding_mode:oaep"],
                              input=data, check=True, capture_output=True).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for sock in self.sessions:
            sock.close()
