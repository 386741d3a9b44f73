"""Many radiographs in, one row for each out."""

from cxrkit.dashboard import batch, batch_view, sidebar
from cxrkit.dashboard.entry import BATCH, begin, guarded, not_a_device
from cxrkit.dashboard.services import models

begin(BATCH)


@guarded
def page() -> None:
    choice = sidebar.choose_model()
    not_a_device(choice.preset.notice)
    batch_view.batch_bar(choice.preset)
    job = batch.job()
    if job is None:
        batch_view.welcome()
        models.manager(choice.preset)  # loaded while the reader looks for files
    elif job.state == "running":
        batch_view.watch(job)
    else:
        batch_view.result(job, choice)


page()
