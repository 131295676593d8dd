"""A private Sendmail from an unpacked package tree (postfix and sendmail packages cannot be installed together).

The tree is ${XDG_CACHE_HOME:-~/.cache}/signpost/sendmail-root or $SENDMAIL_ROOT. sendmail.cf is built with m4 from its
cf/ files. One daemon port and one filter for each milter; everything goes to the sink.
"""
import os
import shutil
import socket
import subprocess
from pathlib import Path

from . import patience, procs

MAX_DAEMONS = 10    # MAXDAEMONS of sendmail: more DAEMON_OPTIONS are refused


def tree():
    given = os.environ.get("SENDMAIL_ROOT")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "signpost" / "sendmail-root"


def binary():
    return tree() / "usr/libexec/sendmail/sendmail"


def missing():
    if os.geteuid() != 0:
        return "a private Sendmail needs root"
    if not shutil.which("m4"):
        return "m4 is not installed"
    if not binary().exists():
        return f"no unpacked Sendmail in {tree()} (packages sendmail-bin sendmail-base sendmail-cf libwrap0)"
    return None


def with_host_name(argv, folder):
    """Sendmail sleeps 60 s at start when the machine's name has no dot: give it a name in a UTS namespace of its own.
    Where that is not allowed the command is left as it is, and the start is slow."""
    if "." in socket.gethostname():
        return argv
    probe = subprocess.run(["unshare", "--uts", "hostname", "mta.test"], capture_output=True)
    if probe.returncode != 0:
        return argv
    return ["unshare", "--uts", "sh", "-c", 'hostname mta.test; exec "$0" "$@"', *argv]


MC = """\
divert(0)dnl
VERSIONID(`signpost integration tests')
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mta.test')dnl
define(`QUEUE_DIR', `%(root)s/queue')dnl
define(`confPID_FILE', `%(root)s/sendmail.pid')dnl
define(`STATUS_FILE', `%(root)s/statistics')dnl
define(`HELP_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confCW_FILE', `%(root)s/local-host-names')dnl
define(`confSERVICE_SWITCH_FILE', `%(root)s/service.switch')dnl
define(`confHOSTS_FILE', `/etc/hosts')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,TrustStickyBit')dnl
define(`confTRUSTED_USER', `root')dnl
define(`confDELIVERY_MODE', `i')dnl
define(`confTO_IDENT', `0s')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `1000')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
define(`confMAX_DAEMON_CHILDREN', `0')dnl
define(`confMAX_MESSAGE_SIZE', `104857600')dnl
define(`confMAX_HEADERS_LENGTH', `1048576')dnl
define(`confMAX_HOP', `100')dnl
define(`confEIGHT_BIT_HANDLING', `pass8')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confMILTER_LOG_LEVEL', `14')dnl
define(`confPRIVACY_FLAGS', `')dnl
define(`confRECEIVED_HEADER', `by $j id $i; $b')dnl
undefine(`confBIND_OPTS')dnl
FEATURE(`nocanonify')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`no_default_msa')dnl
define(`SMTP_MAILER_ARGS', `TCP $h %(sink)d')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h %(sink)d')dnl
define(`SMTP_MAILER_FLAGS', `8')dnl
define(`SMTP_MAILER_MAXMSGS', `20')dnl
define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl
define(`confMILTER_MACROS_CONNECT', `j, _, {daemon_name}, {if_name}, {if_addr}')dnl
define(`confMILTER_MACROS_HELO', `{tls_version}, {cipher}, {cipher_bits}, {cert_subject}, {cert_issuer}')dnl
define(`confMILTER_MACROS_ENVFROM', `i, {auth_type}, {auth_authen}, {auth_ssf}, {auth_author}, {mail_mailer}, {mail_host}, {mail_addr}')dnl
define(`confMILTER_MACROS_ENVRCPT', `{rcpt_mailer}, {rcpt_host}, {rcpt_addr}')dnl
define(`confMILTER_MACROS_EOM', `i, {msg_id}')dnl
%(filters)s
define(`confINPUT_MAIL_FILTERS', `')dnl
%(daemons)s
MAILER(`smtp')dnl
"""


class Sendmail:
    def __init__(self, folder, sink_port, milters):
        """MILTERS: list of ("127.0.0.1", port), at most MAX_DAEMONS of them."""
        assert len(milters) <= MAX_DAEMONS
        self.root = Path(folder) / "sendmail"
        self.sink_port, self.milters = sink_port, milters
        self.ports = procs.free_ports(len(milters))
        self.process = None

    def mc_text(self):
        filters = "\n".join(f"MAIL_FILTER(`f{n}', `S=inet:{m[1]}@{m[0]}, F=T, T=C:30s;S:30s;R:60s;E:2m')dnl"
                            for n, m in enumerate(self.milters))
        daemons = "\n".join(f"DAEMON_OPTIONS(`Name=D{n}, Family=inet, Addr=127.0.0.1, Port={port}, InputMailFilters=f{n}')dnl"
                            for n, port in enumerate(self.ports))
        text = MC.replace("\\\n", "")
        return text % {"root": self.root, "sink": self.sink_port, "filters": filters, "daemons": daemons}

    def build(self):
        cf = tree() / "usr/share/sendmail/cf"
        (self.root / "test.mc").write_text(self.mc_text())
        done = subprocess.run(["m4", f"-D_CF_DIR_={cf}/", f"{cf}/m4/cf.m4", str(self.root / "test.mc")],
                              capture_output=True, text=True, cwd=self.root)
        if done.returncode != 0:
            raise RuntimeError("m4: " + done.stderr[-2000:])
        # Debian's mailers break lines at 990 octets, after the milter: signatures of longer lines could not survive.
        (self.root / "sendmail.cf").write_text(done.stdout.replace("L=990", "L=100000"))

    def start(self, tries=3):
        """A port may be taken by somebody else before sendmail listens: then others are tried."""
        self.make_files()
        while True:
            try:
                return self.start_once()
            except RuntimeError:
                tries -= 1
                if tries == 0:
                    raise
                self.ports = procs.free_ports(len(self.milters))

    def make_files(self):
        self.root.mkdir()
        self.root.chmod(0o755)
        (self.root / "queue").mkdir(mode=0o700)
        (self.root / "local-host-names").write_text("mta.test\n")
        (self.root / "service.switch").write_text("hosts files\naliases files\npasswd files\n")
        # A copy without the set-group-id bit: with the bit the loader would not read LD_LIBRARY_PATH.
        program = self.root / "sendmail.bin"
        shutil.copyfile(binary(), program)
        program.chmod(0o755)

    def start_once(self):
        self.build()
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "HOME": "/root"}
        libs = [str(p) for p in tree().glob("usr/lib/*-linux-gnu*")]
        if libs:
            env["LD_LIBRARY_PATH"] = ":".join(libs)
        argv = [self.root / "sendmail.bin", "-C", self.root / "sendmail.cf", "-bD"]
        self.process = procs.Process(with_host_name(argv, self.root), self.root / "log", env=env)
        try:
            for port in self.ports:
                procs.wait_connect(("127.0.0.1", port), patience.seconds(90), self.process)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"sendmail: {error}\n{self.log()[-3000:]}") from None
        return self

    def log(self):
        return self.process.output() if self.process else ""

    def stop(self):
        if self.process:
            self.process.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
