"""Readings over HTTP: ``uvicorn cxrkit.serving.rest:app``, or ``scripts/serve.py``.

Importing this loads no model, no network library and no page: `cxrkit.serving.rest.readers` does when it is started.
"""

from cxrkit.serving.rest.application import create_app

app = create_app()
