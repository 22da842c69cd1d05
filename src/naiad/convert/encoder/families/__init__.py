"""The rows of the table of encoder families, by kin."""
