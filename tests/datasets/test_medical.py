"""DICOM and NIfTI: the entry says what is black and what is white, or the file is refused."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from harness.datasets.dataset import Dataset, open_dataset
from harness.datasets.entry import Entry
from harness.datasets.image_options import ImageOptions, Slices, Window
from harness.datasets.images import read_images

Refused = Callable[..., str]
EntryOf = Callable[[str], Entry]

LUNG = ImageOptions(window=Window(center=-600, width=1500))
STORED = np.array([[-2000, -1350, -600], [150, 400, 3000]], np.int16)  # Hounsfield units
GREY = [[0, 0, 128], [255, 255, 255]]  # of STORED in the window LUNG


def dicom(path: Path, values: NDArray[Any] = STORED, **tags: Any) -> Path:
    """Write a small CT slice of a patient whom nobody may find again."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[path.name])
    image = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    image.PatientID, image.PatientName = "MRN-4711", "Doe^Jane"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = values.shape[-2:]
    image.BitsAllocated = image.BitsStored = values.dtype.itemsize * 8
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(values.dtype.kind == "i")
    image.PixelData = values.tobytes()
    for tag, value in tags.items():
        setattr(image, tag, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def nifti(path: Path, values: NDArray[Any], affine: NDArray[Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return path


def plain(axis: Any = 2, rule: Any = "every", step: int | None = None) -> ImageOptions:
    """Take values from 0 to 255 as they are."""
    slices = Slices(axis=axis, rule=rule, step=step)
    return ImageOptions(window=Window(center=127.5, width=255), slices=slices)


def grey(path: Path, options: ImageOptions) -> NDArray[np.uint8]:
    return read_images([path], options).pixels


def test_signed_16_bit_dicom_is_windowed(tmp_path: Path) -> None:
    images = read_images([dicom(tmp_path / "a.dcm")], LUNG)
    assert images.ids == ("a.dcm",)
    assert images.pixels.dtype == np.uint8
    np.testing.assert_array_equal(images.pixels, [GREY])


def test_slope_and_intercept_come_before_the_window(tmp_path: Path) -> None:
    stored = ((STORED.astype(int) + 2000) // 2).astype(np.uint16)
    path = dicom(tmp_path / "a.dcm", stored, RescaleSlope=2, RescaleIntercept=-2000)
    np.testing.assert_array_equal(grey(path, LUNG), [GREY])


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(grey(path, LUNG), [255 - np.array(GREY)])


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.integers(-32768, 32767), min_size=1, max_size=9),
    center=st.integers(-1000, 1000),
    width=st.integers(1, 4000),
)
def test_a_window_keeps_the_order_and_reaches_both_ends(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], center: int, width: int
) -> None:
    ends = [center - width // 2 - 1, center + width // 2 + 1]
    stored = np.array([sorted([*values, *ends])], np.int16)
    path = dicom(tmp_path_factory.getbasetemp() / "ordered.dcm", stored)
    found = grey(path, ImageOptions(window=Window(center=center, width=width)))[0, 0]
    assert (np.diff(found.astype(int)) >= 0).all()
    assert (found[0], found[-1]) == (0, 255)


def test_percentiles_are_those_of_the_whole_file(tmp_path: Path) -> None:
    ramp = np.arange(101, dtype=np.int16)[np.newaxis]
    found = grey(dicom(tmp_path / "a.dcm", ramp), ImageOptions(percentiles=(10, 90)))
    np.testing.assert_array_equal(found[0, 0, [0, 10, 50, 90, 100]], [0, 0, 128, 255, 255])
    volume = np.stack([ramp, ramp * 0], axis=-1)
    options = ImageOptions(percentiles=(0, 100), slices=Slices(axis=2, rule="every"))
    found = grey(nifti(tmp_path / "a.nii", volume), options)
    assert (found[0].max(), found[1].max()) == (255, 0)


def test_percentiles_that_coincide_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = dicom(tmp_path / "a.dcm", np.zeros((2, 3), np.int16))
    refused(lambda: grey(path, ImageOptions(percentiles=(1, 99))), path, "window")


@pytest.mark.parametrize("ending", ["dcm", "nii.gz"])
def test_without_a_mapping_a_medical_file_is_refused(
    tmp_path: Path, refused: Refused, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "dcm":
        dicom(path)
    else:
        nifti(path, STORED[..., np.newaxis])
    options = ImageOptions(slices=Slices(axis=2, rule="middle"))
    refused(lambda: grey(path, options), path, "image: {window: {center", "percentiles")


def test_rle_compression_is_read_and_one_without_decoder_is_refused(
    tmp_path: Path, refused: Refused
) -> None:
    path = dicom(tmp_path / "a.dcm")
    packed = pydicom.dcmread(path)
    packed.compress(RLELossless)
    packed.save_as(path)
    np.testing.assert_array_equal(grey(path, LUNG), [GREY])
    packed.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    packed.save_as(path)
    refused(lambda: grey(path, LUNG), path, "compressed as JPEG Lossless", "gdcmconv")


def test_slices_are_named_by_file_and_position(tmp_path: Path) -> None:
    volume = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5)
    path = nifti(tmp_path / "a.nii.gz", volume)
    images = read_images([path], plain(step=2))
    assert images.ids == ("a.nii.gz#000", "a.nii.gz#002", "a.nii.gz#004")
    assert images.files == (0, 0, 0)
    np.testing.assert_array_equal(images.pixels, np.moveaxis(volume[..., ::2], 2, 0))
    middle = read_images([path], plain(axis=0, rule="middle"))
    assert middle.ids == ("a.nii.gz#001",)
    np.testing.assert_array_equal(middle.pixels[0], volume[1])


def test_the_scale_factors_of_nifti_are_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(STORED[..., np.newaxis], np.eye(4))
    image.header.set_slope_inter(2, 100)
    nibabel.save(image, tmp_path / "a.nii")
    assert nibabel.load(tmp_path / "a.nii").dataobj.slope == 2
    options = ImageOptions(
        window=Window(center=-1100, width=3000), slices=Slices(axis=2, rule="every")
    )
    np.testing.assert_array_equal(grey(tmp_path / "a.nii", options), [GREY])


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SAR", "PIL"])
def test_body_axes_look_alike_however_the_array_is_stored(tmp_path: Path, codes: str) -> None:
    body = np.zeros((4, 5, 6), np.int16)  # right, anterior, superior
    body[3, 4, 5] = 50  # the corner that is right, in front and on top
    body[3, 0, 0] = 90  # right, at the back and below
    canonical = nibabel.Nifti1Image(body, np.eye(4))
    wanted = nibabel.orientations.axcodes2ornt(codes)
    turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(np.eye(4)), wanted)
    path = tmp_path / "a.nii.gz"
    nibabel.save(canonical.as_reoriented(turn), path)
    assert "".join(nibabel.aff2axcodes(nibabel.load(path).affine)) == codes
    axial = grey(path, plain("axial"))
    assert axial.shape == (6, 5, 4)
    assert (axial[5, 0, 0], axial[0, -1, 0]) == (50, 90)
    coronal = grey(path, plain("coronal"))
    assert coronal.shape == (5, 6, 4)
    assert (coronal[4, 0, 0], coronal[0, -1, 0]) == (50, 90)
    sagittal = grey(path, plain("sagittal"))
    assert sagittal.shape == (4, 6, 5)
    assert (sagittal[3, 0, 0], sagittal[3, -1, -1]) == (50, 90)


def test_a_volume_that_does_not_say_how_it_lies_has_stored_axes_only(
    tmp_path: Path, refused: Refused
) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), None)
    path = tmp_path / "a.nii"
    nibabel.save(image, path)
    refused(lambda: grey(path, plain("axial")), path, "axis 0, 1 or 2")
    assert grey(path, plain(1)).shape == (3, 2, 4)


