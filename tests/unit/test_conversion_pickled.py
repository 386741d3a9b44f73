"""Pickles and checkpoints as data: nothing in them acts, whatever they name."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import subprocess
import zipfile
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

from cxrkit.conversion.pickled import Named, Standin, read_pickle
from cxrkit.conversion.torch_checkpoint import read_checkpoint
from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMismatch, WeightsMissing

MAGIC = 0x1950A86A20F9469CFC6C


class Call:
    """Pickles as a call of a function with arguments, and then a state."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.made = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.made


class Raw:
    """A pickle of instructions that Python's own pickler does not write."""

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()


def dump(value: Any, protocol: int = 2) -> bytes:
    """Pickle, or take as it is."""
    return value.bytes if isinstance(value, Raw) else pickle.dumps(value, protocol)


def read(value: Any, protocol: int = 2) -> Any:
    return read_pickle(io.BytesIO(pickle.dumps(value, protocol)), {})


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back_as_they_were(protocol: int) -> None:
    value = {"a": [1, -2.5, None, True, False, 2**70, "ü\n", b"\x00\xff"], "b": (1, (2,), (3, 4), (1, 2, 3, 4)), 3: {}}
    if protocol < 3:  # there, bytes are a call
        value["a"].pop()
    assert read(value, protocol) == value
    shared: list[Any] = []
    back = read([shared, shared], protocol)
    assert back[0] is back[1]


@pytest.mark.parametrize("protocol", range(6))
def test_objects_become_stand_ins_with_their_state(protocol: int) -> None:
    thing = read(Call(Path, "a", state={"x": 1}), protocol)
    assert isinstance(thing, Standin)
    assert thing.state == {"x": 1}
    assert thing.arguments == ("a",)
    assert thing.path.endswith("Path")


def hostile(canary: Path) -> dict[str, Any]:
    """Objects that write a file when an ordinary unpickler meets them."""
    touch = f"open({str(canary)!r}, 'w').close()"
    shell = f"touch {canary}"
    return {
        "system": Call(os.system, shell),
        "eval": Call(eval, touch),
        "exec": Call(exec, touch),
        "subprocess": Call(subprocess.check_call, ["touch", str(canary)]),
        "open": Call(open, str(canary), "w"),
        "nested in arguments": Call(list, [Call(os.system, shell)]),
        "in a state": Call(Path, "a", state={"x": Call(os.system, shell)}),
        "getattr": Raw(f"cbuiltins\ngetattr\n(cposixpath\nos\nVsystem\ntR(V{shell}\ntR."),
        "an old instance": Raw(f"(V{shell}\nios\nsystem\n."),
        "an old object": Raw(f"(cos\nsystem\nV{shell}\no."),
        "a dotted name": Raw(f"cposixpath\nos.system\n(V{shell}\ntR."),
        "a key": {"k": [Call(map, eval, [touch])]},
    }


