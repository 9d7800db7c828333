"""Scoring: what answers are worth, how sure that is, and whether two methods differ."""

SCORING_VERSION = 2
