"""A way to a server that tests can cut: connections through it end in the middle of whatever they say."""

import socket
import threading
import time


class TcpProxy:
    """`delay`: seconds that each piece takes, in either direction."""

    def __init__(self, port, delay=0.0):
        self.target, self.delay = port, delay
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open = set()
        self.left = None  # bytes from the server until all is cut; None: never
        self.cuts = 0
        self.gone = False  # nobody is let through
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.gone:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.open |= {client, server}
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target, counts):
        try:
            while data := source.recv(65536):
                with self.lock:
                    if counts and self.left is not None:
                        data, self.left = data[:self.left], self.left - len(data)
                    cut = counts and self.left is not None and self.left <= 0
                if self.delay:
                    time.sleep(self.delay)
                target.sendall(data)
                if cut:
                    self.cut()
        except OSError:
            pass
        for side in (source, target):
            self.end(side)

    @staticmethod
    def end(side):
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def cut_after(self, count):
        """Everything is cut after so many bytes more of the server's."""
        with self.lock:
            self.left = count

    def leave(self):
        """Until come_back(), as if the server wasn't there."""
        self.gone = True
        self.cut()

    def come_back(self):
        self.gone = False

    def cut(self):
        with self.lock:
            self.left = None
            self.cuts += 1
            ended, self.open = self.open, set()
        for side in ended:
            self.end(side)

    def close(self):
        self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