NAMES = list(hostile(Path("x")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_hostile_pickle_executes_nothing(name: str, protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    raw = dump(hostile(canary)[name], protocol)
    read_pickle(io.BytesIO(raw), {})
    assert not canary.exists()
    if name not in ("open", "a key", "a dotted name"):  # the attack itself works
        with contextlib.suppress(TypeError, AttributeError):
            pickle.loads(raw)
        assert canary.exists()


def in_zip(raw: bytes, folder: str = "archive", **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", raw)
        for name, content in members.items():
            archive.writestr(f"{folder}/{name.replace('__', '/')}", content)
    return buffer.getvalue()


def in_stream(raw: bytes) -> bytes:
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True}))
    return head + raw + pickle.dumps([], 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrap", [in_zip, in_stream])
def test_a_hostile_checkpoint_executes_nothing(name: str, wrap: Any, tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "checkpoint.pt"
    file.write_bytes(wrap(dump(hostile(canary)[name])))
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(file)
    assert not canary.exists()


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_every_pickle_of_the_old_format_is_read_as_data(place: int, tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "checkpoint.pt"
    parts = [pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True}, {"state_dict": {}}, [])]
    parts[place] = pickle.dumps(hostile(canary)["system"], 2)
    file.write_bytes(b"".join(parts))
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(file)
    assert not canary.exists()


def test_the_source_text_of_a_module_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch compares it with the class's source, and may write a patch file into the working folder."""
    monkeypatch.chdir(tmp_path)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            source = "import os; os.system('touch canary')"
            return ("module", PurePath, "model.py", source) if value is Path else None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({"model": Call(Path, "x", state={"_modules": {}, "_parameters": {}, "_buffers": {}})})
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(in_stream(buffer.getvalue()))
    assert read_checkpoint(file).arrays == {}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


class Tensor:
    """Pickles as PyTorch pickles a tensor."""

    def __init__(self, key: str, count: int, shape: Any, strides: Any, kind: str = "FloatStorage", offset: int = 0):
        self.storage = (key, count, kind)
        self.rest = (offset, shape, strides, False, {})


class TensorPickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes tensors and storages by the names of PyTorch, which need not be installed."""

    class Name:
        def __init__(self, module: str, name: str) -> None:
            self.text = f"c{module}\n{name}\n".encode()

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, self.Name):
            self.write(value.text)
        elif isinstance(value, Tensor):
            key, count, kind = value.storage
            self.save(self.Name("torch._utils", "_rebuild_tensor_v2"))
            self.write(pickle.MARK)
            self.save(("storage", self.Name("torch", kind), key, "cuda:0", count))
            self.write(pickle.BINPERSID)
            for part in value.rest:
                self.save(part)
            self.write(pickle.TUPLE + pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    TensorPickler(buffer, 2).dump(value)
    return buffer.getvalue()


def test_tensors_are_read_by_shape_stride_and_offset(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    numbers = struct.pack("<7f", *range(7))
    tensors = {
        "plain": Tensor("0", 7, (2, 3), (3, 1), offset=1),
        "turned": Tensor("0", 7, (3, 2), (1, 3)),
        "one": Tensor("0", 7, (), (), offset=6),
        "none": Tensor("0", 7, (0, 3), (3, 1)),
    }
    file.write_bytes(in_zip(pickled({"state_dict": tensors}), data__0=numbers))
    arrays = read_checkpoint(file).arrays
    assert arrays["plain"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert arrays["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert arrays["one"].tolist() == 6
    assert arrays["none"].shape == (0, 3)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    bits = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    file.write_bytes(in_zip(pickled({"w": Tensor("0", 2, (2,), (1,), "BFloat16Storage")}), data__0=bits.tobytes()))
    assert read_checkpoint(file).arrays["w"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("0", 2, (3,), (1,)),  # past its block
        Tensor("0", 2, (2,), (1,), offset=1),
        Tensor("0", 400, (400,), (1,)),  # a block longer than the file's
        Tensor("0", 2, (1000, 1000, 1000), (0, 0, 0)),  # one number spread over gigabytes
        Tensor("0", 2, (-1,), (1,)),
        Tensor("0", 2, (2,), (-1,), offset=1),
        Tensor("0", 2, (2,), (1, 1)),
        Tensor("0", 2, ("2",), (1,)),
        Tensor("0", -1, (1,), (1,)),
        Tensor("../0", 2, (2,), (1,)),  # no such block
        Tensor("0", 2, (0, 2**47, 2**47), (1, 1, 1)),  # nothing, but more of it than there can be
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_tensor_that_contradicts_its_block_is_refused(tensor: Tensor, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(in_zip(pickled({"w": tensor}), data__0=struct.pack("<2f", 1, 2)))
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(file)


def test_many_names_for_one_block_do_not_fill_the_memory(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    tensors = {f"w{k}": Tensor("0", 5000, (5000,), (1,)) for k in range(100)}
    file.write_bytes(in_zip(pickled(tensors), data__0=bytes(20_000)))
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(file)


def test_other_files_are_refused_by_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    with pytest.raises(WeightsMissing):
        read_checkpoint(file)
    file.write_bytes(in_zip(pickled({}), constants__pkl=b""))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", pickled({}))
        archive.writestr("a/constants.pkl", b"")
        archive.writestr("a/code/__torch__.py", b"")
    file.write_bytes(buffer.getvalue())
    with pytest.raises(ImportRefused, match="TorchScript"):
        read_checkpoint(file)
    file.write_bytes(bytes(257) + b"ustar" + bytes(300))
    with pytest.raises(ImportRefused, match=r"before 0\.1\.10"):
        read_checkpoint(file)
    for raw in (b"", b"GIF89a", b"PK\x03\x04", pickle.dumps({"w": 1}, 2), in_zip(b"")):
        file.write_bytes(raw)
        with pytest.raises(WeightsCorrupt):
            read_checkpoint(file)
    whole = in_zip(pickled({"w": Tensor("0", 2, (2,), (1,))}), data__0=bytes(8), byteorder=b"big")
    file.write_bytes(whole)
    with pytest.raises(ImportRefused, match="byte order"):
        read_checkpoint(file)


def test_a_compressed_member_is_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(10_000_000))
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(file)


DAMAGED = {
    "empty": b"",
    "no end": b"\x80\x02",
    "nothing at the end": b"\x80\x02.",
    "huge length": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "unknown instruction": b"\x80\x02\xff.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "memo": b"\x80\x02h\x05.",
    "marks": b"\x80\x02(((t.",
    "huge memo": b"\x80\x02Nr\xff\xff\xff\xff" + b"j\x01\x00\x00\x00.",
    "append to a number": b"\x80\x02K\x01K\x02a.",
    "item of a number": b"\x80\x02K\x01K\x02K\x03s.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_pickle_is_refused(name: str) -> None:
    with pytest.raises(WeightsCorrupt):
        read_pickle(io.BytesIO(DAMAGED[name]), {})


def test_nesting_without_end_overflows_no_stack() -> None:
    depth = 50_000
    assert read_pickle(io.BytesIO(b"\x80\x02)" + b"\x85" * depth + b"."), {}) is not None
    as_key = b"\x80\x02}" + b")" + b"\x85" * depth + b"K\x01s."
    assert len(read_pickle(io.BytesIO(as_key), {})) == 1
    calls = b"\x80\x02" + b"cos\nsystem\n" + b")R)R" * 20_000 + b"."
    assert isinstance(read_pickle(io.BytesIO(calls), {}), Standin)


def test_names_lead_nowhere() -> None:
    raw = b"\x80\x04\x8c\x08builtins\x8c\x0deval.__self__\x93."
    assert read_pickle(io.BytesIO(raw), {}) == Named("builtins", "eval.__self__")


def test_a_module_that_holds_itself_is_refused(tmp_path: Path) -> None:
    module = Call(Path, "x")
    loop: dict[str, Any] = {"_parameters": {}, "_buffers": {}}
    module.made = (Path, ("x",), loop)
    loop["_modules"] = {"again": module}
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(in_zip(pickle.dumps({"model": module}, 2)))
    with pytest.raises(WeightsCorrupt, match="more parts"):
        read_checkpoint(file)


def module(state: dict[str, Any], kind: str = "Path") -> bytes:
    """A checkpoint of a whole module of a class."""
    return in_zip(pickle.dumps({"model": Call(Path, "x", state=state)}, 2).replace(b"\nPath\n", f"\n{kind}\n".encode()))


COPIES = 20_000
ONE = b"\x80\x02](" + b"N" * COPIES + b"eq\x01"  # a long list, which later instructions name with two bytes
BOMBS = {
    "arguments": ONE + b"0cx\ny\nq\x020](" + b"h\x02h\x01R" * COPIES + b"e.",
    "an argument": ONE + b"0ccollections\nOrderedDict\nq\x020](" + b"h\x02h\x01\x85R" * COPIES + b"e.",
    "a state": b"\x80\x02}("
    + b"".join(b"U\x05%05dN" % k for k in range(COPIES))
    + b"uq\x010cx\ny\nq\x020]("
    + b"h\x02)Rh\x01b" * COPIES
    + b"e.",
    "instructions": b"\x80\x02](" + b"}" * 3_000_000 + b"e.",
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.timeout(60)
def test_a_small_pickle_does_not_fill_the_memory(name: str) -> None:
    with pytest.raises(WeightsCorrupt, match="longer than any"):
        read_pickle(io.BytesIO(BOMBS[name]), {"collections.OrderedDict": lambda arguments: list(arguments[0])})


@pytest.mark.timeout(60)
def test_many_marks_on_a_long_stack_end_soon() -> None:
    with pytest.raises(WeightsCorrupt, match="damaged"):
        read_pickle(io.BytesIO(b"\x80\x02" + b"N" * 300_000 + b"(1" * 300_000 + b"."), {})


def test_names_without_end_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    inner = Call(Path, "x")
    inner.made = (Path, ("x",), {"_modules": {"k" * 100_000: inner, "j": inner}})
    file.write_bytes(in_zip(pickle.dumps({"model": inner}, 2)))
    with pytest.raises(WeightsCorrupt, match="longer than any of a network"):
        read_checkpoint(file)
    file.write_bytes(in_zip(pickled({"w" * 1000: Tensor("0", 1, (1,), (1,))}), data__0=bytes(4)))
    with pytest.raises(WeightsCorrupt, match="longer than any of a network"):
        read_checkpoint(file)


def test_blocks_over_each_other_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Members of an archive that all are the same bytes of the file, as zip bombs without compression are made."""
    from cxrkit.conversion import torch_checkpoint

    file = tmp_path / "checkpoint.pt"
    tensors = {f"w{k}": Tensor(str(k), 1, (1,), (1,)) for k in range(50)}
    file.write_bytes(in_zip(pickled(tensors), data__0=bytes(100_000)))
    root, _ = torch_checkpoint.read_zip(file.read_bytes())
    read: list[str] = []

    def blocks(storage: Any) -> bytes:
        read.append(storage.key)
        return bytes(100_000)

    with pytest.raises(WeightsCorrupt):
        torch_checkpoint._Collector(blocks, 200_000).collect(root)
    assert len(read) == 3


@pytest.mark.parametrize("eps", [10**400, 1e-3, None, float("nan")])
def test_a_normalisation_of_another_or_no_epsilon_is_refused(eps: Any, tmp_path: Path) -> None:
    from cxrkit.conversion.torch_layout import read_densenet

    file = tmp_path / "checkpoint.pt"
    file.write_bytes(module({"_modules": {}, "eps": eps}, "BatchNorm2d"))
    with pytest.raises(ImportRefused, match="normalises with"):
        read_densenet(read_checkpoint(file))
    file.write_bytes(module({"_modules": {}, "eps": 1e-5}, "BatchNorm2d"))
    with pytest.raises(WeightsMismatch, match="lacks"):
        read_densenet(read_checkpoint(file))


def test_a_name_of_a_file_does_not_steer_the_terminal(tmp_path: Path) -> None:
    from cxrkit.conversion.torch_layout import read_densenet

    file = tmp_path / "checkpoint.pt"
    file.write_bytes(module({"_modules": {}}, "\x1b[2JEvil"))
    with pytest.raises(ImportRefused) as refused:
        read_densenet(read_checkpoint(file))
    assert "?[2JEvil" in refused.value.message
    assert str(refused.value).isprintable()
