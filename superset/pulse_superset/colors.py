"""Colour arithmetic for brands: contrast by WCAG 2.2, and shades that stay readable."""

from __future__ import annotations

import colorsys
import re

_HEX = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def parse_hex(value: object) -> str | None:
    """'#RRGGBB' of a CSS hex colour, None for anything else (names, urls, injected CSS)."""
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    digits = match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])
    return f"#{digits.upper()}"


def luminance(color: str) -> float:
    """Relative luminance, 0 black to 1 white."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _channels(color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable_on(color: str, background: str, ratio: float) -> str:
    """The colour, made lighter on dark or darker on light only as far as `ratio` requires."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(color))
    step = 0.01 if luminance(background) < 0.18 else -0.01
    while contrast(color, background) < ratio and 0 <= lightness + step <= 1:
        lightness += step
        color = _hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    return color


def for_both_modes(color: str, light: str, dark: str, ratio: float = 3.0) -> str:
    """A shade for lines and bars that is visible on light and dark backgrounds (WCAG 1.4.11 requires 3:1)."""
    return readable_on(readable_on(color, dark, ratio), light, ratio)


def turned(color: str, degrees: float) -> str:
    """The same colour with another hue, for the next series of a chart."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(color))
    return _hex(colorsys.hls_to_rgb((hue + degrees / 360) % 1, lightness, max(saturation, 0.35)))


def _channels(color: str) -> tuple[float, float, float]:
    return (int(color[1:3], 16) / 255, int(color[3:5], 16) / 255, int(color[5:7], 16) / 255)


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02X}" for part in rgb)
