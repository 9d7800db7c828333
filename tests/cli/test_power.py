"""``bench power`` from the command line."""

import pytest


def test_an_organiser_is_told_how_many_images_and_patients(bench):
    said = bench("power", "--kappa", "0.1", "--methods", "91").stdout
    assert "1,843 independent images" in said
    found = bench.json(
        "power", "--kappa", "0.1", "--methods", "91",
        "--images-per-patient", "5", "--correlation", "0.3", "--json",
    )  # fmt: skip
    assert (found["images"], found["patients"], found["independent"]) == (4055, 811, 1843)


def test_a_test_set_is_told_what_it_can_show(bench):
    said = bench("power", "--images", "500", "--methods", "91").stdout
    assert "a true kappa of 0.191" in said
    assert "kappa 0.111" in said
    assert "cannot show" in bench("power", "--images", "10", "--methods", "91").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kappa", "0.1", "--images", "500"), "give either --kappa"),
        (("--kappa", "0.1", "--images-per-patient", "5"), "--correlation"),
        (("--images", "500", "--methods", "0"), "methods must be at least 1"),
    ],
)
def test_what_cannot_be_worked_out_is_refused(bench, options, said):
    assert said in bench.refused("power", *options)
