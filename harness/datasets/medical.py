"""DICOM and NIfTI files as grey pixels, by one stated rule.

* Values are the modality's: ``RescaleSlope`` and ``RescaleIntercept`` of DICOM and the scale
  factors of NIfTI are applied, so a CT is in Hounsfield units.
* The entry says which of them become 0 to 255, by a window or by percentiles. There is no default:
  what a file suggests differs between scanners. Percentiles are those of the whole file.
* A window is linear as in DICOM's LINEAR_EXACT (PS3.3, C.11.2.1.3.2):
  ``round(255 * ((value - center) / width + 1/2))``, cut at 0 and 255.
* DICOM: one grey frame a file; MONOCHROME1, where low values are bright, is inverted.
* NIfTI: one volume a file, cut into slices as the entry says. The axes axial, coronal and sagittal
  are those of the body, shown as radiologists see them: the patient's right on the left, the front
  or the head on top. The axes 0, 1 and 2 are those of the stored array, shown as stored.
* Nothing of a file is read but its pixels and what they mean: no name, date or patient number.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.image_options import ImageOptions, Slices
from harness.datasets.quiet import quiet
from harness.errors import BenchError, said_by

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image
    from pydicom import Dataset

Values = NDArray[np.float32]
Map = Callable[[Values], NDArray[np.uint8]]

DICOM_ENDINGS = (".dcm",)
NIFTI_ENDINGS = (".nii", ".nii.gz")
MAX_VALUES = 2**30  # of one file: a header may promise what no memory holds

_BODY_AXES = {  # what slices, rows and columns run along: 0 right, 1 anterior, 2 superior
    "axial": (2, 1, 0),
    "coronal": (1, 2, 0),
    "sagittal": (0, 2, 1),
}
_ENHANCED = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_TAGS = [  # all that is read of a DICOM file
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "HighBit",
    "ModalityLUTSequence",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelData",
    "PixelRepresentation",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    *_ENHANCED,
]
_FRAMES = "holds several frames; save each frame as a file of its own"
_MAPPING = "'image: {window: {center: C, width: W}}' or 'image: {percentiles: [0.5, 99.5]}'"


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM by its ending."""
    return path.name.lower().endswith(DICOM_ENDINGS)


def is_nifti(path: Path) -> bool:
    """Return whether a file is NIfTI by its ending."""
    return path.name.lower().endswith(NIFTI_ENDINGS)


def nifti_ids(path: Path, options: ImageOptions) -> tuple[str, ...]:
    """Return the names of the images in a NIfTI file, from its header alone.

    They are ``<file>#<slice>``, for example ``liver.nii.gz#012``; slices count from 0.

    Raises:
        BenchError: The file is damaged or outside the rule, or the entry names no slices.
    """
    slices = _slices(path, options)
    with _reading(path, "NIfTI"):
        image = _nifti(path)
        depth = image.shape[_axes(image, slices)[0]]
    return tuple(f"{path.name}#{position:03d}" for position in slices.positions(depth))


def read_nifti(path: Path, options: ImageOptions) -> NDArray[np.uint8]:
    """Read the slices of a NIfTI file that the entry asks for.

    Returns:
        (N, H, W) uint8, in the order of :func:`nifti_ids`.

    Raises:
        BenchError: The file is damaged or outside the rule, or the entry states no mapping.
    """
    slices = _slices(path, options)
    mapping = _mapping(path, options)
    with _reading(path, "NIfTI"):
        image = _nifti(path)
        *axes, turned = _axes(image, slices)
        values = _finite(np.asanyarray(image.dataobj).reshape(image.shape[:3]))
        volume = np.flip(values.transpose(axes), turned)
        to_grey = mapping(volume)
        return np.stack([to_grey(volume[at]) for at in slices.positions(len(volume))])


def read_dicom(path: Path, options: ImageOptions) -> NDArray[np.uint8]:
    """Read a DICOM file.

    Returns:
        (1, H, W) uint8.

    Raises:
        BenchError: The file is damaged or outside the rule, or the entry states no mapping.
    """
    mapping = _mapping(path, options)
    with _reading(path, "DICOM"):
        header = _dicom(path)
        slope, intercept = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)
        stored = _decoded(header).astype(np.float64)
        values = _finite(stored * float(slope) + float(intercept))
        grey = mapping(values)(values)
        inverted = header.PhotometricInterpretation == "MONOCHROME1"
        return (255 - grey if inverted else grey)[np.newaxis]


