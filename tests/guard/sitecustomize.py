"""Python loads this by itself if its folder is in PYTHONPATH: then nothing leaves this computer, from children either.

What tries to is refused before anything is sent, and written to the file that CXRKIT_OUTBOUND names, because a
library may swallow the refusal. A process that may know no such file ends.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Any

NO_LOG = 97  # exit status
LOCAL_NAMES = {None, "", "localhost", b"localhost"}
LOCAL_FAMILIES = {socket.AF_UNIX, getattr(socket, "AF_NETLINK", None)}
BY_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
BY_NAME = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}


class Outbound(RuntimeError):
    """A connection, a datagram, an open port or a look-up that is not of this computer."""


def local(host: Any) -> bool:
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def guard(event: str, details: tuple[Any, ...]) -> None:
    if event in BY_ADDRESS:
        one, address = details[0], details[1]
        # No address: the socket is connected, which was looked at then.
        if address is None or one.family in LOCAL_FAMILIES:
            return
        host = address[0]
        # An empty host is every address of this computer: an open port.
        fine = host != "" and local(host)
    elif event in BY_NAME:
        host = details[0][0] if isinstance(details[0], tuple) else details[0]
        fine = local(host)
    else:
        return
    if not fine:
        if "CXRKIT_OUTBOUND" not in os.environ:
            os._exit(NO_LOG)
        with Path(os.environ["CXRKIT_OUTBOUND"]).open("a") as log:
            log.write(f"{event} {host}\n")
        raise Outbound(f"{event} {host}")


sys.addaudithook(guard)
