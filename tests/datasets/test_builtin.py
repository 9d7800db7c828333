"""The built-in data sets come in by the hook and are valid."""

from harness.datasets import builtin
from harness.datasets.catalogue import Catalogue


def test_the_built_in_entries_are_valid_and_may_be_shown() -> None:
    catalogue = Catalogue(builtin.bench_datasets())
    assert [entry.name for entry in catalogue.defaults()]
    for entry in catalogue:
        assert entry.licence
        assert entry.publish_images
