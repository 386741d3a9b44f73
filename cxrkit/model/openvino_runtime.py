"""Running a compiled trunk with OpenVINO on the processor."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino
import threadpoolctl
from openvino import properties

from cxrkit.errors import PresetInvalid
from cxrkit.model.compiled import HeldTrunk
from cxrkit.model.int8_graph import computed_in_int8, quantise
from cxrkit.model.int8_ranges import Int8Ranges
from cxrkit.model.openvino_core import core, read_trunk
from cxrkit.model.runtimes import Precision

Floats = npt.NDArray[np.float32]
# in int8 what is no convolution stays in float32
_TYPES = {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16, "int8": openvino.Type.f32}
_NEEDED = {"bfloat16": "BF16", "int8": "INT8"}


def can_compute(precision: Precision) -> bool:
    """Whether this processor has instructions for a precision; OpenVINO would take another one and not say so."""
    able = core().get_property("CPU", properties.device.capabilities())
    return precision == "float32" or _NEEDED[precision] in able


def cannot(precision: Precision) -> PresetInvalid:
    """The refusal of a precision that this processor has no instructions for."""
    return PresetInvalid(
        f"This processor cannot compute in {precision}.", "Leave the precision at float32, which is exact."
    )


class OpenVinoRuntime:
    """A trunk in OpenVINO's intermediate representation.

    The precision is stated, because OpenVINO computes in bfloat16 of its own accord where the processor can.

    Parameters
    ----------
    trunk
        The graph: its file, or what was held of it.
    precision
        In which it computes.
    bulk
        Whether many calls come at once. Else a single call is spread over all cores, and others wait for their turn;
        for many, `streams` of them run side by side, so that no core waits for another one within a layer.
    singly
        Whether images come one by one, which a graph of fixed size does faster; several are then computed in turn.
    ranges
        Of the trunk's layers, for int8 and for nothing else.

    NumPy's linear algebra is kept to one thread in this process from then on: the threads of OpenBLAS wait by
    spinning, and after each small product of a reading they took the cores from the next call, which then lasted up
    to four times as long.

    Raises
    ------
    PresetInvalid
        The processor cannot compute in this precision, or the ranges are of another trunk.
    ValueError
        Ranges without int8, or int8 without ranges.
    """

    name = "openvino"

    def __init__(
        self,
        trunk: Path | HeldTrunk,
        precision: Precision = "float32",
        *,
        bulk: bool = False,
        singly: bool = False,
        ranges: Int8Ranges | None = None,
    ) -> None:
        if (precision == "int8") != (ranges is not None):
            raise ValueError("int8 needs the ranges of the layers, and nothing else takes them")
        if not can_compute(precision):
            raise cannot(precision)
        threadpoolctl.threadpool_limits(1, user_api="blas")
        self.precision: Precision = precision
        modes = properties.hint.PerformanceMode
        hints = {
            properties.hint.inference_precision(): _TYPES[precision],
            properties.hint.performance_mode(): modes.THROUGHPUT if bulk else modes.LATENCY,
            # threads that are bound to cores wait there for each other's models, and for other programs
            properties.hint.enable_cpu_pinning(): False,
        }
        if not bulk:
            hints[properties.hint.num_requests()] = 1
        model = read_trunk(trunk)
        if singly:
            model.reshape([1, *model.input(0).partial_shape[1:]])
        if ranges is not None:
            quantise(model, ranges)
        self._singly = singly
        self.compiled: Any = core().compile_model(model, "CPU", hints)
        if ranges is not None and not computed_in_int8(self.compiled):
            raise cannot(precision)  # marks are a proposal, which OpenVINO leaves aside where nothing is gained
        self.streams: int = self.compiled.get_property(properties.optimal_number_of_infer_requests()) if bulk else 1
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # one more than run side by side waits within OpenVINO, so that none of its threads waits for one of Python's
        for _ in range(self.streams + bulk):
            self._free.put(self.compiled.create_infer_request())

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) float32 -> (n, H, W, K) float32 feature maps."""
        if self._singly and len(tensor) > 1:
            return np.concatenate([self.features(image[None]) for image in tensor])
        request = self._free.get()
        try:
            request.infer([np.ascontiguousarray(tensor, dtype=np.float32)], share_inputs=True)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._free.put(request)

    def begin(self, tensor: Floats) -> Callable[[], Floats]:
        """`features`, computed while the caller does something else; what is returned waits for them.

        It must be called once, whatever happens meanwhile: else the next call waits for ever.
        """
        given = np.ascontiguousarray(tensor, dtype=np.float32)
        request = self._free.get()
        try:
            request.set_input_tensor(openvino.Tensor(given, shared_memory=True))
            request.start_async()
        except BaseException:
            self._free.put(request)
            raise

        def finish(given: Floats = given) -> Floats:  # which holds the input: OpenVINO only points to it
            try:
                request.wait()
                return np.array(request.get_output_tensor(0).data, dtype=np.float32)
            finally:
                self._free.put(request)

        return finish
