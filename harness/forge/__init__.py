"""The forge: data sets made of drawn patients, where the truth about every image is known."""
