"""What pages ask of the library, and every cache of the dashboard.

Models are shared by all sessions. What belongs to a patient never is: radiographs lie in the
session's own state (`cxrkit.dashboard.films`) and what was made of them in session-scoped caches, all bounded, all
emptied by `cxrkit.dashboard.intake.clear_patient`. Keys are sums of the source with what was done to it, never arrays.
"""
