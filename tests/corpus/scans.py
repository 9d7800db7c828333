"""DICOM and NIfTI files of every odd kind."""

import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from corpus.kinds import Kind
from corpus.pictures import GREY, PNG

WINDOW = ", image: {window: {center: 127.5, width: 255}%s}"  # values from 0 to 255 as they are
SLICES = WINDOW % ", slices: {axis: 2, rule: every}"
VALUES = GREY.astype(np.int16)


def dicom(values: np.ndarray = VALUES, **tags: Any) -> bytes:
    """Return a DICOM file whose tags are as given; ``None`` takes one away."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = tags.pop("syntax", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        SecondaryCaptureImageStorage,
        "1",
    )
    image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, "1"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = values.shape
    image.BitsAllocated = image.BitsStored = values.dtype.itemsize * 8
    image.HighBit, image.PixelRepresentation = image.BitsStored - 1, int(values.dtype.kind == "i")
    image.PixelData = values.tobytes()
    for tag, value in tags.items():
        if value is None:
            delattr(image, tag)
        else:
            setattr(image, tag, value)
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def run_length(syntax: str = RLELossless) -> bytes:
    image = pydicom.dcmread(io.BytesIO(dicom()))
    image.compress(RLELossless)
    image.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    image.save_as(stream)
    return stream.getvalue()


def nifti(values: np.ndarray) -> bytes:
    return nibabel.Nifti1Image(values, np.eye(4)).to_bytes()


def volume(field: tuple[Any, ...]) -> bytes:
    """Return a NIfTI file with numbers of its header replaced: place, form, numbers."""
    at, form, *numbers = field
    raw = bytearray(VOLUME)
    struct.pack_into(form, raw, at, *numbers)
    return bytes(raw)


def writes(raw: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(raw)


def slice_read(name: str, raw: bytes) -> Kind:
    return Kind(name, writes(raw), right=GREY, file="a.dcm", entry=WINDOW % "")


def slice_refused(name: str, raw: bytes, said: str = "cannot be decoded as DICOM") -> Kind:
    return Kind(name, writes(raw), said=said, file="a.dcm", entry=WINDOW % "")


def volume_read(name: str, raw: bytes, file: str = "a.nii") -> Kind:
    return Kind(name, writes(raw), right=GREY, file=file, entry=SLICES)


def volume_refused(
    name: str, raw: bytes, said: str = "cannot be decoded as NIfTI", file: str = "a.nii"
) -> Kind:
    return Kind(name, writes(raw), said=said, file=file, entry=SLICES)


DICOM, VOLUME = dicom(), nifti(VALUES[..., np.newaxis])
PACKED = gzip.compress(VOLUME, mtime=0)
SPOILT = PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]  # its checksum
NANS = np.where(GREY > 9, GREY, np.nan).astype(np.float32)[..., np.newaxis]
DIM, DATATYPE, OFFSET, SLOPE = 40, 70, 108, 112  # places in the header of NIfTI

SCANS = [
    slice_read("DICOM", DICOM),
    slice_read("DICOM of bytes", dicom(GREY)),
    slice_read("DICOM, white first", dicom(255 - VALUES, PhotometricInterpretation="MONOCHROME1")),
    slice_read("DICOM with a slope", dicom(VALUES // 2, RescaleSlope=2, RescaleIntercept=0)),
    slice_read("DICOM by run length", run_length()),
    slice_read("deflated DICOM", dicom(syntax=DeflatedExplicitVRLittleEndian)),
    slice_read("DICOM with a patient", dicom(PatientName="Doe^Jane\u00e9"[:8], PatientID="4711")),
    slice_refused("zero bytes called dcm", b""),
    slice_refused("text called dcm", b"not a scan"),
    slice_refused("PNG called dcm", PNG),
    slice_refused("half a DICOM", DICOM[: len(DICOM) - 64]),
    slice_refused("a DICOM header", DICOM[:300], ""),
    slice_refused("DICOM without pixels", dicom(PixelData=None), "holds no pixels"),
    slice_refused("DICOM without rows", dicom(Rows=None)),
    slice_refused("DICOM of no rows", dicom(Rows=0), ""),
    slice_refused("DICOM of 65535 rows", dicom(Rows=65535, Columns=65535), "holds more than"),
    slice_refused("DICOM of more rows than values", dicom(Rows=800)),
    slice_refused("DICOM without its kind", dicom(PhotometricInterpretation=None), "of the kind"),
    slice_refused("DICOM palette", dicom(PhotometricInterpretation="PALETTE COLOR"), "PALETTE"),
    slice_refused("DICOM in colour", dicom(SamplesPerPixel=3), "in colour"),
    slice_refused("DICOM of frames", dicom(Rows=4, NumberOfFrames=2), "several frames"),
    slice_refused("DICOM of enhanced frames", dicom(SharedFunctionalGroupsSequence=[]), "frames"),
    slice_refused("DICOM with a table", dicom(ModalityLUTSequence=[]), "by a table"),
    slice_refused("DICOM of bits that are none", dicom(BitsAllocated=13)),
    slice_refused("DICOM of an unknown syntax", dicom(syntax="1.2.3.4"), ""),
    slice_refused("DICOM by JPEG", run_length(JPEGLosslessSV1), "compressed as JPEG Lossless"),
    slice_refused("half a DICOM by run length", run_length()[:-40], "was cut off"),
    Kind("DICOM without a window", writes(DICOM), said="no range of their own", file="a.dcm"),
    volume_read("NIfTI", VOLUME),
    volume_read("NIfTI by gzip", PACKED, "a.nii.gz"),
    volume_read("NIfTI of one time", nifti(VALUES[..., np.newaxis, np.newaxis])),
    volume_read("NIfTI of a slope of zero", volume((SLOPE, "<f", 0))),
    volume_read("NIfTI of an endless slope", volume((SLOPE, "<f", np.inf))),
    volume_refused("zero bytes called nii", b""),
    volume_refused("zero bytes called gz", b"", file="a.nii.gz"),
    volume_refused("NIfTI called gz", VOLUME, file="a.nii.gz"),
    volume_refused("gzip called nii", PACKED),
    volume_refused("text called nii", b"not a scan"),
    volume_refused("half a NIfTI", VOLUME[:-64]),
    volume_refused("a NIfTI header", VOLUME[:348]),
    volume_refused("half a gzip", PACKED[: len(PACKED) // 2], file="a.nii.gz"),
    volume_refused("gzip without its end", PACKED[:-8], file="a.nii.gz"),
    volume_refused("gzip of a wrong checksum", SPOILT, file="a.nii.gz"),
    volume_refused("NIfTI of two times", nifti(np.stack([VALUES] * 2, -1)[:, :, None]), "volume"),
    volume_refused("NIfTI of two sides", nifti(VALUES), "not one volume"),
    volume_refused("NIfTI of not a number", nifti(NANS), "no numbers"),
    volume_refused("NIfTI in complex", nifti(NANS.astype(np.complex64)), "complex numbers"),
    volume_refused("NIfTI of huge sides", volume((DIM, "<4h", 3, *[32767] * 3)), "more than"),
    volume_refused("NIfTI of a side below zero", volume((DIM, "<2h", 3, -8)), ""),
    volume_refused("NIfTI of 99 sides", volume((DIM, "<h", 99)), ""),
    volume_refused("NIfTI of a kind that is none", volume((DATATYPE, "<h", 77))),
    volume_refused("NIfTI of values elsewhere", volume((OFFSET, "<f", 1e9))),
    Kind("NIfTI without slices", writes(VOLUME), said="is a volume", file="a.nii",
         entry=WINDOW % ""),
]  # fmt: skip
