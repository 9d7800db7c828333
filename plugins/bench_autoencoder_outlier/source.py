"""Where the four systems are described."""

from harness.method import Reference

PAPER = (
    "Montenegro et al., Evaluating Privacy on Synthetic Images Generated using GANs: Contributions "
    "of the VCMI Team to ImageCLEFmedical GANs 2023, CEUR-WS Vol-3497"
)
CODE = "https://github.com/helenaMontenegro/imageclef23-medical-gans"
REFERENCE = Reference(paper=PAPER, url=CODE)

FROM_CODE = "of the paper the abstract was at hand: the method is what the published code does"
SHORT_BATCH = "a short last batch of an epoch is left out"
