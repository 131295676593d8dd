"""A TCP connection that can be cut: what connects to .port gets to a server of 127.0.0.1, until cut(), and again after mend().

    with CutLink(server.port) as link: ...      link.port in place of the server's
"""
import socket
import threading


class CutLink:
    def __init__(self, to):
        self.to, self.whole, self.ending = to, True, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.lock, self.ways = threading.Lock(), []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.thread.join()
        self.cut()
        self.listener.close()

    def _run(self):
        while not self.ending:
            try:
                one, _ = self.listener.accept()
            except OSError:
                continue
            self._join(one)

    def _join(self, one):
        with self.lock:
            if not self.whole:
                return one.close()
            try:
                other = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return one.close()
            self.ways += [one, other]
        for pair in ((one, other), (other, one)):
            threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.whole, ways, self.ways = False, self.ways, []
        for way in ways:
            try:
                way.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            way.close()

    def mend(self):
        self.whole = True
