"""One radiograph in, one reading out."""

from cxrkit.dashboard import film_strip, films, quality_view, sidebar, widgets
from cxrkit.dashboard.entry import READ, begin, guarded, not_a_device
from cxrkit.dashboard.services import models, readings

begin(READ)


@guarded
def page() -> None:
    choice = sidebar.choose_model()
    not_a_device(choice.preset.notice)
    widgets.intake_bar()
    radiograph = films.shown_radiograph()
    reading = None
    if radiograph is not None:
        radiograph, reading = readings.read(radiograph, choice.preset)
    shown = None if reading is None or reading.quality.refused else reading
    finding = sidebar.chosen_finding(choice, shown)
    sidebar.explain_choice(choice, finding)
    film_strip.film_strip(choice)
    if len(films.films()) > 1 and radiograph is None:
        widgets.nothing_to_show()
    elif radiograph is None or reading is None:
        widgets.welcome()
        models.manager(choice.preset)  # loaded while the reader looks for a file
    elif shown is None:
        quality_view.refusal(radiograph, reading)
    else:
        quality_view.remarks(reading)
        widgets.reading_view(radiograph, reading, choice, finding)


page()
