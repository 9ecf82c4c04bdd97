"""relsim-mini, the small relational encoder: model, heads, training and calibration."""
