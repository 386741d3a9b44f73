"""Serving the API with uvicorn."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace

import uvicorn

from cxrkit.errors import ServingError
from cxrkit.model.runtimes import Precision, require
from cxrkit.preset_folders import list_presets
from cxrkit.serving.rest.application import create_app
from cxrkit.serving.rest.settings import TOKEN, Settings

SECONDS_TO_FINISH = 90
"""After a request to stop: more than a reading takes, with its file's way here. Orchestrators must wait as long."""


def serve(host: str = "127.0.0.1", port: int = 8600, *, demo: bool = False, precision: Precision = "float32") -> None:
    """Answer until interrupted; then what is being read is finished, and nothing new is taken on.

    Parameters
    ----------
    host, port
        Where to listen.
    demo
        Add the page at /demo, also where the environment does not ask for it.
    precision
        In which the networks compute.

    Raises
    ------
    ServingError
        The address can be reached from other computers and there is no token, or it cannot be listened at.
    ExtraMissing, PresetError
        The page at /demo is asked for, and Gradio is not installed or a preset cannot be used; or the precision
        cannot be had.
    """
    settings = replace(Settings.from_environment(), precision=precision)
    if demo:
        settings = replace(settings, demo=True)
    if not settings.token and not _loopback(host):
        raise ServingError(
            "Other computers could ask at this address, and there is no token.",
            f"Set {TOKEN}, or leave out the address to be asked from this computer alone.",
        )
    if precision != "float32":  # else what is wrong with a preset is told by /health
        require(precision, list_presets(settings.weights))
    _check_free(host, port)
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # it would log paths and addresses; `cxrkit.serving.rest.door` logs neither
        server_header=False,
        proxy_headers=False,  # anybody can send them
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_free(host: str, port: int) -> None:
    """Try the address, so that the refusal is a sentence; raises `ServingError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except (OSError, OverflowError, UnicodeError):
        raise ServingError(
            "The address and port cannot be listened at: another program does, or this computer has no such address.",
            "Choose another with --port or --host.",
        ) from None
