"""signpost-admind with HTTP on loopback, on a SQLite store of its own, and requests to it.

    with AdminHttp(folder) as admin: admin.bulk(lines)
"""
import http.client
import json
import socket
import subprocess
import time

from . import lifecycle, patience, procs, stores


def add(name, tenant="acme", **more):
    return json.dumps({"operation": "domain.add", "arguments": {"domain": name, "tenant": tenant, **more}})


def results(body):
    *rows, last = [json.loads(line) for line in body.splitlines()]
    assert list(last) == ["summary"], last
    each = []
    for row in rows:
        assert row["line"] == len(each) + 1 and row["count"] >= 1, row
        each += [row] * row["count"]
    return each, last["summary"]


class AdminHttp:
    def __init__(self, folder):
        self.folder, self.port, self.process = folder, procs.free_port(), None
        self.conf, self.db, self.socket = folder / "admind.conf", folder / "store", folder / "admin.sock"
        self.conf.write_text(f"KeyStore sqlite:{self.db}\nSiteKeyFile {folder}/site\nRequireSafeKeys no\nSyslog no\n"
                             f"AdminSocket {self.socket}\nAdminListen 127.0.0.1:{self.port}\n")
        self.tool("store", "sitekey", "new", folder / "site")
        self.tool("store", "init", "-x", self.conf)
        self.token = None

    def tool(self, *words, code=0):
        done = subprocess.run([stores.SIGNPOST.resolve(), *map(str, words)], capture_output=True, text=True,
                              timeout=patience.seconds(120))
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def cli(self, *words):
        flags = 2
        return json.loads(self.tool(*words[:flags], "--json", "--socket", self.socket, *words[flags:]))

    def start(self):
        self.process = procs.Process([lifecycle.program(), "-c", self.conf], self.folder / "admind.log", cwd=self.folder)
        assert procs.wait_until(lambda: self.listens() or self.process.poll() is not None), self.log()[-2000:]
        assert self.process.poll() is None, self.log()[-2000:]
        return self

    def listens(self):
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
            return tcp.connect_ex(("127.0.0.1", self.port)) == 0 and unix.connect_ex(str(self.socket)) == 0

    def begin(self):
        """A tenant and a token that may do everything in it."""
        self.cli("tenant", "add", "acme")
        self.token = self.new_token("--scopes", "role:owner", "--tenant", "acme")
        return self

    def new_token(self, *options):
        found = self.cli("token", "add", *options)["result"]
        return found.get("secret") or found["token"]["secret"]

    def log(self):
        return self.process.output()

    def __enter__(self):
        return self.start().begin()

    def __exit__(self, *_):
        self.process.stop()

    def rss_kib(self):
        return procs.rss_kib([self.process.pid])

    # ---- requests ----

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience.seconds(300))

    def head(self, key=None, token=None, **more):
        head = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/x-ndjson", **more}
        return {**head, "Idempotency-Key": key} if key else head

    def post(self, body, key=None, query="", token=None, **more):
        """(status, head, body); body: octets, or pieces that are sent in chunks."""
        link = self.connect()
        chunked = not isinstance(body, bytes)
        try:
            link.request("POST", "/v1/bulk" + query, body=body, headers=self.head(key, token, **more), encode_chunked=chunked)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    def bulk(self, lines, key="k", **more):
        """(results, one for each line, and the summary) of a request that has to be answered 200."""
        text = "".join(line + "\n" for line in lines).encode()
        status, head, body = self.post((text[i:i + 50000] for i in range(0, len(text), 50000)), key, **more)
        assert status == 200 and head["Content-Type"] == "application/x-ndjson", (status, body)
        return results(body)

    def cut_off(self, lines, key, until):
        """Sends lines, and kills the daemon as soon as until() is true; what was not sent then is lost."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=patience.seconds(60))
        head = "".join(f"{n}: {v}\r\n" for n, v in {**self.head(key), "Host": "x", "Transfer-Encoding": "chunked"}.items())
        with link:
            link.sendall(f"POST /v1/bulk HTTP/1.1\r\n{head}\r\n".encode())
            for i in range(0, len(lines), 200):
                text = "".join(line + "\n" for line in lines[i:i + 200]).encode()
                link.sendall(b"%x\r\n%s\r\n" % (len(text), text))
                if until():
                    break
                time.sleep(0.001)
            self.process.kill()