def test_a_nifti_file_outside_the_rule_is_refused(tmp_path: Path, refused: Refused) -> None:
    two = nifti(tmp_path / "two.nii", np.zeros((2, 3, 4, 2), np.int16))
    refused(lambda: grey(two, plain()), two, "2 x 3 x 4 x 2")
    flat = nifti(tmp_path / "flat.nii", np.zeros((2, 3), np.int16))
    refused(lambda: grey(flat, plain()), flat, "2 x 3")
    gaps = nifti(tmp_path / "gaps.nii", np.full((2, 3, 4), np.nan, np.float32))
    refused(lambda: grey(gaps, plain()), gaps, "no numbers")
    colour = np.zeros((2, 3, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    coloured = nifti(tmp_path / "colour.nii", colour)
    refused(lambda: grey(coloured, plain()), coloured, "colours")
    whole = nifti(tmp_path / "whole.nii", np.zeros((2, 3, 4), np.int16))
    refused(lambda: grey(whole, LUNG), whole, "image: {slices: {axis")


def test_a_header_that_promises_too_much_is_refused_unread(
    tmp_path: Path, refused: Refused
) -> None:
    path = nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16))
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000] * 3, "<i2").tobytes()  # dim[1..3]
    path.write_bytes(raw)
    refused(lambda: grey(path, plain()), path, "more than")


@pytest.mark.parametrize(("ending", "module"), [("dcm", "pydicom"), ("nii", "nibabel")])
def test_without_the_extra_the_remedy_is_its_installation(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, ending: str, module: str
) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return imported(name, *rest, **more)

    path = tmp_path / f"a.{ending}"
    path.touch()
    monkeypatch.setattr(builtins, "__import__", without)
    options = plain()
    refused(lambda: grey(path, options), path, module, 'pip install "fingerprint-bench[medical]"')


