"""Data sets: from an entry of datasets.yaml to decoded images, and to what a method is shown."""
