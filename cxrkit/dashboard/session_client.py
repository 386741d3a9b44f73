"""A session of the dashboard without a browser, by Streamlit's own protocol: what a page would send and receive.

For measuring the server under several readers: ten browsers on the server's own processors would compete with what is
measured. Only as much of the protocol as one upload takes, as Streamlit 1.67 speaks it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple

import requests
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

_XSRF = "_streamlit_xsrf"
_ROW = 'class="cx-row'


class SessionFailed(RuntimeError):
    """The server showed an error, or answered otherwise than a session expects."""


class Findings(NamedTuple):
    """How many rows of findings came, and seconds from choosing the file to the last of them."""

    rows: int
    seconds: float


class SessionClient:
    """One session, from its first run on.

    Parameters
    ----------
    address
        Of the dashboard, such as ``http://127.0.0.1:8501``.
    seconds
        How long any one message may be waited for; `TimeoutError` afterwards.

    Raises
    ------
    SessionFailed
        From every method: the page shows an error or an incident, or something else than a run came.
    """

    def __init__(self, address: str, seconds: float = 120.0) -> None:
        self._address, self._seconds = address, seconds
        self._session = self._page = self._query = self._uploader = self._clear = ""
        self._kept: dict[str, ForwardMsg] = {}  # what a page keeps, too, and need not be sent twice
        with ExitStack() as opening:
            self._web = opening.enter_context(requests.Session())
            self._web.trust_env = False  # no proxy stands between
            self._socket = opening.enter_context(self._connect())
            self._rerun(ClientState())
            self._finish()
            self._open = opening.pop_all()

    def _connect(self) -> ClientConnection:
        self._web.get(f"{self._address}/_stcore/health", timeout=self._seconds).raise_for_status()
        token = self._web.cookies.get(_XSRF)
        if token is None:
            raise SessionFailed("the server gives no token against forged requests")
        self._web.headers["X-Xsrftoken"] = token
        return connect(
            f"{self._address.replace('http', 'ws', 1)}/_stcore/stream",
            origin=Origin(self._address),
            subprotocols=[Subprotocol("streamlit"), Subprotocol(token)],
            additional_headers={"Cookie": f"{_XSRF}={token}"},
            compression=None,
            max_size=None,
            proxy=None,
            ping_interval=None,
        )

    def upload(self, data: bytes, name: str) -> Findings:
        """Choose a file and wait for its findings; `settle` waits for the rest of the page."""
        start = time.monotonic()
        asked = BackMsg()
        asked.file_urls_request.request_id = str(uuid.uuid4())
        asked.file_urls_request.file_names.append(name)
        asked.file_urls_request.session_id = self._session
        self._socket.send(asked.SerializeToString())
        urls = self._file_urls()
        self._web.put(
            f"{self._address}{urls.upload_url}", files={"file": (name, data)}, timeout=self._seconds
        ).raise_for_status()
        state = ClientState()
        widget = state.widget_states.widgets.add(id=self._uploader)
        widget.file_uploader_state_value.uploaded_file_info.add(
            file_id=urls.file_id, name=name, size=len(data), file_urls=urls
        )
        self._rerun(state)
        rows, last = self._findings()
        return Findings(rows, last - start)

    def settle(self) -> None:
        """Wait until the page that shows the findings is complete."""
        self._finish()

    def clear(self) -> None:
        """Press "Clear patient", and wait until the page rests."""
        state = ClientState()
        state.widget_states.widgets.add(id=self._clear, trigger_value=True)
        self._rerun(state)
        self._finish()

    def close(self) -> None:
        """Leave."""
        self._open.close()

    def __enter__(self) -> SessionClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _rerun(self, state: ClientState) -> None:
        state.query_string, state.page_script_hash = self._query, self._page
        state.cached_message_hashes.extend(self._kept)
        state.context_info.timezone, state.context_info.locale = "UTC", "en"
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())

    def _messages(self) -> Iterator[ForwardMsg]:
        while True:
            data = self._socket.recv(self._seconds)
            if not isinstance(data, bytes):
                raise SessionFailed("the server sent text")
            message = ForwardMsg.FromString(data)
            if message.WhichOneof("type") == "ref_hash":
                message = self._kept[message.ref_hash]
            elif message.metadata.cacheable:
                self._kept[message.hash] = message
            self._note(message)
            yield message

    def _note(self, message: ForwardMsg) -> None:
        """Remember what later messages need, and fail at what a reader would call an error."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._session = message.new_session.initialize.session_id or self._session
            self._page = message.new_session.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            if element.HasField("file_uploader"):
                self._uploader = element.file_uploader.id
            elif element.HasField("button") and element.button.label == "Clear patient":
                self._clear = element.button.id
            elif element.HasField("exception"):
                raise SessionFailed(f"the page shows an exception: {element.exception.type}")
            elif element.HasField("alert") and element.alert.format == Alert.ERROR:
                raise SessionFailed(f"the page shows an error: {element.alert.body}")

    def _finish(self) -> None:
        for message in self._messages():
            if _finished(message):
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    raise SessionFailed("the page cannot be compiled")

    def _file_urls(self) -> FileURLs:
        for message in self._messages():
            if message.WhichOneof("type") == "file_urls_response":
                if message.file_urls_response.error_msg:
                    raise SessionFailed(message.file_urls_response.error_msg)
                return message.file_urls_response.file_urls[0]
        raise AssertionError("unreachable")

    def _findings(self) -> tuple[int, float]:
        """How many rows came, and when the last one did; the impression stands below all rows."""
        rows, last = 0, 0.0
        for message in self._messages():
            body = _html(message)
            if _ROW in body:
                rows, last = rows + 1, time.monotonic()
            elif "cx-impression" in body and rows:
                return rows, last
            elif _finished(message) and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                raise SessionFailed("the page shows no findings")
        raise AssertionError("unreachable")


def _finished(message: ForwardMsg) -> bool:
    return message.WhichOneof("type") == "script_finished"


def _html(message: ForwardMsg) -> str:
    if message.WhichOneof("type") != "delta" or message.delta.WhichOneof("type") != "new_element":
        return ""
    element: Element = message.delta.new_element
    return element.html.body if element.HasField("html") else ""
