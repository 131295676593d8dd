"""The MX of far.example in a machine (machine.py): keeps each message it is sent as FOLDER/N.eml. Argument: FOLDER."""
import itertools
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import sink  # noqa: E402

NUMBERS = itertools.count()
LOCK = threading.Lock()


class Mx(sink.socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def store(self, message):
        with LOCK:
            path = Path(sys.argv[1]) / f"{next(NUMBERS)}.eml"
            partial = path.with_suffix(".new")
            partial.write_bytes(message.data)
            os.rename(partial, path)


Mx(("192.0.2.25", 25), sink.Handler).serve_forever()
