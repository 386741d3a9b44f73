"""The public sets of radiographs that can be fetched, each from its publisher's own address.

Where the addresses and checksums come from:

- **MedMNIST**: addresses and MD5 of ``medmnist/info.py`` in release 3.0.2 of the project's own
  package; the MD5 of the 28 px files are the same in its releases 2.x and 3.x.
- **Kermany**: the file address of version 2 of the Mendeley Data record, the version that holds
  ``ChestXRay2017.zip``. Mendeley Data prints no checksum in its record; the sha256 and the size are
  those that three unrelated projects measured on the file at this address.
- **ChestX-ray14 images**: addresses of NIH's own ``batch_download_zips.py``; MD5 of NIH's own
  ``FAQ_CHESTXRAY.pdf``, question 7. The sizes are those of NIH's file listing.
- **ChestX-ray14 tables**: download addresses of the files in NIH's Box folder, by their numbers
  there. NIH prints no checksum; each sha256 was published by at least two unrelated projects, one of
  them (with the sizes) measured on these addresses. Copies elsewhere differ: one widespread
  ``Data_Entry_2017_v2020.csv`` has another header line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from cxrkit.errors import DownloadError


@dataclass(frozen=True)
class Checksum:
    """What a file must hash to.

    Attributes
    ----------
    algorithm
        Name of the hash function; ``"git-blob"`` is the number that git gives a file: the SHA-1 of
        ``blob``, its length in bytes, a zero byte, and its bytes.
    digest
        In lower-case hexadecimal.
    source
        Who says so.
    """

    algorithm: Literal["md5", "sha256", "git-blob"]
    digest: str
    source: str

    def __post_init__(self) -> None:
        digits = {"md5": 32, "git-blob": 40, "sha256": 64}[self.algorithm]
        if len(self.digest) != digits or set(self.digest) - set("0123456789abcdef"):
            raise ValueError(f"not a {self.algorithm} in lower-case hexadecimal: {self.digest}")


@dataclass(frozen=True)
class PublicFile:
    """One file of a public set.

    Attributes
    ----------
    name
        Under which it is stored, and which its publisher gives it.
    address
        Where its publisher offers it.
    size
        In bytes, or None where it is not known.
    checksum
        Of its bytes, or None where nobody trustworthy has published one.
    unverified_because
        Why there is no checksum; empty where there is one.
    most
        Bytes beyond which it cannot be the file, where its size is not known; None for no such bound.
    """

    name: str
    address: str
    size: int | None
    checksum: Checksum | None
    unverified_because: str = ""
    most: int | None = None

    def __post_init__(self) -> None:
        if (self.checksum is None) != bool(self.unverified_because):
            raise ValueError(f"{self.name} needs either a checksum or the reason why there is none")

    @property
    def is_archive(self) -> bool:
        """Whether it is to be unpacked."""
        return self.name.endswith((".zip", ".tar.gz"))


@dataclass(frozen=True)
class PublicSet:
    """A public set of radiographs, the part of one that is fetched together, or public weights.

    Attributes
    ----------
    name
        By which it is asked for.
    title
        What it is, in one line.
    files
        In the order in which they are fetched.
    licence
        Under which its publisher offers it.
    citation
        What its publisher asks users to cite.
    home
        Page of its publisher.
    by_hand
        What to do there, by a person with a browser, and where the files go.
    """

    name: str
    title: str
    files: tuple[PublicFile, ...]
    licence: str
    citation: str
    home: str
    by_hand: str


def _md5(digest: str, source: str) -> Checksum:
    return Checksum("md5", digest, source)


_INFO = "medmnist/info.py of the MedMNIST package 3.0.2"
_INTO = "put the file, under the name that it has there and not unpacked, into the folder that was named"
_MEDMNIST: dict[str, tuple[str, dict[int, tuple[str, int | None]], str]] = {
    "pneumoniamnist": (
        "PneumoniaMNIST: 5,856 children, pneumonia or normal (from Kermany)",
        {
            28: ("28209eda62fecd6e6a2d98b1501bb15f", 4_170_669),
            64: ("8f4eceb4ccffa70c672198ea285246c6", 20_606_998),
            128: ("05b46931834c231683c68f40c47b2971", 75_506_212),
            224: ("d6a3c71de1b945ea11211b03746c1fe1", 214_384_716),
        },
        "Kermany DS et al. Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep Learning. "
        "Cell 2018;172(5):1122-1131.",
    ),
    "chestmnist": (
        "ChestMNIST: 112,120 frontal radiographs, 14 findings (from NIH ChestX-ray14)",
        {
            28: ("02c8a6516a18b556561a56cbdd36c4a8", None),
            64: ("9de6cd0b934ebb5b7426cfba5efbae16", 401_604_127),
            128: ("db107e5590b27930b62dbaf558aebee3", None),
            224: ("45bd33e6f06c3e8cdb481c74a89152aa", 3_889_293_042),
        },
        "Wang X et al. ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks on Weakly-Supervised "
        "Classification and Localization of Common Thorax Diseases. IEEE CVPR 2017, pp. 3462-3471.",
    ),
}


def _medmnist(flag: str, size: int) -> PublicSet:
    """One MedMNIST set at one edge length in pixels."""
    title, files, source = _MEDMNIST[flag]
    digest, length = files[size]
    name = f"{flag}.npz" if size == 28 else f"{flag}_{size}.npz"
    return PublicSet(
        name=f"{flag}-{size}",
        title=f"{title}, {size} x {size} px",
        files=(
            PublicFile(
                name, f"https://zenodo.org/records/10519652/files/{name}?download=1", length, _md5(digest, _INFO)
            ),
        ),
        licence="CC BY 4.0",
        citation="Yang J et al. MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image "
        f"classification. Scientific Data 2023;10:41. Source of the images: {source}",
        home="https://zenodo.org/records/10519652",
        by_hand=f"On the page, press Download beside {name} and {_INTO}.",
    )


_KERMANY = PublicSet(
    name="kermany",
    title="Kermany: 5,856 radiographs of children, pneumonia or normal (train and test folders)",
    files=(
        PublicFile(
            "ChestXRay2017.zip",
            "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
            "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
            1_235_512_464,
            Checksum(
                "sha256",
                "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36",
                "three unrelated projects that fetched this address; Mendeley Data prints none",
            ),
        ),
    ),
    licence="CC BY 4.0",
    citation="Kermany D, Zhang K, Goldbaum M. Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for "
    "Classification. Mendeley Data 2018, V2. doi:10.17632/rscbjbr9sj.2",
    home="https://data.mendeley.com/datasets/rscbjbr9sj/2",
    by_hand=f"On the page, press Download beside ChestXRay2017.zip (not OCT2017.tar.gz) and {_INTO}.",
)

_BOX = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
_SEVERAL = "two or more unrelated projects; NIH prints none"


def _nih_table(name: str, box_number: int, size: int, sha256: str) -> PublicFile:
    address = (
        "https://nihcc.app.box.com/index.php?rm=box_download_shared_file"
        f"&vanity_name=ChestXray-NIHCC&file_id=f_{box_number}"
    )
    return PublicFile(name, address, size, Checksum("sha256", sha256, _SEVERAL))


_NIH_TABLES = (
    _nih_table(
        "Data_Entry_2017_v2020.csv",
        219760887468,
        9_003_496,
        "c69a6daca3549af707ca9cacbdf9f9a7b6a9188e8c61157df653520bb72d8eb1",
    ),
    _nih_table(
        "train_val_list.txt",
        256056636701,
        1_470_907,
        "61fbe896321c1c1c8b75f3e4f3a08e4fef6486d95ef8a667c31d4d60dca6cb81",
    ),
    _nih_table(
        "test_list.txt",
        256055473534,
        435_131,
        "38ca5ef7f756092946f57c1a59faca882ed589a1ab1f72590b45dc06c6d5e1cc",
    ),
    _nih_table(
        "BBox_List_2017.csv",
        219760940956,
        92_416,
        "0bbfea9d4c4e9771481b3023b1bc9f0df9dea924453b12986beb29b0c4d0c95b",
    ),
)

_NIH_ARCHIVES = (
    ("vfk49d74nhbxq3nqjg0900w5nvkorp5c", 2_008_470_987, "fe8ed0a6961412fddcbb3603c11b3698"),
    ("i28rlmbvmfjbl8p2n3ril0pptcmcu9d1", 3_952_623_504, "ab07a2d7cbe6f65ddd97b4ed7bde10bf"),
    ("f1t00wrtdk94satdfb9olcolqx20z2jp", 3_929_234_850, "2301d03bde4c246388bad3876965d574"),
    ("0aowwzs5lhjrceb3qp67ahp0rd1l1etg", 3_838_903_983, "9f1b7f5aae01b13f4bc8e2c44a4b8ef6"),
    ("v5e3goj22zr6h8tzualxfsqlqaygfbsn", 3_935_496_531, "1861f3cd0ef7734df8104f2b0309023b"),
    ("asi7ikud9jwnkrnkj99jnpfkjdes7l6l", 3_986_301_172, "456b53a8b351afd92a35bc41444c58c8"),
    ("jn1b4mw4n6lnh74ovmcjb8y48h8xj07n", 4_016_328_426, "1075121ea20a137b87f290d6a4a5965e"),
    ("tvpxmn7qyrgl0w8wfh9kqfjskv6nmm1j", 4_018_347_353, "b61f34cec3aa69f295fbb593cbd9d443"),
    ("upyy3ml7qdumlgk2rfcvlb9k6gvqq2pj", 4_111_327_929, "442a3caa61ae9b64e61c561294d1e183"),
    ("l6nilvfa9cg3s28tqv1qc1olm3gnz54p", 4_181_556_296, "09ec81c4c31e32858ad8cf965c494b74"),
    ("hhq8fkdgvcari67vfhs7ppg2w6ni4jze", 4_187_084_020, "499aefc67207a5a97692424cf5dbeed5"),
    ("ioqwiy20ihqwyr8pf4c24eazhh281pbu", 2_914_187_733, "dc9fda1757c2de0032b63347a7d2895c"),
)
_NIH_IMAGES = tuple(
    PublicFile(
        f"images_{number:03d}.tar.gz",
        f"https://nihcc.box.com/shared/static/{key}.gz",
        size,
        _md5(digest, "NIH's FAQ_CHESTXRAY.pdf, question 7"),
    )
    for number, (key, size, digest) in enumerate(_NIH_ARCHIVES, start=1)
)


def _nih(name: str, title: str, files: tuple[PublicFile, ...], where: str) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        files=files,
        licence="NIH Clinical Center: use unrestricted, with a link to the download site, an acknowledgement of the "
        "NIH Clinical Center and the citation",
        citation=_MEDMNIST["chestmnist"][2],
        home=_BOX,
        by_hand=f"On the page, download {where}; put the files, under the names that they have there and not "
        "unpacked, into the folder that was named.",
    )


_ALL = (
    *(_medmnist(flag, size) for flag in _MEDMNIST for size in (28, 64, 128, 224)),
    _KERMANY,
    _nih(
        "chestxray14-tables",
        "NIH ChestX-ray14: labels, official split and boxes, without images",
        _NIH_TABLES,
        "the two tables and the two lists",
    ),
    _nih(
        "chestxray14",
        "NIH ChestX-ray14: 112,120 frontal radiographs at 1024 x 1024 px, labels, official split and boxes",
        _NIH_TABLES + _NIH_IMAGES,
        "the two tables and the two lists, and images_001.tar.gz to images_012.tar.gz from the folder images",
    ),
)
PUBLIC_SETS: Mapping[str, PublicSet] = MappingProxyType({public.name: public for public in _ALL})


def find_set(name: str) -> PublicSet:
    """The public set of that name.

    Raises
    ------
    DownloadError
        There is none; the remedy names all.
    """
    if name not in PUBLIC_SETS:
        raise DownloadError("No public set has this name.", f"Choose one of {', '.join(PUBLIC_SETS)}.")
    return PUBLIC_SETS[name]
