"""Files that follow from others: what is written once and read in two places. `python -m generate` writes them."""
