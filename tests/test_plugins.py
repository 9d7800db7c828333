import inspect
import sys

import pytest

from harness.plugins import HOOKS, METHODS, MethodHooks, TrustedHooks, installed, load_trusted
from support import method_source

GOOD = method_source("good", "return Prediction(np.zeros(n), np.zeros(n, int))")


def names(specifications):
    return [name for name, _ in inspect.getmembers(specifications, inspect.isfunction)]


def test_built_in_plugins_come_in_by_the_entry_points():
    assert {"controls", "nearest-pixel", "cosine-threshold"} <= {p.name for p in installed(METHODS)}
    assert {"built-in-datasets", "built-in-backbones"} <= {p.name for p in installed(HOOKS)}


@pytest.mark.parametrize("hook", names(MethodHooks) + names(TrustedHooks))
def test_every_hook_is_used_by_a_built_in_plugin_and_documented(hook):
    from harness.files import PROJECT

    modules = [p.entry.module for group in (METHODS, HOOKS) for p in installed(group)]
    sources = [inspect.getsource(__import__(name, fromlist=["x"])) for name in modules]
    assert any(f"def {hook}(" in source for source in sources)
    assert f"`{hook}" in (PROJECT / "docs" / "plugins.md").read_text()


def test_trusted_hooks_bring_data_sets_recipes_and_backbones():
    trusted = load_trusted()
    assert not trusted.broken
    assert any(path.name == "datasets.yaml" for path in trusted.dataset_files())
    assert "phantom" in trusted.recipes()
    assert {"pixels", "tf_efficientnet_lite0"} <= set(trusted.backbones())


def test_disabled_plugins_are_left_out(monkeypatch):
    monkeypatch.setenv("BENCH_DISABLE_PLUGINS", "controls, built-in-backbones")
    assert "controls" not in {p.name for p in installed(METHODS)}
    assert "nearest-pixel" in {p.name for p in installed(METHODS)}
    assert "pixels" not in load_trusted().backbones()


def test_a_broken_trusted_plugin_is_listed_and_spares_the_others(bench, monkeypatch):
    bench.plugin("bad-hook", "raise RuntimeError('no\\nluck')")
    listed = bench.folder / "plugins" / "bad_hook-1.0.dist-info" / "entry_points.txt"
    listed.write_text("[fingerprint_bench.hooks]\nbad-hook = bad_hook\n")
    monkeypatch.setattr(sys, "path", [str(bench.folder / "plugins"), *sys.path])
    trusted = load_trusted()
    assert [(b.plugin, b.reason) for b in trusted.broken] == [("bad-hook", "RuntimeError: no luck")]
    assert "pixels" in trusted.backbones()


def test_the_source_digest_sees_every_file_and_imports_none(bench, monkeypatch):
    bench.plugin("digest-me", "raise SystemExit")
    package = bench.folder / "plugins" / "digest_me"
    (bench.folder / "plugins" / "digest_me.py").unlink()
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit\n")
    (package / "helper.py").write_text("x = 1\n")
    monkeypatch.setattr(sys, "path", [str(bench.folder / "plugins"), *sys.path])

    def digest():
        [plugin] = [p for p in installed(METHODS) if p.name == "digest-me"]
        return plugin.source_digest

    before = digest()
    (package / "helper.py").write_text("x = 2\n")
    assert digest() != before
