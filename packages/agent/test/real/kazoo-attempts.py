"""What python-zk/kazoo can do to an ensemble, as JSON: settings on standard input, outcomes on standard output."""
import json
import logging
import os
import sys
import threading

from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import OPEN_ACL_UNSAFE

logging.disable(logging.CRITICAL)
settings = json.load(sys.stdin)
tls = {
    "use_ssl": True,
    "ca": settings.get("ca"),
    "certfile": settings.get("cert"),
    "keyfile": settings.get("key"),
    "verify_certs": True,
}
zk = KazooClient(hosts=settings["hosts"], timeout=4, **({} if settings.get("plain") else tls))
attempts = {
    "list /": lambda: zk.get_children("/"),
    "config": lambda: zk.get("/zookeeper/config"),
    "read": lambda: zk.get("/quorate/bundles/web/head"),
    "publish": lambda: zk.set("/quorate/bundles/web/head", zk.get("/quorate/bundles/web/head")[0]),
    "add": lambda: zk.create("/quorate/bundles/web/releases/x", b""),
    "remove": lambda: zk.delete("/quorate/bundles/web/releases/1"),
    "rule": lambda: zk.set("/quorate/ensemble/cluster", b"mine"),
    "open": lambda: zk.set_acls("/quorate", OPEN_ACL_UNSAFE),
    "create /": lambda: zk.create("/mine", b""),
}
try:
    zk.start(timeout=settings["patience"])
except KazooTimeoutError:
    print(json.dumps({"session": "none"}))
    sys.exit()
outcomes = {"session": "granted"}


def attempt(name):
    try:
        attempts[name]()
        outcomes[name] = "done"
    except Exception as error:  # what the client calls the refusal is its own affair
        outcomes[name] = type(error).__name__


threading.excepthook = lambda _: None  # an error code that kazoo does not know ends its connection's thread
for name in settings["attempts"]:
    outcomes[name] = "no answer"
    thread = threading.Thread(target=attempt, args=[name], daemon=True)
    thread.start()
    thread.join(settings.get("answer", settings["patience"]))
print(json.dumps(outcomes))
sys.stdout.flush()
os._exit(0)  # its threads try to connect for ever
