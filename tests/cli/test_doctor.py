"""What bench doctor tells of this machine."""

import platform

from harness.kernel import protection
from harness.machine import cores


def test_it_tells_what_is_here_and_what_is_broken(bench):
    told = bench.json("doctor", "--json")
    assert told["python"].startswith(platform.python_version())
    assert told["cores"] == str(cores())
    assert told["protection"].startswith(protection(told["device"]))
    for name in ("cache", "results"):
        assert told[name].startswith(str((bench.folder / name).resolve()))
        assert told[name].endswith("GB free")
    assert "not there yet" in told["results"]
    assert "tf_efficientnet_lite0" in told["weights at hand"]
    assert told["broken plugins"] == {}
    bench.plugin("torn", "raise RuntimeError('no luck')")
    done = bench("doctor", code=1)
    assert "plugin torn is broken: RuntimeError: no luck" in done.stdout
    assert not (bench.folder / "results").exists()
