"""The first process of a machine (machine.py): its file systems, its network, its log; then it buries the dead.

    machine_init.py FOLDER LAYER[:LAYER...] NAME DIRECTORY...
"""
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent


def sh(command):
    subprocess.run(["sh", "-ec", command], check=True)


def overlay(folder, layers, name):
    lower = ":".join([f"{layer}/{name}" for layer in layers if os.path.isdir(f"{layer}/{name}")] + [f"/{name}"])
    upper, work = folder / "upper" / name, folder / "work" / name
    upper.mkdir(parents=True)
    work.mkdir(parents=True)
    shutil.copystat(f"/{name}", upper)
    sh(f"mount -t overlay none -o lowerdir={lower},upperdir={upper},workdir={work} /{name}")


def devices():
    """Without what the machine below listens on (/dev/log)."""
    sh("""mkdir /mnt/dev; mount -t tmpfs -o mode=755 none /mnt/dev
        for one in null zero full random urandom tty; do : > /mnt/dev/$one; mount --bind /dev/$one /mnt/dev/$one; done
        ln -s /proc/self/fd /mnt/dev/fd; ln -s fd/0 /mnt/dev/stdin; ln -s fd/1 /mnt/dev/stdout; ln -s fd/2 /mnt/dev/stderr
        mkdir -m 1777 /mnt/dev/shm; mount --move /mnt/dev /dev""")


def units():
    """systemctl and journalctl are ours."""
    for name in ("systemctl", "journalctl"):
        path = Path("/mnt") / name
        path.write_text(f"#!{sys.executable}\n" + (HERE / "machine_units.py").read_text())
        path.chmod(0o755)
        Path(f"/usr/bin/{name}").touch()
        sh(f"mount --bind {path} /usr/bin/{name}")


def log():
    """What programs say to syslog, in /var/log/mail.log."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind("/dev/log")
    os.chmod("/dev/log", 0o666)

    def keep():
        with open("/var/log/mail.log", "ab", buffering=0) as file:
            while True:
                line = listening.recv(65536).rstrip(b"\0\n")
                file.write(line.partition(b">")[2] + b"\n")
    threading.Thread(target=keep, daemon=True).start()


def network(name):
    sh(f"hostname {name}; ip link set lo up; ip addr add 192.0.2.53/32 dev lo; ip addr add 192.0.2.25/32 dev lo")
    Path("/etc/resolv.conf").unlink(missing_ok=True)
    Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name} {name.partition('.')[0]}\n")


def main():
    folder, layers, name, scratch = Path(sys.argv[1]), sys.argv[2].split(":"), sys.argv[3], sys.argv[4:]
    sh("mount --make-rprivate /; mount -t tmpfs none /mnt")
    for one in scratch:
        overlay(folder, layers, one)
    sh("mount -t tmpfs -o mode=755 none /run; rm -f /var/log/*.log; mkdir -p /run/lock")
    devices()
    units()
    network(name)
    log()
    (folder / "ready").touch()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            threading.Event().wait(0.1)


main()
