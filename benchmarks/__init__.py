"""Benchmarks: what the shared pass over the pixels costs, beside what it could cost at best."""
