"""Encrypted connections only: which addresses may be opened, and where redirects may lead."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.request
from typing import IO
from urllib.parse import urlsplit

from cxrkit.errors import DownloadError


def require_https(address: str, before: str | None = None) -> None:
    """Refuse an address that is not HTTPS, except plain HTTP within this computer.

    Parameters
    ----------
    address
        To be opened.
    before
        The address that redirects there, if any. An encrypted one may not lead to an unencrypted one.

    Raises
    ------
    DownloadError
        Somebody on the way could change what is fetched there.
    """
    parts = urlsplit(address)
    downgraded = before is not None and urlsplit(before).scheme == "https"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname) and not downgraded):
        return
    raise DownloadError(
        "The file is offered at an address without encryption, which is refused.",
        "Try again from another network, or fetch the file by hand from the publisher's page.",
    )


def opener(address: str) -> urllib.request.OpenerDirector:
    """What opens `address`: through the system's proxy if it has one, never for this computer itself."""
    if is_loopback(urlsplit(address).hostname):
        return urllib.request.build_opener(_EncryptedRedirects, urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(_EncryptedRedirects)


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is this computer itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class _EncryptedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects (Mendeley Data and Box keep their files elsewhere) while they stay encrypted."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            require_https(newurl, req.full_url)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
