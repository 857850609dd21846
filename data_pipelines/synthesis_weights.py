"""Coefficients of the labels in `synthesis_labels`, fitted by `scripts/fit_synthesis_labels.py`
to TID2013's opinion scores of scenes that are not reserved."""

METRICS = ("lpips_alex", "mdsi", "haarpsi", "gmsd", "vifp", "vsi", "ms_ssim")
FLOORS = (0.01, 0.02, 0.01, 0.004, 0.05, 0.0005, 0.001)
BIAS = -1.2307
WEIGHTS = (0.2671, 0.0731, 0.0738, 0.0834, 0.0594, 0.1039, 0.0760)

# For restored images: each metric's floor, offset and weight.
RESTORED = {
    "lpips_alex": (0.01, -1.1290, 0.9960),
    "dists": (0.01, -2.0546, 1.4210),
}

# By distortion: > 0 if the metrics judge it too harshly, < 0 if too mildly.
OFFSETS = {
    "chromatic_aberration": 0.3329,
    "colour_noise": 0.2805,
    "contrast_decrease": -0.5333,
    "contrast_increase": 0.7775,
    "correlated_noise": 0.0391,
    "denoising": 0.0871,
    "gaussian_blur": -0.0953,
    "high_frequency_noise": 0.2887,
    "impulse_noise": -0.1733,
    "jpeg": -0.0493,
    "jpeg2000": 0.0007,
    "masked_noise": -0.0192,
    "mean_shift": -0.3798,
    "multiplicative_noise": 0.1316,
    "quantisation": -0.0266,
    "saturation": -0.8806,
    "white_noise": 0.2194,
}

# Mean opinion (0-9) by TID2013's type and level.
MOS = {
    1: (5.68, 5.26, 4.88, 4.28, 3.80),
    2: (5.88, 5.85, 5.57, 5.10, 4.50),
    3: (4.82, 4.29, 3.76, 3.23, 2.71),
    4: (5.90, 5.75, 5.48, 5.05, 4.45),
    5: (5.86, 5.63, 5.13, 4.16, 3.22),
    6: (4.75, 4.36, 4.00, 3.64, 3.22),
    7: (5.32, 4.80, 4.18, 3.51, 2.85),
    8: (5.67, 5.04, 4.16, 3.30, 2.44),
    9: (6.00, 5.69, 4.69, 3.41, 2.01),
    10: (5.91, 5.68, 4.86, 3.33, 2.12),
    11: (5.66, 5.09, 3.89, 2.77, 1.34),
    12: (5.66, 5.53, 4.68, 3.83, 2.91),
    13: (4.87, 4.31, 3.61, 2.99, 2.65),
    14: (5.83, 5.76, 5.33, 4.71, 3.86),
    15: (4.10, 3.70, 3.47, 3.38, 3.30),
    16: (6.05, 6.02, 5.66, 5.28, 4.62),
    17: (6.53, 6.33, 5.62, 4.48, 3.43),
    18: (5.03, 4.65, 4.19, 3.89, 3.61),
    19: (5.53, 5.16, 4.70, 4.11, 3.69),
    20: (5.89, 5.56, 5.00, 4.18, 3.29),
    21: (5.52, 5.03, 4.37, 3.52, 2.49),
    22: (5.66, 5.18, 4.62, 3.79, 2.87),
    23: (6.07, 5.88, 5.19, 4.36, 2.97),
    24: (5.79, 5.13, 3.94, 2.59, 0.99),
}
MEAN_MOS = (5.58, 5.24, 4.62, 3.87, 3.06)
