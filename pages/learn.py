"""How it works: the network, its maps and its numbers, live on the synthetic phantom."""

from cxrkit.dashboard import learn_view, sidebar
from cxrkit.dashboard.entry import LEARN, begin, guarded, not_a_device

begin(LEARN)


@guarded
def page() -> None:
    preset = sidebar.choose_preset()
    not_a_device(preset.notice)
    learn_view.lessons(preset)


page()
