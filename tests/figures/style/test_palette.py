import numpy as np

from depthscope.figures.style.palette import HEADS, sequential


def lightness(rgb: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 10.3, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16


def test_equal_steps_of_probability_look_equal() -> None:
    for scheme in ("light", "dark"):
        steps = np.diff(lightness(sequential(scheme, 33).astype(float)))
        assert (np.sign(steps) == np.sign(steps[0])).all()
        assert np.abs(steps).max() < 2.2 * np.abs(steps).min()


def test_zero_recedes_into_the_page() -> None:
    assert lightness(sequential("light").astype(float))[0] > 90
    assert lightness(sequential("dark").astype(float))[0] < 25
    assert (sequential("light") == sequential("dark")[::-1]).all()


def test_heads_differ_in_colour() -> None:
    assert len(set(HEADS["light"])) == len(HEADS["light"])
