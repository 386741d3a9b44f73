"""The dashboard's front door: ``streamlit run streamlit_app.py``."""

from cxrkit.dashboard.entry import route

route()
