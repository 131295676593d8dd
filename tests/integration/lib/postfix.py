"""A private Postfix: its own configuration, queue and data folders, loopback only, master(8) in the foreground.

One smtpd service for each milter; everything that comes in goes to the sink. The system's /etc/postfix is not read.
"""
import os
import pwd
import grp
import shutil
import subprocess
from pathlib import Path

from . import procs

SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 5 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
QUEUES = {"active": 0o700, "bounce": 0o700, "corrupt": 0o700, "defer": 0o700, "deferred": 0o700, "flush": 0o700,
          "hold": 0o700, "incoming": 0o700, "private": 0o700, "saved": 0o700, "trace": 0o700, "pid": 0o755,
          "maildrop": 0o730, "public": 0o710}


def missing():
    if os.geteuid() != 0:
        return "a private Postfix needs root"
    if not shutil.which("postconf", path="/usr/sbin"):
        return "postfix is not installed"
    return None


class Postfix:
    def __init__(self, folder, sink_port, milters, settings=None):
        """MILTERS: list of milter specs such as inet:127.0.0.1:9999, one smtpd each ("" for none)."""
        self.root = Path(folder) / "postfix"
        self.sink_port, self.milters = sink_port, milters
        self.ports = procs.free_ports(len(milters))
        self.settings = settings or {}
        self.maillog = self.root / "maillog"
        self.process = None

    def options(self, _index):
        """More lines for master.cf, for the smtpd of this number: "-o name=value" each."""
        return []

    def services(self):
        return SERVICES

    def postconf(self, name):
        return subprocess.run(["/usr/sbin/postconf", "-dh", name], capture_output=True, text=True).stdout.strip()

    def make_dirs(self):
        user = pwd.getpwnam("postfix")
        drop = grp.getgrnam("postdrop").gr_gid
        for part in ("conf", "queue", "data"):
            (self.root / part).mkdir(parents=True)
        self.root.chmod(0o755)
        os.chown(self.root / "data", user.pw_uid, user.pw_gid)
        for name, mode in QUEUES.items():
            path = self.root / "queue" / name
            path.mkdir()
            if name != "pid":
                os.chown(path, user.pw_uid, drop if name in ("maildrop", "public") else 0)
            path.chmod(mode)

    def main_cf(self):
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.root / "queue", "data_directory": self.root / "data",
            "daemon_directory": self.postconf("daemon_directory") or "/usr/lib/postfix/sbin",
            "command_directory": "/usr/sbin", "mail_owner": "postfix", "setgid_group": "postdrop",
            "maillog_file": self.maillog, "maillog_file_prefixes": self.root,
            "myhostname": "mta.test", "mydestination": "", "local_recipient_maps": "", "alias_maps": "",
            "alias_database": "", "local_transport": "error:no local mail", "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "relayhost": "",
            "default_transport": f"smtp:[127.0.0.1]:{self.sink_port}", "relay_transport": "$default_transport",
            "disable_dns_lookups": "yes", "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native",
            "smtpd_peername_lookup": "no", "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_authorized_xclient_hosts": "127.0.0.0/8", "smtpd_client_connection_count_limit": "0",
            "smtpd_client_connection_rate_limit": "0", "smtpd_client_message_rate_limit": "0",
            "message_size_limit": "104857600", "mailbox_size_limit": "0", "header_size_limit": "1024000",
            "line_length_limit": "65536", "smtp_line_length_limit": "0", "smtputf8_enable": "yes",
            "strict_smtputf8": "no", "smtputf8_autodetect_classes": "sendmail, verify", "local_header_rewrite_clients": "",
            "milter_protocol": "6", "milter_default_action": "tempfail", "milter_command_timeout": "60s",
            "milter_content_timeout": "120s", "in_flow_delay": "0", "minimal_backoff_time": "5s",
            "queue_run_delay": "5s", "default_destination_concurrency_limit": "10", "smtp_destination_concurrency_limit": "10",
            "default_destination_concurrency_failed_cohort_limit": "0", "smtp_tls_security_level": "",
            "smtpd_tls_security_level": "none", "smtp_sasl_auth_enable": "no", "debug_peer_level": "1",
            "non_smtpd_milters": self.milters[0] if self.milters else "", "hopcount_limit": "500", "header_checks": "",
            "import_environment": "MAIL_CONFIG", "smtpd_delay_reject": "yes",
        }
        settings.update(self.settings)
        return "".join(f"{k} = {v}\n" for k, v in settings.items())

    def start(self, tries=3):
        """A port may be taken by somebody else before master(8) listens: then others are tried."""
        self.make_dirs()
        while True:
            try:
                return self.start_once()
            except RuntimeError:
                tries -= 1
                if tries == 0:
                    raise
                self.ports = procs.free_ports(len(self.milters))

    def start_once(self):
        conf = self.root / "conf"
        (conf / "main.cf").write_text(self.main_cf())
        listeners = "".join("\n    ".join([f"127.0.0.1:{port} inet n - n - - smtpd", f"-o smtpd_milters={spec}",
                                          *self.options(index)]) + "\n"
                            for index, (port, spec) in enumerate(zip(self.ports, self.milters)))
        (conf / "master.cf").write_text(listeners + self.services())
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(conf), "LANG": "C"}
        master = "/usr/lib/postfix/sbin/master"
        self.process = procs.Process([master, "-c", conf, "-d"], self.root / "master.log", env=env)
        try:
            for port in self.ports:
                procs.wait_connect(("127.0.0.1", port), proc=self.process)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"postfix: {error}\n{self.log()[-3000:]}") from None
        return self

    def log(self):
        said = self.process.output() if self.process else ""
        return said + (self.maillog.read_text(errors="replace") if self.maillog.exists() else "")

    def stop(self):
        if self.process:
            self.process.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
