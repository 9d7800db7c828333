"""SSCD, a descriptor for copy detection, with weights from a file that the user has.

Source: Pizzi et al., "A self-supervised descriptor for image copy detection", CVPR 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import BenchError, describe
from harness.features.backbones import Backbone
from harness.features.extractor import Extractor
from harness.weights import Weights, weights_of_file

FILE = "sscd_disc_mixup.torchvision.pt"


@dataclass(frozen=True)
class SSCD(Backbone):
    """A ResNet-50 with generalised mean pooling and a linear head, scaled to unit length."""

    name: str = "sscd"
    path: Path | None = None

    @property
    def origin(self) -> str:
        """A file: there is no package or hub that has it."""
        return f"file:{self.path.name if self.path else FILE}"

    def given(self, path: Path) -> SSCD:
        """See :meth:`Backbone.given`."""
        return SSCD(self.name, path)

    def at_hand(self) -> Weights | None:
        """Return the weights of the file that was given.

        Raises:
            BenchError: the file cannot be read.
        """
        if self.path is None:
            return None
        try:
            return weights_of_file(self.name, self.origin, self.path)
        except OSError as error:
            reason = error.strerror or error
            raise BenchError(f"weights of {self.name}: {self.path}: {reason}") from None

    def fetch(self) -> Weights:
        """Return the weights of the file that was given; nothing is downloaded."""
        found = self.at_hand()
        if found is None:
            raise BenchError(
                f"backbone {self.name}: its weights come from a file alone; get {FILE} from "
                f"github.com/facebookresearch/sscd-copy-detection (mind its licence) and give it "
                f"with --weights {self.name}={FILE}"
            )
        return found

    def load(self, device: str, precision: str) -> Extractor:
        """Load the file strictly: every tensor has its place and every place its tensor."""
        import torch

        from harness.features.descriptor import DescriptorExtractor

        assert self.path is not None
        try:
            tensors = torch.load(self.path, map_location="cpu", weights_only=True)
            named = {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}
            return DescriptorExtractor(named, device, precision)
        except Exception as error:
            raise BenchError(
                f"weights of {self.name}: {self.path} does not fit the model: "
                f"{describe(error)[:300]}; it takes {FILE}"
            ) from None
