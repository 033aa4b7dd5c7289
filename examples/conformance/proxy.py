"""A TCP proxy between a consumer and its broker, for accidents that a consumer cannot tell from those of a real network."""
import selectors
import socket
import struct
import threading

CHUNK = 65536
# Closing then sends RST instead of FIN: the other side loses the connection at once, in the middle of whatever it did.
RESET = struct.pack("ii", 1, 0)

# The first byte of a TLS record that begins a connection.
HANDSHAKE = 0x16


class Proxy:
    """Forwards every connection to one address. Works in a thread of its own until `close`.

    accepted: connections that came; broken_off: those that began with a TLS handshake, and that one of the two sides has ended.
    """

    def __init__(self, host, port, own="127.0.0.1"):
        self.target = (host, port)
        self.accepted = self.broken_off = 0
        self.listener = socket.create_server((own, 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.first = {}  # the consumer's side -> the first byte that it sent
        self.pairs = {}  # socket -> (its peer, whether it is the consumer's side)
        self.holding = False
        self.closed = False
        self.wake, self.waker = socket.socketpair()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def hold(self):
        """From now on nothing that the consumer writes reaches the broker: its acknowledgements are on their way for ever."""
        with self.lock:
            self.holding = True
            for side, (_, is_consumer) in self.pairs.items():
                if is_consumer:
                    self.selector.unregister(side)

    def release(self):
        """What was held goes on."""
        with self.lock:
            if self.holding:
                self.holding = False
                for side, (_, is_consumer) in self.pairs.items():
                    if is_consumer:
                        self.selector.register(side, selectors.EVENT_READ)
        self.waker.send(b"x")

    def cut(self):
        """Resets every connection, and lets new ones through."""
        with self.lock:
            self.drop(list(self.pairs))
            self.holding = False

    def close(self):
        with self.lock:
            self.closed = True
            self.drop(list(self.pairs))
        self.waker.send(b"x")
        self.thread.join(5)
        for each in (self.listener, self.wake, self.waker, self.selector):
            each.close()

    def drop(self, sides):
        for side in sides:
            if self.pairs.pop(side, None) is None:
                continue
            try:
                self.selector.unregister(side)
            except KeyError:
                pass  # it is being held
            self.first.pop(side, None)
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            side.close()

    def run(self):
        while not self.closed:
            ready = self.selector.select()
            with self.lock:
                if self.closed:
                    return
                for key, _ in ready:
                    if key.fileobj is self.wake:
                        self.wake.recv(CHUNK)
                    elif key.fileobj is self.listener:
                        self.accept()
                    elif key.fileobj in self.pairs:
                        self.forward(key.fileobj)

    def accept(self):
        consumer, _ = self.listener.accept()
        try:
            broker = socket.create_connection(self.target, timeout=5)
        except OSError:
            consumer.close()  # the broker is away, and that is what the consumer sees
            return
        self.accepted += 1
        self.pairs[consumer], self.pairs[broker] = (broker, True), (consumer, False)
        self.selector.register(broker, selectors.EVENT_READ)
        if not self.holding:
            self.selector.register(consumer, selectors.EVENT_READ)

    def forward(self, side):
        peer, is_consumer = self.pairs[side]
        if is_consumer and self.holding:
            return
        try:
            data = side.recv(CHUNK)
            if data:
                if is_consumer:
                    self.first.setdefault(side, data[0])
                peer.settimeout(5)
                peer.sendall(data)
                return
        except OSError:
            pass
        self.broken_off += self.first.get(side if is_consumer else peer) == HANDSHAKE
        self.drop([side, peer])
