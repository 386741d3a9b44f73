"""Which addresses on the web may be asked for a radiograph: by their words, and by where they lead."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from cxrkit.errors import AddressRefused

ALLOW = "CXRKIT_ALLOW_URLS"
"""Environment variable: hosts that may be asked, such as ``images.example.org,other.example.org:8443``, or ``*`` for
any public one; unset or empty, none may."""

PORTS = {"http": 80, "https": 443}
LONGEST = 2048

# What ipaddress calls global and is not, or leads into another network; see docs/decisions/0026.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # metadata of a large cloud, at an address that looks public
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "2001::/23",  # Teredo and other protocol assignments (RFC 2928)
        "2002::/16",  # 6to4 (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_UNICAST = ipaddress.ip_network("2000::/3")  # what is assigned of IPv6 to the public internet (RFC 4291 2.4)
"""Outside of it lie ``::ffff:0:0/96`` (IPv4-mapped), ``64:ff9b::/96`` and ``64:ff9b:1::/48`` (NAT64), ``fc00::/7``."""
_ALLOWED_SIGNS = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts that the configuration allows.

    Attributes
    ----------
    hosts
        Names with the port that is allowed on each, None for those of http and https.
    every
        Whether any public host may be asked, on those ports.
    """

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    every: bool = False

    @classmethod
    def parse(cls, text: str) -> AllowedHosts:
        """From a list with commas; a port stands behind a colon."""
        entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
        hosts = set()
        for entry in entries:
            name, _, port = entry.partition(":")
            if entry != "*" and _NAME.fullmatch(name) and (not port or port.isdecimal()):
                hosts.add((name, int(port) if port else None))
        return cls(frozenset(hosts), "*" in entries)

    @classmethod
    def from_environment(cls) -> AllowedHosts:
        """As `ALLOW` says."""
        return cls.parse(os.environ.get(ALLOW, ""))

    def __bool__(self) -> bool:
        return self.every or bool(self.hosts)

    def allow(self, target: Target) -> bool:
        """Whether a host may be asked on its port."""
        standard = target.port == PORTS[target.scheme]
        return (standard and (self.every or (target.host, None) in self.hosts)) or (
            target.host,
            target.port,
        ) in self.hosts


@dataclass(frozen=True)
class Target:
    """Where a request goes.

    Attributes
    ----------
    host
        A name, or an IP address without brackets; in small letters.
    path
        With the query; begins with a slash.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def header(self) -> str:
        """The Host header (RFC 9110 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """The whole address, to find what a redirect is relative to."""
        return f"{self.scheme}://{self.header}{self.path}"


def parse_address(address: str, allowed: AllowedHosts, before: Target | None = None) -> Target:
    """Take an address apart and refuse what must not be asked; nothing is looked up.

    Parameters
    ----------
    address
        As a person typed it, or as a redirect gave it.
    allowed
        Hosts that may be asked.
    before
        Where the redirect came from, if there was one.

    Raises
    ------
    AddressRefused
        Never quotes the address, which may hold a patient's identity.
    """
    address = address.strip()
    if len(address) > LONGEST or not _ALLOWED_SIGNS.fullmatch(address) or "\\" in address:
        raise _refused("it is empty, too long, or holds signs that do not belong there")
    try:
        parts = urlsplit(address if before is None else urljoin(before.address, address))
        port = parts.port
    except ValueError:
        raise _refused("it is malformed") from None
    if parts.scheme not in PORTS:
        raise _refused("only http and https are read")
    if before is not None and before.scheme == "https" and parts.scheme != "https":
        raise _refused("its server sends on from an encrypted address to one that is not")
    if "@" in parts.netloc:
        raise _refused("it holds a user name or a password")
    target = Target(parts.scheme, _host(parts), PORTS[parts.scheme] if port is None else port, _path(parts))
    if not allowed.allow(target):
        raise AddressRefused(
            "Radiographs may not be fetched from this host, or not on this port.",
            f"Save the file and upload it, or have the host added to {ALLOW} where cxrkit runs.",
        )
    return target


def is_public(address: str) -> bool:
    """Whether an IP address, as a resolver gives it, is one of the public internet and leads nowhere else."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if getattr(ip, "scope_id", None) is not None or not ip.is_global:
        return False
    if ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local or ip.is_unspecified:
        return False
    if ip.version == 6 and ip not in _UNICAST:
        return False
    return not any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)


def _host(parts: SplitResult) -> str:
    """The host in small letters, without the dot of an absolute name."""
    host = (parts.hostname or "").removesuffix(".")
    try:
        ip = ipaddress.ip_address(host)
        if getattr(ip, "scope_id", None) is None:  # one with a scope (RFC 4007) falls through to the refusal
            return str(ip)
    except ValueError:
        pass
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise _refused("it names no host")
    last = host.rpartition(".")[2]
    # what a resolver would take for an IPv4 address in decimal, octal or hexadecimal notation
    if last.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last):
        raise _refused("its host is a number in an unusual notation")
    return host


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _refused(why: str) -> AddressRefused:
    return AddressRefused(
        f"The address cannot be used: {why}.", "Give the plain web address of a radiograph, or upload the file."
    )
