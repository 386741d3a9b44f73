"""The card of a model: what it is, what it was trained on, how well it was measured, where it ends."""

from cxrkit.dashboard import card_view, sidebar
from cxrkit.dashboard.entry import MODEL_INFO, begin, guarded, not_a_device

begin(MODEL_INFO)


@guarded
def page() -> None:
    preset = sidebar.choose_preset()
    not_a_device(preset.notice)
    card_view.card(preset)


page()
