"""The built-in data sets come in by the hook and are valid."""

from harness.datasets import builtin
from harness.datasets.catalogue import Catalogue
from harness.method import Task


def test_the_built_in_entries_are_valid_and_may_be_shown() -> None:
    catalogue = Catalogue(builtin.bench_datasets())
    tasks = [entry.task for entry in catalogue.defaults()]
    assert tasks == [Task.MEMBERSHIP] * 2 + [Task.ATTRIBUTION] * 2
    for entry in catalogue:
        assert entry.licence
        assert entry.publish_images
