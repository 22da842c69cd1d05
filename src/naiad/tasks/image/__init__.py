"""What models of images are for: images in, labels or vectors out. Read `classification.py`, then `choice.py`."""
