"""The milter under test: writes an OpenDKIM-style configuration, starts `PROGRAM -f -x CONF`, stops it.

PROGRAM is $MILTER, or $SIGNPOST_BUILD/signpostd (also daemon/signpostd or sbin/signpostd below it). `capability()`
says what a program can be asked: opendkim is the yardstick for everything that OpenDKIM itself can do.
"""
import os
from pathlib import Path

from . import milter, procs


def find_program():
    """Path of the milter program, or None."""
    given = os.environ.get("MILTER")
    if given:
        return Path(given)
    build = os.environ.get("SIGNPOST_BUILD")
    if build:
        for place in ("signpostd", "daemon/signpostd", "sbin/signpostd"):
            if os.access(Path(build) / place, os.X_OK):
                return (Path(build) / place).resolve()
    return None


def is_signpost(program):
    return "signpostd" in Path(program).resolve().name


def is_sanitized(program):
    """Built with a sanitizer, which has memory of its own; that of addresses keeps what is freed, and makes mlock() do
    nothing."""
    octets = Path(program).resolve().read_bytes()
    return b"__asan_init" in octets or b"__tsan_init" in octets


def config_text(settings):
    """SETTINGS: a dict or a list of pairs; True/False become yes/no."""
    pairs = settings.items() if isinstance(settings, dict) else settings
    say = {True: "yes", False: "no"}
    return "".join(f"{name} {say[value] if isinstance(value, bool) else value}\n" for name, value in pairs)


class Daemon:
    """One running milter. address is what a milter client connects to; spec is the value of Socket."""

    def __init__(self, program, folder, settings=None, text=None, argv0=None, name="milter", extra=(),
                 unix=False):
        self.program, self.folder, self.name = Path(program), Path(folder), name
        self.conf = self.folder / f"{name}.conf"
        self.port = procs.free_port()
        self.address = self.folder / f"{name}.sock" if unix else ("127.0.0.1", self.port)
        self.spec = f"local:{self.address}" if unix else f"inet:{self.port}@127.0.0.1"
        self.argv0, self.extra = argv0, list(extra)
        self.write(settings, text)
        self.process = None

    def write(self, settings=None, text=None):
        """Write the configuration anew; {port} in TEXT is replaced."""
        if text is None:
            base = {"Socket": self.spec, "Syslog": False, "RequireSafeKeys": False,
                    "Background": False, "LogWhy": True, "SyslogSuccess": True}
            base.update(settings or {})
            text = config_text(base)
        else:
            text = text.replace("{port}", str(self.port))
        partial = self.conf.with_suffix(".new")
        partial.write_text(text)
        partial.rename(self.conf)

    def environment(self):
        """Without /proc, in a root of its own, the search for leaks takes two minutes."""
        leaks = ":detect_leaks=0" if "ChangeRootDirectory" in self.conf.read_text() else ""
        return {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + leaks}

    def start(self):
        program = self.program
        if self.argv0:
            program = self.folder / self.argv0
            if not program.exists():
                program.symlink_to(self.program)
        self.process = procs.Process([program, "-f", "-x", self.conf, *self.extra], self.folder / f"{self.name}.log",
                                     cwd=self.folder, env=self.environment())
        try:
            procs.wait_connect(self.address, proc=self.process)
            if isinstance(self.address, tuple) and not procs.listens_itself(self.process.pid, self.port):
                raise RuntimeError(f"another process listens on port {self.port}")
            milter.Session(self.address).quit()     # it listens before it has given up root and opened its tables
        except (RuntimeError, OSError, milter.Closed) as error:
            self.stop()
            raise RuntimeError(f"{self.program}: {error}\n{self.process.output()[-3000:]}") from None
        return self

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.process.output()

    def tree(self):
        return procs.children(self.process.pid)

    def stop(self):
        return self.process.stop() if self.process else None

    def kill(self):
        return self.process.kill() if self.process else None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        if is_signpost(self.program):
            self.stop()
        else:
            self.kill()      # libmilter needs seconds to end; nothing is measured here
