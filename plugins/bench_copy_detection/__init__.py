"""Copy detection by a learnt descriptor, or by structural similarity."""
