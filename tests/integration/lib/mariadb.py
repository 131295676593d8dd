"""A private MariaDB server: its own folder, a socket in it and a port of the kernel's; the system's is never touched."""
import contextlib
import getpass
import os
import shutil
import signal
import subprocess

from . import keys, procs

SERVER, INSTALL, CLIENT = (shutil.which(n, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
                           for n in ("mariadbd", "mariadb-install-db", "mariadb"))


def missing():
    return None if SERVER and INSTALL and CLIENT else "mariadb-server is not installed"


class MariaDB:
    def __init__(self, folder):
        self.folder, self.port, self.process = folder, procs.free_port(), None
        self.socket = folder / "sql.sock"
        # A server that starts removes the temporary tables of all others that share its tmpdir.
        (folder / "tmp").mkdir()
        done = subprocess.run([INSTALL, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}/tmp",
                               "--auth-root-authentication-method=normal", "--skip-test-db", f"--user={getpass.getuser()}"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]

    def start(self, *more):
        self.process = procs.Process(
            [SERVER, "--no-defaults", f"--datadir={self.folder}/data", f"--socket={self.socket}",
             f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/sql.pid", f"--tmpdir={self.folder}/tmp",
             f"--user={getpass.getuser()}", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", *more],
            self.folder / "sql.log")
        procs.wait_connect(("127.0.0.1", self.port), proc=self.process)
        # It listens on its port before it does so on the socket, and on both before it is ready: a TERM is lost then.
        assert procs.wait_until(lambda: self.ask("SELECT 1").returncode == 0), self.process.output()[-2000:]
        return self

    def ask(self, sql, database=""):
        return subprocess.run([CLIENT, "--no-defaults", f"--socket={self.socket}", "-uroot", "--default-character-set=utf8mb4",
                               "-N", "-B", database or "mysql"], input=sql, capture_output=True, text=True)

    def run(self, sql, database=""):
        done = self.ask(sql, database)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def holding(self, sql, database):
        """A client that has said SQL and stays."""
        holder = subprocess.Popen([CLIENT, "--no-defaults", f"--socket={self.socket}", "-uroot", "-N", "-B", "--unbuffered",
                                   database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            holder.stdin.write(sql + ";\nSELECT 'held';\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.communicate()

    def signal(self, number):
        self.process.signal(number)

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process:
            self.process.signal(signal.SIGCONT)
            self.process.stop()


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Authority:
    """A CA of the test, and certificates for 127.0.0.1."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.key, self.path = folder / f"{name}.key", folder / f"{name}.pem"
        keys.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", self.key, "-out", self.path)

    def certificate(self, name, host="IP:127.0.0.1", expired=False):
        """(certificate, key). EXPIRED: its last day was in 2020."""
        key, request, path = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n")
        keys.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        if expired:
            self.sign_expired(request, extensions, path)
        else:
            keys.openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-CAcreateserial",
                         "-extfile", extensions, "-out", path, "-days", "2")
        return path, key

    def sign_expired(self, request, extensions, path):
        conf = self.folder / "ca.conf"
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("01\n")
        conf.write_text(f"[ca]\ndefault_ca=x\n[x]\nnew_certs_dir={self.folder}\ndatabase={self.folder}/index\n"
                        f"serial={self.folder}/serial\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
        keys.openssl("ca", "-batch", "-config", conf, "-cert", self.path, "-keyfile", self.key, "-in", request, "-out", path,
                     "-extfile", extensions, "-startdate", "20190101000000Z", "-enddate", "20200101000000Z")