def test_size_resizes_medical_images_too(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", np.full((9, 5, 2), 77, np.int16))
    options = plain().model_copy(update={"size": 4})
    np.testing.assert_array_equal(grey(path, options), np.full((2, 4, 4), 77))


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """A hospital's folder: reals as volumes and DICOM, the generator's output as PNG."""
    root, draws = tmp_path / "ward", np.random.default_rng(0)

    def values(*shape: int) -> NDArray[np.int16]:
        return draws.integers(-1350, 150, shape).astype(np.int16)

    for number in range(3):
        nifti(root / f"used/p{number}.nii.gz", values(8, 8, 4))
        dicom(root / f"not_used/s{number}.dcm", values(8, 8))
        (root / "pool").mkdir(exist_ok=True)
        pixels = draws.integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(root / f"pool/g{number}.png")
    return root


WARD = """
ward:
  task: membership
  layout: folders
  root: ward
  splits: {train: {generated: pool, used: used, not_used: not_used}}
  image:
    window: {center: -600, width: 1500}
    slices: {axis: 2, rule: every, step: 2}
"""


def opened(entry: Entry) -> Dataset:
    return open_dataset(entry, {})


def test_a_volume_gives_images_of_one_group(entry_of: EntryOf, ward: Path) -> None:
    dataset = opened(entry_of(WARD))
    used, others = dataset.sets["train/used"], dataset.sets["train/not_used"]
    assert sorted(used.ids)[:3] == ["p0.nii.gz#000", "p0.nii.gz#002", "p1.nii.gz#000"]
    assert used.labels == (1,) * 6
    assert used.groups is not None
    assert dict(zip(used.ids, used.groups, strict=True))["p1.nii.gz#002"] == "used/p1.nii.gz"
    assert sorted(others.groups or ()) == [f"not_used/s{n}.dcm" for n in range(3)]
    assert dataset.sets["train/generated"].groups is None


def test_a_table_of_groups_names_files(
    entry_of: EntryOf, ward: Path, csv: Callable[..., Path]
) -> None:
    volumes = [(f"p{n}.nii.gz", "A" if n < 2 else "B") for n in range(3)]
    csv(ward / "groups.csv", [*volumes, *((f"s{n}.dcm", "C") for n in range(3))])
    used = opened(entry_of(WARD + "  groups: groups.csv\n")).sets["train/used"]
    assert sorted(used.groups or ()) == ["A"] * 4 + ["B"] * 2


def test_another_window_is_another_data_set(entry_of: EntryOf, ward: Path, cache: Path) -> None:
    first = opened(entry_of(WARD)).fingerprint
    other = opened(entry_of(WARD.replace("1500", "1400"))).fingerprint
    fewer = opened(entry_of(WARD.replace("step: 2", "step: 3"))).fingerprint
    assert len({first, other, fewer}) == 3
    assert opened(entry_of(WARD)).fingerprint == first


def test_nothing_of_the_patient_is_kept(entry_of: EntryOf, ward: Path, cache: Path) -> None:
    opened(entry_of(WARD))
    kept = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    assert b"s1.dcm" in kept
    assert b"MRN-4711" not in kept
    assert b"Doe" not in kept


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ("{window: {centre: 1, width: 2}}", "image.window.centre", "did you mean center?"),
        ("{window: {center: 1}}", "image.window", "lacks width"),
        ("{window: {center: 1, width: 0}}", "image.window.width", "greater than 0"),
        ("{window: {center: .nan, width: 1}}", "image.window.center", "finite"),
        ("{percentiles: [99, 1]}", "image", "rise"),
        ("{percentiles: [0, 101]}", "image.percentiles", "less than or equal to 100"),
        ("{percentiles: [1]}", "image.percentiles", "lacks"),
        ("{percentiles: [1, 99], window: {center: 1, width: 2}}", "image", "keep one"),
        ("{slices: {axis: up, rule: every}}", "image.slices.axis", "'axial'"),
        ("{slices: {axis: 0, rule: some}}", "image.slices.rule", "'middle'"),
        ("{slices: {axis: 0, rule: middle, step: 2}}", "image.slices", "rule every"),
        ("{slices: {axis: 0, rule: every, step: 0}}", "image.slices.step", "greater than 0"),
    ],
)
def test_options_out_of_order_are_refused_by_key(
    entry_of: EntryOf, refused: Refused, written: str, key: str, said: str
) -> None:
    text = WARD[: WARD.index("  image:")] + f"  image: {written}\n"
    refused(lambda: entry_of(text), "datasets.yaml:7", f"key {key!r}", said)


def test_options_that_no_file_heeds_are_refused(
    entry_of: EntryOf, lung: Path, refused: Refused
) -> None:
    text = "lung: {task: membership, layout: imageclef-2025-membership, root: lung, image: {%s}}"
    windowed = entry_of(text % "window: {center: 1, width: 2}")
    refused(lambda: opened(windowed), "key 'image.window'", "there is none")
    sliced = entry_of(text % "slices: {axis: 0, rule: middle}")
    refused(lambda: opened(sliced), "key 'image.slices'", "NIfTI")
