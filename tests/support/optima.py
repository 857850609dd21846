"""The scores that the classical metrics give to equal images."""

import numpy as np

OPTIMUM = {
    **dict.fromkeys(("psnr", "psnr_y", "psnr_hvs", "psnr_hvs_m"), np.inf),
    **dict.fromkeys(("ssim", "ms_ssim", "iw_ssim", "vif", "vifp"), 1),
    **dict.fromkeys(("haarpsi", "fsim", "fsimc", "vsi", "sr_sim", "cw_ssim", "dss"), 1),
    "ssimulacra2": 100,
    "cvvdp": 10,
    **dict.fromkeys(("gmsd", "ms_gmsd", "mdsi", "nlpd", "mad", "ciede2000", "flip"), 0),
    **dict.fromkeys(("butteraugli", "butteraugli_3norm"), 0),
    **dict.fromkeys(("vmaf", "vmaf_neg"), 97.43),
}
# That of VMAF depends a little on the contrast.
TOLERANCE = {"vmaf": 0.02, "vmaf_neg": 0.02}
EXACT = [name for name in OPTIMUM if name not in TOLERANCE]
