"""systemctl and journalctl of a machine (machine.py), where there is no systemd: units of /etc/systemd/system with what they
say about users, folders and commands, and the few services of Debian that guides name.
"""
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path("/run/units")
DEBIAN = {"opendkim": "/usr/sbin/opendkim -f -x /etc/opendkim.conf",
          "sendmail": "/usr/libexec/sendmail/sendmail -bD",
          "memcached": "/usr/share/memcached/scripts/systemd-memcached-wrapper /etc/memcached.conf"}
POSTFIX = {"start": "/usr/lib/postfix/configure-instance.sh - ; postfix start", "stop": "postfix stop", "reload": "postfix reload"}


def settings(unit):
    """{name: value} of a unit's [Service] and its drop-ins; those of Debian have a command only."""
    path = Path(f"/etc/systemd/system/{unit}.service")
    if not path.exists():
        return {"ExecStart": DEBIAN[unit]} if unit in DEBIAN else sys.exit(f"Unit {unit}.service not found.")
    found = {}
    for file in [path, *sorted(Path(f"{path}.d").glob("*.conf"))]:
        for line in file.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found[name.strip()] = value.strip()
    return found


def folder(path, owner, mode):
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    path.chmod(int(mode, 8))


def become(owner, mask):
    def child():
        os.setsid()
        os.umask(int(mask, 8))
        os.initgroups(owner.pw_name, owner.pw_gid)
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)
    return child


def pid_of(unit):
    try:
        pid = int((STATE / unit).read_text())
        os.kill(pid, 0)
        return pid
    except (OSError, ValueError):
        return None


def listens(pid):
    """A service counts as started when somebody of it listens, as for whoever types the next command."""
    group = {pid} | {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    said = subprocess.run(["ss", "-lnpH"], capture_output=True, text=True).stdout
    return any(f"pid={one}," in said for one in group)


def start(unit):
    if unit == "postfix":
        return subprocess.run(["sh", "-c", POSTFIX["start"]]).returncode
    if pid_of(unit):
        return 0
    found = settings(unit)
    owner = pwd.getpwnam(found.get("User", "root"))
    for kind, where in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib"), ("ConfigurationDirectory", "/etc")):
        if kind in found:
            folder(Path(where) / found[kind], pwd.getpwnam("root") if where == "/etc" else owner, found.get(kind + "Mode", "0755"))
    if unit == "opendkim":
        folder(Path("/run/opendkim"), pwd.getpwnam("opendkim"), "0755")
    STATE.mkdir(exist_ok=True)
    with open(f"/var/log/{unit}.log", "ab") as log:
        process = subprocess.Popen(shlex.split(found["ExecStart"]), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   preexec_fn=become(owner, found.get("UMask", "0022")))
    (STATE / unit).write_text(str(process.pid))
    while process.poll() is None and not listens(process.pid):
        time.sleep(0.05)
    if process.poll() is not None:
        sys.exit(f"Job for {unit}.service failed: exit {process.returncode}\n" + Path(f"/var/log/{unit}.log").read_text()[-2000:])
    return 0


def stop(unit):
    if unit == "postfix":
        return subprocess.run(["sh", "-c", POSTFIX["stop"]]).returncode
    pid = pid_of(unit)
    if pid:
        os.kill(pid, signal.SIGTERM)
        for _ in range(1200):
            if not pid_of(unit):
                break
            time.sleep(0.05)
        else:
            os.killpg(pid, signal.SIGKILL)
    (STATE / unit).unlink(missing_ok=True)
    found = settings(unit)
    if "RuntimeDirectory" in found and found.get("RuntimeDirectoryPreserve", "no") == "no":
        shutil.rmtree(Path("/run") / found["RuntimeDirectory"], ignore_errors=True)
    return 0


def reload(unit):
    if unit == "postfix":
        return subprocess.run(["sh", "-c", POSTFIX["reload"]]).returncode
    pid = pid_of(unit) or sys.exit(f"{unit}.service is not active, cannot reload.")
    return subprocess.run(["sh", "-c", settings(unit)["ExecReload"].replace("$MAINPID", str(pid))]).returncode


def systemctl(words):
    verb, units = words[0], [w.removesuffix(".service") for w in words[1:] if not w.startswith("-")]
    now = "--now" in words
    for unit in units:
        if verb == "start" or (verb == "enable" and now):
            status = start(unit)
        elif verb == "stop" or (verb == "disable" and now):
            status = stop(unit)
        elif verb == "restart":
            status = stop(unit) or start(unit)
        elif verb == "reload":
            status = reload(unit)
        elif verb == "is-active":
            running = subprocess.run(["postfix", "status"], capture_output=True).returncode == 0 if unit == "postfix" else pid_of(unit)
            print("active" if running else "inactive")
            status = 0 if running else 3
        elif verb in ("enable", "disable"):
            settings(unit)
            status = 0
        else:
            sys.exit(f"Unknown command verb {verb}.")
        if status:
            return status
    return 0


def journalctl(words):
    """-u UNIT or -t NAME: what it has said."""
    name = words[[words.index(w) for w in ("-u", "-t") if w in words][0] + 1]
    for file in (f"/var/log/{name}.log", "/var/log/mail.log"):
        for line in Path(file).read_text(errors="replace").splitlines() if Path(file).exists() else ():
            if file != "/var/log/mail.log" or f" {name}[" in line or f" {name}:" in line:
                print(line)
    return 0


sys.exit((systemctl if sys.argv[0].endswith("systemctl") else journalctl)(sys.argv[1:]))
