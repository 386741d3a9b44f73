"""One radiograph in, one reading out."""

from cxrkit.dashboard import services, sidebar, widgets
from cxrkit.dashboard.entry import READ, begin, guarded, not_a_device

begin(READ)


@guarded
def page() -> None:
    choice = sidebar.choose_model()
    not_a_device(choice.preset.notice)
    widgets.intake()
    radiograph = services.shown_radiograph()
    reading = services.read(radiograph, choice.preset) if radiograph is not None else None
    finding = sidebar.chosen_finding(choice, reading)
    sidebar.explain_choice(choice, finding)
    if radiograph is None or reading is None:
        widgets.welcome()
        services.manager(choice.preset)  # loaded while the reader looks for a file
    else:
        widgets.reading_view(radiograph, reading, choice, finding)


page()
