"""cxrkit: read chest radiographs with calibrated findings and Grad-CAM, and show how far to trust it."""
