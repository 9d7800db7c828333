"""The site: boards, methods and data sets as pages that work from a folder, without a network."""
