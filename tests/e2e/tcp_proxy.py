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
        self.edit = None  # what becomes of a piece on its way to the server
        self.leaves = False  # nobody is let through once the bytes are over
        self.gone = False  # nobody is let through
        self.silent = False  # everybody is, and hears nothing: what is said either way is swallowed
        self.flip = None  # (part of an HTTP request's line, how many of those are left alone before the one whose answer has a wrong bit)
        self.flipped = 0
        self.to_flip = set()
        self.under_way, self.most = set(), 0  # connections that wait for the answer to a GET of a segment's file, and how many did at most
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
                if self.silent:
                    continue
                if self.edit and not counts:
                    data = self.edit(data)
                data = self.change(source, data) if counts else self.note(target, data)
                with self.lock:
                    if counts and self.left is not None:
                        data, self.left = data[:self.left], self.left - len(data)
                    cut = counts and self.left is not None and self.left <= 0
                if self.delay:
                    time.sleep(self.delay)
                target.sendall(data)
                if cut:
                    self.gone |= self.leaves
                    self.cut()
        except OSError:
            pass
        for side in (source, target):
            self.end(side)

    def note(self, server, data):
        with self.lock:
            if data.startswith(b"GET ") and b"/b-s-" in data.partition(b"\r\n")[0]:
                self.under_way.add(server)
                self.most = max(self.most, len(self.under_way))
            if self.flip and data.startswith(b"GET ") and self.flip[0].encode() in data.partition(b"\r\n")[0]:
                part, skip = self.flip
                self.flip = (part, skip - 1) if skip else None
                self.to_flip |= set() if skip else {server}
        return data

    def change(self, server, data):
        begin = data.find(b"\r\n\r\n") + 4 if data.startswith(b"HTTP/") else 0
        with self.lock:
            self.under_way.discard(server)
            if server in self.to_flip and begin < len(data):
                self.to_flip.remove(server)
                self.flipped += 1
                at = max(begin, len(data) - 3)  # what a file ends with is looked at first
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        return data

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

    def leave_after(self, count):
        """The same, and from then on as if the server wasn't there."""
        with self.lock:
            self.left, self.leaves = count, True

    def leave(self):
        """Until come_back(), as if the server wasn't there."""
        self.gone = True
        self.cut()

    def fall_silent(self):
        """Until come_back(), as if every packet was lost."""
        self.silent = True

    def come_back(self):
        if self.silent:
            self.cut()  # what was swallowed is missing there
        self.gone = self.leaves = self.silent = False

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
