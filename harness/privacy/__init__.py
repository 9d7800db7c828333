"""What a hospital asks: which of its patients can be told from a pool of generated images?"""
