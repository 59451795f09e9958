"""Sockets in other network namespaces of this machine."""

import ctypes
import os
import socket
import threading

CLONE_NEWNET = 0x40000000  # <sched.h>
_libc = ctypes.CDLL(None, use_errno=True)


def listen_in(namespace, address, port):
    """A listening socket in a namespace that `ip netns` knows, or in this process's own.

    A socket stays in the namespace that its thread was in when it was made, so a thread goes there for this, and ends.
    """
    made = []

    def make():
        try:
            if namespace is not None:
                with open(f"/run/netns/{namespace}") as door:
                    if _libc.setns(door.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(256)
            made.append(sock)
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
