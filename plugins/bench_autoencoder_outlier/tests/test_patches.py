import pytest
import torch

from bench_autoencoder_outlier.patches import Window


@pytest.mark.parametrize(
    ("side", "rows", "columns"), [(256, (128, 256), (64, 192)), (32, (16, 32), (8, 24))]
)
def test_the_lower_middle_is_the_published_patch_at_any_side(side, rows, columns):
    window = Window.lower_middle(side)
    assert (window.rows, window.columns) == (slice(*rows), slice(*columns))
    assert window.cut(torch.empty(3, 1, side, side)).shape == (3, 1, side // 2, side // 2)


def test_a_patch_is_replaced_in_a_copy_and_nothing_else_is():
    images, others = torch.zeros(2, 1, 16, 16), torch.rand(2, 1, 16, 16) + 1
    window = Window.lower_middle(16)
    changed = window.replaced(images, window.cut(others))
    assert torch.equal(window.cut(changed), window.cut(others))
    assert changed.count_nonzero() == 2 * 8 * 8
    assert images.count_nonzero() == 0
    one_for_all = window.replaced(images, window.cut(others)[0])
    assert torch.equal(window.cut(one_for_all)[1], window.cut(others)[0])


def test_drawn_windows_lie_anywhere_in_the_image():
    torch.manual_seed(0)
    windows = [Window.drawn(6, 3) for _ in range(200)]
    assert all(w.cut(torch.empty(1, 1, 6, 6)).shape == (1, 1, 3, 3) for w in windows)
    places = {(w.rows.start, w.columns.start) for w in windows}
    assert places == {(top, left) for top in range(4) for left in range(4)}
