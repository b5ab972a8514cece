"""The box around a mask: what goes in comes out, and its transform is that of the padded content."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.box import Box


def test_spectrum_is_the_transform_of_the_padded_content() -> None:
    torch.manual_seed(0)
    volume = torch.randn(2, 20, 17, 23)
    mask = torch.zeros(20, 17, 23, dtype=torch.bool)
    mask[3:14, 2:15, 5:22] = True
    box = Box.around(mask, [3, 0, 8])
    content = box.cut(volume)
    padded = torch.zeros(2, *box.padded)
    padded[:, :11, :13, :17] = content
    spectrum = box.spectrum(content)
    torch.testing.assert_close(spectrum, torch.fft.rfftn(padded, dim=(-3, -2, -1)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(box.content(spectrum), content, rtol=1e-5, atol=1e-5)
    filtered = torch.fft.irfftn(spectrum * spectrum, s=box.padded, dim=(-3, -2, -1))[:, :11, :13, :17]
    torch.testing.assert_close(box.content(spectrum * spectrum), filtered, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(box.filter(content[1], spectrum[1]), filtered[1], rtol=1e-4, atol=1e-3)


def test_slabs_make_the_whole() -> None:
    content = torch.randn(90, 80, 100)
    box = Box.around(torch.ones(90, 80, 100, dtype=torch.bool))  # more samples than one slab holds
    transfer = torch.rand(box.padded[0], box.padded[1], box.padded[2] // 2 + 1)
    torch.testing.assert_close(
        box.filter(content, transfer), box.content(box.spectrum(content) * transfer), rtol=1e-4, atol=1e-5
    )


def test_put_undoes_cut_within_the_mask() -> None:
    mask = torch.zeros(6, 7, 8, dtype=torch.bool)
    mask[2:4, 1:6, 7] = True
    volume = torch.rand(6, 7, 8)
    box = Box.around(mask)
    assert box.size == (2, 5, 1)
    back = box.put(box.cut(volume), volume.shape)
    torch.testing.assert_close(back[mask], volume[mask])
    assert float(back[~mask].abs().sum()) == 0.0


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Box.around(torch.zeros(4, 4, 4, dtype=torch.bool))
