"""Every error that a user can cause, in one tree.

A ``CxrError`` carries a message and a remedy: two sentences fit for a clinician, free of
file paths and of patient identity. The dashboard shows both, scripts print both and exit
with status 2. Any other exception is a defect of cxrkit and is reported as an incident.

::

    CxrError
    |-- RadiographError            the file cannot be used as a radiograph
    |   |-- UnsupportedFormat      neither DICOM nor an image format that is read (or encoded unreadably)
    |   |-- CorruptFile            damaged, truncated or contradicting itself
    |   |-- TooLarge               more bytes, pixels, frames, memory or seconds than are accepted
    |   `-- UnsuitableImage        decodes, but holds no usable picture (blank, tiny, a thin strip)
    |-- PresetError                a model or its card cannot be used
    |   |-- PresetNotFound
    |   |-- PresetInvalid          the card contradicts itself or its weights
    |   |-- WeightsMissing
    |   |-- WeightsCorrupt         truncated, not HDF5, or another sha256 than the card names
    |   |-- WeightsMismatch        a layer or finding differs between the file and the network
    |   |-- OperatingPointMismatch a threshold of other weights
    |   `-- ImportRefused          weights from elsewhere that cannot be taken over as they are
    |-- AddressRefused             a web address that must not be opened
    |-- RemoteUnavailable          a web address where no file can be had
    |-- RequestError               what was asked over HTTP cannot be answered
    |   |-- BadRequest             a body, a field or a header is malformed
    |   |-- NotSignedIn            no token, or a wrong one
    |   |-- RequestTimeout         the body does not arrive in time
    |   `-- TooManyRequests        more within a minute than one client may ask
    |-- Overloaded                 more at the same time than this computer can read
    |-- ServingError               a server cannot be started as it is configured
    |-- FindingUnknown             the model has no such finding
    |-- DisplayUnknown             the file has no such display
    |-- ManifestError              a table of images and labels cannot be used
    |   `-- PredictionsInvalid     cells of a predictions table are wrong, each named by row and column
    |-- TrainConfigError           train_config.json is missing, stale or inconsistent
    |-- TrainingError              a training run cannot start or go on
    |-- ScoringError               a run over many files cannot start or go on
    |-- ExtraMissing               an optional package is not installed
    `-- DownloadError              a public data set cannot be fetched
        |-- SourceUnreachable      no network, or its server does not answer or says no
        |-- ChecksumMismatch       a file is not the one that its publisher describes
        |-- StorageUnusable        the folder cannot be written to, or the disk is full
        `-- ArchiveRefused         an archive is damaged, swells beyond reason, or would write outside its folder
"""

import sys

# A name out of a hostile file may be part of a message, and must not steer the terminal that shows it.
_CONTROL = {code: "?" for code in (*range(9), *range(11, 32), *range(127, 160))}


class CxrError(Exception):
    """Base of all expected errors.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    remedy
        What the reader can do about it, in one sentence.
    """

    def __init__(self, message: str, remedy: str) -> None:
        message = message.translate(_CONTROL)
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def tell(self) -> int:
        """Print message and remedy to standard error, as every script does; returns its exit status."""
        print(f"{self.message}\n{self.remedy}", file=sys.stderr)
        return 2


class RadiographError(CxrError):
    """The file cannot be used as a radiograph."""


class UnsupportedFormat(RadiographError):
    """The bytes are neither DICOM nor a supported image, or use an encoding that cannot be decoded."""


class CorruptFile(RadiographError):
    """The file is damaged, truncated or contradicts itself."""


class TooLarge(RadiographError):
    """The file has or declares more bytes, pixels or frames than are accepted, or takes more memory or time."""


class UnsuitableImage(RadiographError):
    """The file decodes, but what it shows cannot be a radiograph."""


class PresetError(CxrError):
    """A model preset cannot be used."""


class PresetNotFound(PresetError):
    """No preset of that name exists."""


class PresetInvalid(PresetError):
    """The preset's card is malformed or contradicts itself or its weights."""


class WeightsMissing(PresetError):
    """The weights file does not exist."""


class WeightsCorrupt(PresetError):
    """The weights file is truncated, is not HDF5, or is not the file that the card names."""


class WeightsMismatch(PresetError):
    """A layer or a finding differs between the weights file and the network."""


class OperatingPointMismatch(PresetError):
    """An operating point was fitted for other weights."""


class ImportRefused(PresetError):
    """Weights from elsewhere act when loaded, give other numbers here, or lack what a preset must know."""


class ExportRefused(PresetError):
    """A preset in another format gives other numbers, cannot be had in it, or would replace a file."""


class AddressRefused(CxrError):
    """A web address must not be opened: by its form, its host, or the computer that it leads to."""


class RemoteUnavailable(CxrError):
    """At a web address no file can be had: nobody answers in time, or not with a file."""


class RequestError(CxrError):
    """What was asked over HTTP cannot be answered."""


class BadRequest(RequestError):
    """A body, a field or a header of a request is malformed."""


class NotSignedIn(RequestError):
    """A request came without a token, or with a wrong one."""


class RequestTimeout(RequestError):
    """The body of a request did not arrive in time."""


class TooManyRequests(RequestError):
    """One client asks more within a minute than it may."""


class Overloaded(CxrError):
    """More is asked at the same time than this computer can read; the same may be asked again later."""


class ServingError(CxrError):
    """A server cannot be started as it is configured."""


class FindingUnknown(CxrError):
    """The model does not know the finding."""


class DisplayUnknown(CxrError):
    """The radiograph has no window, look-up table or other display of that number."""


class ManifestError(CxrError):
    """A table of images and labels cannot be used."""


class PredictionsInvalid(ManifestError):
    """Cells or columns of a predictions table are wrong.

    Parameters
    ----------
    problems
        A sentence for each of the first problems, by row and column; what stands in a cell is never quoted.
    """

    def __init__(self, message: str, remedy: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.problems = tuple(problem.translate(_CONTROL) for problem in problems)


class TrainConfigError(CxrError):
    """``train_config.json`` is missing, stale or inconsistent."""


class TrainingError(CxrError):
    """A training run cannot start or cannot go on."""


class ScoringError(CxrError):
    """A run over many files cannot start or cannot go on."""


class ExtraMissing(CxrError):
    """An optional package that this needs is not installed."""


class DownloadError(CxrError):
    """A public data set cannot be fetched."""


class SourceUnreachable(DownloadError):
    """There is no network, or the server does not answer or refuses."""


class ChecksumMismatch(DownloadError):
    """A file is not the one that its publisher, or an earlier run, describes."""


class StorageUnusable(DownloadError):
    """The folder cannot be written to, or the disk is full."""


class ArchiveRefused(DownloadError):
    """An archive is damaged, swells beyond reason, or would write outside its folder."""
