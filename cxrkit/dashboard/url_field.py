"""A radiograph by its web address: a field that is there only where the configuration allows some host."""

from __future__ import annotations

import streamlit as st

from cxrkit.dashboard import intake
from cxrkit.dashboard.entry import incident
from cxrkit.dashboard.films import Film
from cxrkit.errors import CxrError
from cxrkit.serving.public_address import AllowedHosts
from cxrkit.serving.remote_image import fetch


def url_field() -> None:
    """The button beside the upload field, and what it opens; nothing where no host is allowed."""
    allowed = AllowedHosts.from_environment()
    if not allowed:
        return
    with st.popover("From URL", icon=":material/link:", key="from_url"):
        # the key changes with each intake: an address may name a patient, and does not stay on the page
        key = f"address_{intake.uploader_key()}"
        with st.form(f"form_{key}", border=False):
            st.text_input(
                "Web address of a radiograph",
                key=key,
                placeholder="https://",
                autocomplete="off",
                help="DICOM, PNG or JPEG, or a ZIP archive. The computer that runs cxrkit fetches it and treats it "
                "like an uploaded file. The address is not kept.",
            )
            st.form_submit_button("Fetch", icon=":material/download:", on_click=_take, args=(key, allowed))
        hosts = "any public host" if allowed.every else ", ".join(sorted(_shown(host) for host in allowed.hosts))
        st.caption(f"Allowed here: {hosts}.")


def _take(key: str, allowed: AllowedHosts) -> None:
    """Show what is at the address in place of all earlier films (a widget's callback)."""
    intake.take_film(_fetched(st.session_state.pop(key, ""), allowed))


def _fetched(address: str, allowed: AllowedHosts) -> Film:
    """What the address gave, or why it gave nothing."""
    try:
        data = fetch(address, allowed=allowed)
    except CxrError as error:
        return Film(0, failure=error)
    except Exception as error:
        return Film(0, failure=incident(error))
    return intake.load(data, name="")


def _shown(host: tuple[str, int | None]) -> str:
    name, port = host
    return name if port is None else f"{name}:{port}"