class _OutsideRuleError(Exception):
    """The file is sound, but the rule does not cover it; says why and the remedy."""


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one line that names it."""
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = 'pip install "fingerprint-bench[medical]"'
        raise BenchError(
            f"{path}: {what} needs {error.name}, which is missing; {remedy}"
        ) from error
    except _OutsideRuleError as error:
        raise BenchError(f"{path}: {error}") from error
    except Exception as error:  # what the libraries raise for a damaged file depends on the damage
        reason = said_by(error)
        raise BenchError(
            f"{path}: cannot be decoded as {what} ({reason}); replace or remove it"
        ) from error


def _mapping(path: Path, options: ImageOptions) -> Callable[[Values], Map]:
    """Return what makes, of all values of a file, the function from values to 8-bit grey."""
    window, percentiles = options.window, options.percentiles
    if window is not None:
        return lambda _: lambda values: _windowed(values, window.center, window.width)
    if percentiles is None:
        what = "its values have no range of their own that is black to white"
        raise BenchError(f"{path}: {what}; give the entry {_MAPPING}")

    def of_file(values: Values) -> Map:
        low, high = map(float, np.percentile(values, percentiles))
        if low == high:
            raise _OutsideRuleError(f"both percentiles are {low:g}; give the entry a window")
        return lambda part: _windowed(part, (low + high) / 2, high - low)

    return of_file


def _windowed(values: Values, center: float, width: float) -> NDArray[np.uint8]:
    grey = 255 * ((values.astype(np.float64) - center) / width + 0.5)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _finite(values: NDArray[Any]) -> Values:
    if values.dtype.fields is not None or np.iscomplexobj(values):
        raise _OutsideRuleError("holds colours or complex numbers; save it as grey")
    single: Values = values.astype(np.float32)
    if not np.isfinite(single).all():
        raise _OutsideRuleError("holds values that are no numbers; fill them in and save it again")
    return single


def _slices(path: Path, options: ImageOptions) -> Slices:
    if options.slices is None:
        remedy = "'image: {slices: {axis: axial, rule: middle}}' or 'rule: every'"
        raise BenchError(f"{path}: is a volume; say which slices are images: {remedy}")
    return options.slices


def _nifti(path: Path) -> "Nifti1Image":
    """Open a NIfTI file that the rule covers; its values are not read yet."""
    import nibabel

    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    with quiet():
        image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise _OutsideRuleError("is no NIfTI file; replace or remove it")
    shape = image.shape
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        sides = " x ".join(map(str, shape))
        raise _OutsideRuleError(f"is {sides}, not one volume; save each volume as a file")
    if not 0 < math.prod(shape) <= MAX_VALUES:
        raise _OutsideRuleError(f"holds no or more than {MAX_VALUES} values; save a part of it")
    return image


def _axes(image: "Nifti1Image", slices: Slices) -> tuple[int, int, int, tuple[int, ...]]:
    """Return which stored axes count slices, rows and columns, and which of these to reverse."""
    import nibabel

    if isinstance(slices.axis, int):
        rows, columns = sorted({0, 1, 2} - {slices.axis})
        return slices.axis, rows, columns, ()
    header = image.header
    known = header["sform_code"] != 0 or header["qform_code"] != 0
    lies = nibabel.io_orientation(image.affine)  # per stored axis: which of R, A, S, and the sign
    if not known or np.isnan(lies).any():
        raise _OutsideRuleError("does not say how it lies in the body; name the axis 0, 1 or 2")
    stored = [int(np.flatnonzero(lies[:, 0] == axis)[0]) for axis in _BODY_AXES[slices.axis]]
    # Slices go from feet to head, back to front, left to right; rows and columns the other way.
    upwards = [lies[axis, 1] > 0 for axis in stored]
    turned = tuple(n for n, up in enumerate(upwards) if up != (n == 0))
    return stored[0], stored[1], stored[2], turned


def _dicom(path: Path) -> "Dataset":
    """Read a DICOM file whose values the rule covers."""
    import pydicom

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with quiet():
        header = pydicom.dcmread(path, specific_tags=[*_TAGS])
    if "PixelData" not in header:
        raise _OutsideRuleError("holds no pixels, or was cut off; replace or remove it")
    if header.get("SamplesPerPixel", 1) != 1:
        raise _OutsideRuleError("is in colour; save it as grey")
    kind = header.get("PhotometricInterpretation")
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise _OutsideRuleError(f"is of the kind {kind!a}, not MONOCHROME1 or 2; save it as grey")
    if int(header.get("NumberOfFrames", 1)) > 1 or any(key in header for key in _ENHANCED):
        raise _OutsideRuleError(_FRAMES)
    if "ModalityLUTSequence" in header:
        raise _OutsideRuleError("maps its values by a table; save it with a slope and intercept")
    if header.get("Rows", 0) * header.get("Columns", 0) > MAX_VALUES:
        raise _OutsideRuleError(f"holds more than {MAX_VALUES} values; save a part of it")
    return header


def _decoded(header: "Dataset") -> NDArray[Any]:
    syntax = header.file_meta.TransferSyntaxUID
    try:
        with quiet():
            pixels = header.pixel_array
    except (NotImplementedError, RuntimeError) as error:
        if not syntax.is_compressed:
            raise
        remedy = "decompress it, for example by 'gdcmconv --raw', or install a decoder for pydicom"
        raise _OutsideRuleError(
            f"is compressed as {syntax.name}, unknown here; {remedy}"
        ) from error
    if pixels.ndim != 2:  # more data than the header speaks of are more frames to pydicom
        raise _OutsideRuleError(_FRAMES)
    return pixels
