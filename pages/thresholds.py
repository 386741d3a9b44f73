"""ROC curves, thresholds and what they mean for patients, on judged rows."""

from cxrkit.dashboard import sidebar, threshold_tabs
from cxrkit.dashboard.entry import THRESHOLDS, begin, guarded, not_a_device

begin(THRESHOLDS)


@guarded
def page() -> None:
    preset = sidebar.choose_preset()
    not_a_device(preset.notice)
    threshold_tabs.page(preset)


page()
