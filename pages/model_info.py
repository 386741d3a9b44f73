"""A model: its card, its network, its training, its data, its errors, and what an article would have to report."""

from cxrkit.dashboard import info_view, sidebar
from cxrkit.dashboard.entry import MODEL_INFO, begin, guarded, not_a_device

begin(MODEL_INFO)


@guarded
def page() -> None:
    preset = sidebar.choose_preset()
    not_a_device(preset.notice)
    info_view.information(preset)


page()
