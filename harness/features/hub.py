"""The model hub: which weights a backbone's name means, and how they come onto this machine."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BenchError, describe

# What the plain names of backbones mean, whatever the installed timm takes for its default.
TAGS = {
    "densenet121": "ra_in1k",
    "densenet161": "tv_in1k",
    "efficientnet_b0": "ra_in1k",
    "efficientnet_b1": "ft_in1k",
    "efficientnet_b2": "ra_in1k",
    "mobilenetv2_100": "ra_in1k",
    "resnet18": "a1_in1k",
    "resnet50": "a1_in1k",
    "resnetv2_50": "a1h_in1k",
    "tf_efficientnet_lite0": "in1k",
    "tf_efficientnet_lite1": "in1k",
    "tf_efficientnet_lite2": "in1k",
    "vit_base_patch16_224": "augreg2_in21k_ft_in1k",
    "vit_large_patch16_224": "augreg_in21k_ft_in1k",
    "vit_small_patch14_dinov2": "lvd142m",
}
FILES = ("model.safetensors", "pytorch_model.bin")


def full_name(name: str) -> str:
    """Return timm's name of a model with the tag of its weights, where this table has one."""
    return f"{name}.{TAGS[name]}" if name in TAGS else name


def pinned_repository(name: str) -> str | None:
    """Return the repository that a plain name of the table means."""
    return f"timm/{full_name(name)}" if name in TAGS else None


def cached(repository: str) -> Path | None:
    """Return the weights of a repository if anything has put them into the hub's local cache."""
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, file) for file in FILES)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def download(name: str, repository: str) -> Path:
    """Fetch the weights of a repository.

    Raises:
        BenchError: the hub is not reachable or does not have them.
    """
    from huggingface_hub import constants, hf_hub_download, list_repo_files
    from huggingface_hub.utils import get_session

    try:
        # One plain request first: the hub's client would retry for half a minute without a network.
        get_session().head(f"{constants.ENDPOINT}/{repository}", timeout=10)
        held = list_repo_files(repository)
        return Path(hf_hub_download(repository, next(file for file in FILES if file in held)))
    except Exception as error:
        raise BenchError(
            f"backbone {name}: its weights ({repository}) are not on this machine and cannot "
            f"be fetched ({describe(error)[:120]}); give a local file with --weights {name}=FILE "
            f"or choose a backbone that works offline: bench list backbones"
        ) from None
