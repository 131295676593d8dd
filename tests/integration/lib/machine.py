"""A machine for a guide: namespaces of its own, in which /etc, /var, /usr/local, /opt and the like may be changed and every port
is free. What is below is the Debian that the tests run on; what is written stays in a folder of the test, and all processes
end with the machine. Its file systems are overlays, so that a guide's command lines are run as they stand, with their paths.

    with Machine(folder) as machine: machine.run("adduser --system --group signpost")

systemctl and journalctl are those of machine_units.py. There is a name server (BIND: 127.0.0.1, and 192.0.2.53, which is
authoritative and takes signed updates), and an MX elsewhere, mx.far.example (192.0.2.25), that keeps what it is sent.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import dnsservers, patience, procs
from .publishing import KEY, SECRET

HERE = Path(__file__).resolve().parent
VERIFY = HERE.parents[2] / "tools/demo/verify.py"
SCRATCH = ("etc", "var", "usr", "opt", "root", "home")
TTL = 2


def missing():
    if os.geteuid() != 0:
        return "a machine of its own needs root"
    for program in ("named", "unshare", "nsenter", "ip", "swaks"):
        if not shutil.which(program, path=dnsservers.SBIN):
            return f"{program} is not installed"
    probe = subprocess.run(["unshare", "-m", "-n", "-p", "-u", "-f", "sh", "-c", "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w && "
                            "mount -t overlay none -olowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc"], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"no namespaces and overlays here: {probe.stderr.strip()}"


class Machine:
    """ZONES: names in DNS that take updates with the key "signpost". LAYERS: folders with what is installed besides ("make install
    DESTDIR=", unpacked packages); the first one is on top."""

    def __init__(self, folder, layers, zones=(), name="mx.example.net", dns=True):
        self.folder = Path(folder) / f"machine-{name}"
        self.folder.mkdir()
        self.layers, self.zones, self.name, self.dns = layers, list(zones), name, dns
        self.mail, self.process, self.seen = self.folder / "mail", None, 0
        self.mail.mkdir()

    def __enter__(self):
        argv = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc",
                sys.executable, HERE / "machine_init.py", self.folder, ":".join(map(str, self.layers)), self.name, *SCRATCH]
        self.process = procs.Process(argv, self.folder / "log")
        ready = self.folder / "ready"
        assert procs.wait_until(lambda: ready.exists() or self.process.poll() is not None) and self.process.poll() is None, self.log()
        self.init = procs.children(self.process.pid)[1]
        if self.dns:
            self.start_dns()
            self.spawn([sys.executable, HERE / "machine_sink.py", self.mail], "sink")
            self.until("swaks -q connect -s 192.0.2.25")
        return self

    def __exit__(self, *_):
        self.process.kill()

    def log(self):
        return self.process.output()[-4000:]

    # ---- commands ----

    def inside(self, argv):
        return ["nsenter", "-t", str(self.init), "-m", "-n", "-p", "-u", "-i", "--wd=/root", *map(str, argv)]

    def environment(self):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root", "USER": "root",
                "DEBIAN_FRONTEND": "noninteractive", **{n: v for n, v in os.environ.items() if "SAN_OPTIONS" in n}}

    def ask(self, command, text=None):
        """What a shell of root answers there: .returncode, and .stdout with both outputs."""
        return subprocess.run(self.inside(["bash", "-c", "umask 022; " + command]), input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", env=self.environment(), timeout=patience.seconds(300))

    def run(self, command, text=None):
        done = self.ask(command, text)
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}\n{self.logs()}"
        return done.stdout

    def until(self, command):
        assert procs.wait_until(lambda: self.ask(command).returncode == 0, step=0.2), self.ask(command).stdout + self.logs()

    def spawn(self, argv, label):
        return procs.Process(self.inside(argv), self.folder / f"{label}.log", env=self.environment())

    def write(self, path, text, mode=0o644, owner=None):
        self.run(f"mkdir -p '{os.path.dirname(path)}'; cat > '{path}'; chmod {mode:o} '{path}'" + (f"; chown {owner} '{path}'" if owner else ""), text)

    def logs(self):
        return self.ask("tail -n 15 /var/log/*.log").stdout[-3000:]

    # ---- DNS and mail ----

    def start_dns(self):
        where = self.folder / "named"
        where.mkdir()
        soa = f"$TTL {TTL}\n@ IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 1\n@ IN NS ns.example.com.\n"
        hosts = "ns.example.com. IN A 192.0.2.53\nmx.far.example. IN A 192.0.2.25\nfar.example. IN MX 10 mx.far.example.\n"
        glue = "".join(f"{zone}. IN NS ns.example.com.\n" for zone in self.zones)
        texts = {".": soa + hosts + glue, **{z: soa + "@ IN A 192.0.2.80\n" + ("ns IN A 192.0.2.53\n" if z == "example.com" else "")
                                             for z in self.zones}}
        blocks = ""
        for zone, text in texts.items():
            (where / f"zone.{zone}").write_text(text)
            blocks += f'zone "{zone}" {{ type primary; file "{where}/zone.{zone}"; check-names ignore; allow-update {{ key {KEY}; }}; }};\n'
        (where / "named.conf").write_text(
            f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\noptions {{ directory "{where}"; pid-file none; lock-file none; '
            "session-keyfile none; listen-on { any; }; listen-on-v6 { none; }; recursion yes; allow-recursion { any; }; notify no; "
            f"dnssec-validation no; empty-zones-enable no; }};\ncontrols {{ }};\n{blocks}")
        self.spawn(["named", "-g", "-n", "1", "-c", where / "named.conf"], "named")
        self.until("dig +short +tries=1 @127.0.0.1 mx.far.example | grep -q 192")

    def publish(self, record):
        """RECORD: as signpost genkey writes it, a line or more of a zone file."""
        name, _, rest = " ".join(record.split()).partition(" IN ")
        rest = rest.partition(" ) ;")[0].replace("( ", "")
        text = f"server 127.0.0.1\nupdate delete {name.split()[0]} TXT\nupdate add {name.split()[0]} {TTL} {rest}\nsend\n"
        self.run(f"nsupdate -y hmac-sha256:{KEY}:{SECRET}", text)

    def send(self, sender, words=""):
        """What mx.far.example has got for a message of SENDER."""
        self.run(f"swaks --hide-all -s 127.0.0.1 -f {sender} -t someone@far.example --h-Subject 'Number {self.seen}' {words}")
        return self.next_mail()

    def next_mail(self):
        """The next message there, in the order in which they came."""
        path = self.mail / f"{self.seen}.eml"
        assert procs.wait_until(path.exists), self.logs()
        self.seen += 1
        return path.read_bytes()

    def judge(self, message):
        """What dkimpy says of it, with keys that DNS has there: a line for each signature."""
        text = self.ask(f"{sys.executable} {VERIFY} 192.0.2.53 53 < {self.stored(message)}").stdout
        return text.splitlines()

    def stored(self, message):
        path = self.folder / "judged"
        path.write_bytes(message)
        return path

    def signed(self, sender, words=""):
        """The selectors of the good signatures that a message of SENDER has; one that is not good is an error."""
        message = self.send(sender, words)
        lines = self.judge(message)
        assert all(line.endswith(" good") or "no DKIM-Signature" in line for line in lines), (lines, message, self.logs())
        return [re.search(r"s=([^;]+);", line).group(1) for line in lines if line.endswith(" good")]
