"""The metrics whose programs are large and slow to compile."""

import pytest

LARGE = {
    *("butteraugli", "butteraugli_3norm", "ssimulacra2", "cvvdp", "flip", "vmaf", "vmaf_neg"),
    *("ms_ssim", "iw_ssim", "cw_ssim", "ms_gmsd", "vif", "vifp", "nlpd", "mad"),
    *("fsim", "fsimc", "vsi", "sr_sim"),
}


def marked(names):
    """Parameters of a test over metrics, marked slow for those in `LARGE`."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in names]
