"""The board: records and published results as ranked tables, for the terminal and for files."""
