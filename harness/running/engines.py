"""The engines by name; Ray is imported where it is asked for and nowhere else."""

from __future__ import annotations

from harness.errors import BenchError
from harness.running.engine import Engine, Settings


def open_engine(name: str, settings: Settings, address: str | None, *, carry: bool) -> Engine:
    """Return an engine by name.

    Args:
        name: ``local`` or ``ray``.
        settings: how cells run; Ray finds out by itself what the device ``auto`` is.
        address: of a Ray cluster; ``None`` for the one that this machine is a part of.
        carry: the nodes of the cluster have no common folder, so what they share goes through Ray.

    Raises:
        BenchError: the name is unknown, Ray is not installed, or the cluster is not there.
    """
    if name == "local":
        if address is not None or carry:
            raise BenchError("--address and --carry are for a cluster; add --engine ray")
        from harness.running.local import LocalEngine

        return LocalEngine(settings)
    if name != "ray":
        raise BenchError(f"--engine {name}: choose local or ray")
    try:
        import ray  # noqa: F401
    except ImportError:
        remedy = "pip install 'fingerprint-bench[ray]'"
        raise BenchError(f"--engine ray: Ray is not installed; {remedy}") from None
    from harness.running.cluster import RayEngine

    return RayEngine(settings, address, carry=carry)
