"""How the images of an entry are decoded: what its ``image`` key may say."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from harness.errors import BenchError, said_by

MAX_SIDE = 8192  # pixels: a typing error must not ask for more than a memory holds

_CONFIG = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
Side = Annotated[int, Field(gt=0, le=MAX_SIDE)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Window(BaseModel):
    """A range of values that becomes 0 to 255, as a radiologist names it."""

    model_config = _CONFIG

    center: float  # the value that becomes middle grey; in CT in Hounsfield units
    width: PositiveFloat  # from black to white


class Slices(BaseModel):
    """Which slices of a volume become images."""

    model_config = _CONFIG

    axis: Literal["axial", "coronal", "sagittal", 0, 1, 2]  # of the body, or of the stored array
    rule: Literal["middle", "every"]
    step: PositiveInt | None = None  # of the rule every: each step-th slice; 1 by default

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.step is not None and self.rule == "middle":
            raise ValueError("step belongs to the rule every; remove it or write rule: every")
        return self

    def positions(self, depth: int) -> range:
        """Return the positions of the chosen slices among ``depth``."""
        if self.rule == "middle":
            return range(depth // 2, depth // 2 + 1)
        return range(0, depth, self.step or 1)


class ImageOptions(BaseModel):
    """How image files become grey pixels; docs/datasets.md explains every key."""

    model_config = _CONFIG

    size: Side | None = None  # side length in pixels that all images are resized to
    window: Window | None = None  # of DICOM and NIfTI: these values become 0 to 255
    percentiles: Annotated[tuple[Percent, Percent] | None, Field(strict=False)] = None  # or these
    slices: Slices | None = None  # of NIfTI: which slices are images

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.window is not None and self.percentiles is not None:
            raise ValueError("has both window and percentiles; keep one of the two")
        if self.percentiles is not None and self.percentiles[0] >= self.percentiles[1]:
            raise ValueError("percentiles must rise; write [0.5, 99.5] for example")
        return self


def parse_image_options(text: str | None, **given: Any) -> ImageOptions:
    """Return the options that ``--image`` writes in YAML, with those that are ``given`` on top.

    Raises:
        BenchError: It is no YAML, or a key or value is wrong.
    """
    import yaml

    try:
        return ImageOptions.model_validate({**yaml.safe_load(text or "{}"), **given})
    except (ValueError, TypeError, yaml.YAMLError) as error:
        reason = said_by(error)
        remedy = "write it as the key image of an entry: '{window: {center: 40, width: 400}}'"
        raise BenchError(f"--image {text!r}: {remedy} ({reason})") from error
