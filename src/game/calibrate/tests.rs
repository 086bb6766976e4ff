//! Calibration over made-up rims.
