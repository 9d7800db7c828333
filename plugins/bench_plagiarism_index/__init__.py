"""The share of generated images among the nearest neighbours (Data Plagiarism Index)."""
