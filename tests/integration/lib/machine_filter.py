"""A content filter in a machine (machine.py): what comes to one port goes back to another one, unchanged, as amavis does it.
Arguments: the port it listens on, the one that mail goes back to.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib import sink, smtpc  # noqa: E402


class Filter(sink.socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def store(self, message):
        client = smtpc.Client(int(sys.argv[2]))
        client.send(message.sender, message.recipients, message.data)
        client.quit()


Filter(("127.0.0.1", int(sys.argv[1])), sink.Handler).serve_forever()
