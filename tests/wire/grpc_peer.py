"""gRPC's own implementation as a peer of the wire tests: `serve`, or `call ADDRESS`.

With TLS, of files: `serve CHAIN KEY [AUTHORITY OF CLIENTS]`, `call ADDRESS AUTHORITY NAME [CHAIN KEY]`.
Messages are bytes; nothing is generated. A server says its port, and a client reads calls from standard
input, one JSON a line, and says what became of each. Both end with their standard input.
"""

import json
import os
import sys
import threading
from concurrent import futures

import grpc

PATIENCE = 20
CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Service(grpc.GenericRpcHandler):
    """Answers by the last part of the path."""

    def __init__(self):
        self.cancelled = threading.Semaphore(0)

    def service(self, call):
        name = call.method.rsplit("/", 1)[1]
        kinds = {
            "Echo": (grpc.unary_unary_rpc_method_handler, self.echo),
            "Fail": (grpc.unary_unary_rpc_method_handler, self.fail),
            "Wait": (grpc.unary_unary_rpc_method_handler, self.wait),
            "Cancelled": (grpc.unary_unary_rpc_method_handler, self.await_cancelled),
            "Count": (grpc.unary_stream_rpc_method_handler, self.count),
            "FailLate": (grpc.unary_stream_rpc_method_handler, self.fail_late),
            "Forever": (grpc.unary_stream_rpc_method_handler, self.forever),
            "Join": (grpc.stream_unary_rpc_method_handler, self.join),
            "Chat": (grpc.stream_stream_rpc_method_handler, self.chat),
        }
        if name not in kinds:
            return None
        handler, behaviour = kinds[name]
        return handler(behaviour)

    def echo(self, request, context):
        pairs = context.invocation_metadata()
        told = [("got-" + k, v) for k, v in pairs if k.startswith("x-")]
        context.send_initial_metadata(told)
        context.set_trailing_metadata((("x-trail", "t"), ("x-trail-bin", b"\x00\xff")))
        return request

    def fail(self, request, context):
        code, text = request.decode().split(" ", 1)
        context.abort(getattr(grpc.StatusCode, code), text)

    def watch(self, context):
        """An event for the end of the call, which counts as cancelled."""
        over = threading.Event()

        def end():
            self.cancelled.release()
            over.set()

        if not context.add_callback(end):
            end()
        return over

    def wait(self, request, context):
        self.watch(context).wait(PATIENCE)
        return b"too late"

    def await_cancelled(self, request, context):
        return b"yes" if self.cancelled.acquire(timeout=PATIENCE) else b"no"

    def count(self, request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def fail_late(self, request, context):
        yield b"first"
        context.abort(grpc.StatusCode.DATA_LOSS, "late \u20ac")

    def forever(self, request, context):
        # A call that has ended is not resumed behind a message.
        over = self.watch(context)
        yield b"first"
        over.wait(PATIENCE)

    def join(self, requests, context):
        return b",".join(requests)

    def chat(self, requests, context):
        for request in requests:
            yield request.upper()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def serve(chain=None, key=None, authority=None):
    pool = futures.ThreadPoolExecutor(max_workers=32)
    server = grpc.server(pool, handlers=[Service()], options=CHANNEL)
    if chain is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        trusted = authority and read(authority)
        identities = [(read(key), read(chain))]
        credentials = grpc.ssl_server_credentials(identities, trusted, authority is not None)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    print(port, flush=True)
    server.start()
    sys.stdin.read()


def short(message):
    """Long messages of one letter are told by their length."""
    if len(message) > 64 and len(set(message)) == 1:
        return "#%d" % len(message)
    return message.decode("latin-1")


def long(text):
    return b"x" * int(text[1:]) if text.startswith("#") else text.encode("latin-1")


def pairs(metadata):
    text = lambda value: value.hex() if isinstance(value, bytes) else value
    return {key: text(value) for key, value in metadata or ()}


def run(channel, call):
    """Makes a call; `take`: cancels it behind so many answers."""
    got, messages = [], [long(text) for text in call.get("send", [""])]
    options = {
        "timeout": call.get("timeout"),
        "metadata": [tuple(pair) for pair in call.get("metadata", [])],
    }
    method, kind = "/t.T/" + call["method"], call.get("kind", "uu")
    is_many = {"u": False, "s": True}
    if is_many[kind[1]]:
        make = channel.stream_stream if is_many[kind[0]] else channel.unary_stream
        sent = iter(messages) if is_many[kind[0]] else messages[0]
        flight = make(method)(sent, **options)
        try:
            for message in flight:
                got.append(short(message))
                if len(got) == call.get("take"):
                    flight.cancel()
        except grpc.RpcError:
            pass
    else:
        make = channel.stream_unary if is_many[kind[0]] else channel.unary_unary
        sent = iter(messages) if is_many[kind[0]] else messages[0]
        flight = make(method).future(sent, **options)
        try:
            if call.get("take") == 0:
                flight.cancel()
            got.append(short(flight.result(timeout=PATIENCE)))
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass
    return {
        "code": flight.code().name,
        "details": flight.details(),
        "got": got,
        "initial": pairs(flight.initial_metadata()),
        "trailing": pairs(flight.trailing_metadata()),
    }


def ping_pong(channel, call):
    """A bidirectional call whose every message waits for the answer to the one before."""
    answered = threading.Semaphore(1)

    def ask():
        for text in call["send"]:
            answered.acquire()
            yield text.encode()

    flight, got = channel.stream_stream("/t.T/Chat")(ask(), timeout=PATIENCE), []
    for message in flight:
        got.append(message.decode())
        answered.release()
    return {"code": flight.code().name, "got": got}


def connect(address, authority=None, name=None, chain=None, key=None):
    if authority is None:
        return grpc.insecure_channel(address, options=CHANNEL)
    own = (read(key), read(chain)) if chain else (None, None)
    credentials = grpc.ssl_channel_credentials(read(authority), *own)
    options = CHANNEL + [("grpc.ssl_target_name_override", name)]
    return grpc.secure_channel(address, credentials, options=options)


def client(*target):
    channel = connect(*target)
    for line in sys.stdin:
        call = json.loads(line)
        kinds = {"ping-pong": ping_pong}
        result = kinds.get(call.get("kind"), run)(channel, call)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    # Whatever hangs shows as an end of output.
    watch = threading.Timer(3 * PATIENCE, lambda: os._exit(1))
    watch.daemon = True
    watch.start()
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        client(*sys.argv[2:])
    os._exit(0)
