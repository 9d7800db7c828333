"""Two stages: lists of candidate reals, then a hybrid attention network (zhouyijiang1, 2025)."""
