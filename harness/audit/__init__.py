"""The audit: what must be known of a data set before a figure measured on it is believed."""
