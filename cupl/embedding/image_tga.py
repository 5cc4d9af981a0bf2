"""TGA of 32 bits a pixel, of which eight are alpha only where the header says so."""

from __future__ import annotations

from PIL import TgaImagePlugin

_DESCRIPTOR = 17
_ALPHA_BITS = 0x0F


def load_tga(image: TgaImagePlugin.TgaImageFile) -> None:
    """Decode it; Pillow takes for alpha what many writers leave at zero."""
    descriptor = image.fp.getvalue()[_DESCRIPTOR]  # type: ignore[union-attr]
    image.load()
    if image.mode == "RGBA" and not descriptor & _ALPHA_BITS:
        image.putalpha(255)
