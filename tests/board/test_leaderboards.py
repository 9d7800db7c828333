"""What is committed under leaderboards/ was made by the methods that stand in this tree."""

from collections import defaultdict

import pytest

from harness.files import shipped
from harness.plugins import METHODS, installed
from harness.running.records import RecordStore


@pytest.mark.slow
def test_committed_records_are_by_the_sources_of_this_tree(monkeypatch):
    """To mend: bench run --all on the data sets named, then bench publish."""
    monkeypatch.delenv("BENCH_DISABLE_PLUGINS", raising=False)
    store = RecordStore(shipped("leaderboards", "records"))
    digests = {plugin.name: plugin.source_digest for plugin in installed(METHODS)}
    other = defaultdict(set)
    for dataset in store.datasets():
        for record in store.of(dataset):
            if digests.get(record.method.family) != record.method.source_digest:
                other[record.method.name].add(dataset)
    commands = [
        f"bench run -m {method} " + " ".join(f"-d {name}" for name in sorted(datasets))
        for method, datasets in sorted(other.items())
    ]
    assert store.datasets(), "no records are committed"
    assert not commands, "made by other sources; run, then bench publish:\n" + "\n".join(commands)
