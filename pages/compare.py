"""Two radiographs of one patient, or one radiograph by several models and operating points."""

from cxrkit.dashboard import compare_view, sidebar
from cxrkit.dashboard.entry import COMPARE, begin, guarded, not_a_device

begin(COMPARE)


@guarded
def page() -> None:
    choice = sidebar.choose_model()
    not_a_device(choice.preset.notice)
    compare_view.intake_bar()
    compare_view.comparison(choice)


page()
