"""The answers of the API as types, which the OpenAPI description is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cxrkit.model.runtimes import Precision

Probability = float
Rule = Literal["youden", "screening", "rule-in"]


class Strict(BaseModel):
    """No field that is not described: what a reading gains must be described here, too."""

    model_config = ConfigDict(extra="forbid")


class Problem(Strict):
    """An error (RFC 9457), as two sentences for a person and a type for a machine."""

    type: str = Field(description="`urn:cxrkit:problem:` and the kind of error, such as `too-large`.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, in one sentence without any identity.")
    remedy: str = Field(description="What can be done about it, in one sentence.")
    request_id: str


class Address(Strict):
    """A radiograph by its web address, where the server's configuration allows its host."""

    url: str = Field(max_length=2048, examples=["https://images.example.org/radiograph.png"])


class PneumoniaAnswer(Strict):
    """The answer for one radiograph of a child's chest, pneumonia or not."""

    diagnosis: Literal["PNEUMONIA", "NORMAL"] = Field(
        description="PNEUMONIA where the calibrated probability reaches the preset's Youden threshold."
    )
    confidence: float = Field(description="Probability of the diagnosis in percent, two decimals.", ge=0, le=100)
    raw_score: Probability = Field(description="Calibrated probability of pneumonia, four decimals.", ge=0, le=1)
    status: Literal["success"]
    gradcam_available: bool
    gradcam: str | None = Field(description="PNG file in base64: the radiograph with its Grad-CAM map.")


class Interval(Strict):
    """5th and 95th percentile of draws with dropout in the model's head."""

    low: Probability
    high: Probability


class FittedOn(Strict):
    """The rows that a threshold was fitted on."""

    split: str
    n: int
    positives: int


class PointVerdict(Strict):
    """The probability against one operating point."""

    positive: bool = Field(description="Whether the probability reaches the threshold.")
    in_doubt: bool = Field(description="Whether the interval reaches across the threshold: the reading abstains.")
    threshold: Probability
    sensitivity: float
    specificity: float
    fitted_on: FittedOn


class PublishedVerdict(Strict):
    """The probability against a threshold that the publisher of the weights states."""

    positive: bool
    in_doubt: bool
    threshold: Probability
    source: str


class Box(Strict):
    """A rectangle in pixels of the radiograph as it was read."""

    left: float
    top: float
    right: float
    bottom: float


class Map(Strict):
    """A Grad-CAM map: where the model looked, not the outline of a lesion."""

    method: str
    layer: str
    rows: int
    columns: int
    box: Box = Field(description="What the map's grid covers.")
    peak: float = Field(description="Largest value before scaling: maps of one reading are compared by it.")
    has_positive_evidence: bool
    share_outside_lungs: float | None
    png: str | None = Field(description="PNG file in base64, captioned; null where there is no positive evidence.")


class FindingReading(Strict):
    """One finding."""

    probability: Probability = Field(description="Calibrated.", ge=0, le=1)
    logit: float = Field(description="The network's raw output.")
    interval: Interval | None
    stated_at_prevalence: float | None = Field(description="At which the probability holds; null if never fitted.")
    operating_points: dict[str, PointVerdict]
    published_threshold: PublishedVerdict | None = None
    map: Map | None = Field(None, description="Where asked for with `maps=png`.")


class Issue(Strict):
    """A reason against the picture."""

    code: str
    severity: Literal["refuse", "correct", "warn"]
    message: str


class Quality(Strict):
    """Whether the picture is a usable frontal chest radiograph."""

    refused: bool = Field(description="The reading is withheld: there are no findings.")
    overridden: bool = Field(description="It was asked for all the same.")
    gated: bool
    distance: float | None
    correction: list[str] = Field(description="What was done to the picture before it was read.")
    proposed_correction: list[str]
    issues: list[Issue]


class Dropout(Strict):
    """How the intervals were drawn."""

    draws: int
    seed: int
    rates: list[float]
    trained: bool
    percentiles: list[int]


class ReadingRecord(Strict):
    """Everything about one radiograph. A refused one has no findings: `quality` says why."""

    preset: str
    weights_sha256: str
    precision: Precision = Field("float32", description="In which the network computed; left out for float32.")
    radiograph_sha256: str = Field(description="Of the file as it was sent.")
    findings: dict[str, FindingReading] = Field(description="In the order of the model's outputs.")
    quality: Quality
    notes: list[str] = Field(description="What was done to the picture, one sentence each.")
    lung_share: float | None
    warnings: list[str] = Field(description="How the patient lies outside of the training population.")
    dropout: Dropout | None
    notice: str
    disclaimer: str


class ReadingQuery(Strict):
    """How to read."""

    preset: str = Field("chestxray14", max_length=64, description="One of `GET /v1/presets`.")
    rule: Rule | None = Field(None, description="The one operating point to compare with; all without it.")
    maps: Literal["none", "png"] = Field("none", description="`png` adds a picture per finding.")
    all_the_same: bool = Field(False, description="Read what is refused, too; the record says so.")
    as_it_lies: bool = Field(False, description="Neither turn nor invert a picture that seems to lie wrongly.")
    display: int = Field(1, ge=1, le=1000, description="Which display of a DICOM file that has several, from 1.")


class PresetSummary(Strict):
    """A model that this server reads with."""

    name: str
    title: str
    version: str
    findings: list[str]
    weights_sha256: str
    input_size: int
    intended_use: str
    limits: list[str]
    rules: list[str] = Field(description="Operating points that at least one finding has.")
    notice: str


class PresetList(Strict):
    """All of them."""

    presets: list[PresetSummary]
    disclaimer: str


class PresetHealth(Strict):
    """One model."""

    name: str
    version: str
    weights_sha256: str
    runtime: str | None = Field(description="What computes; null while the model is being loaded.")
    precision: Precision | None = Field(description="In which it computes; null while the model is being loaded.")


class Syntax(Strict):
    """A DICOM encoding."""

    uid: str
    name: str
    decodable: bool


class Health(Strict):
    """Whether this installation can read, and what."""

    status: Literal["ok", "degraded"]
    model_loaded: bool
    gradcam_enabled: bool
    api_version: str
    presets: list[PresetHealth]
    transfer_syntaxes: list[Syntax]
    disclaimer: str


class Unusable(Strict):
    """Why it cannot."""

    status: Literal["unusable"]
    message: str
    remedy: str
    disclaimer: str
