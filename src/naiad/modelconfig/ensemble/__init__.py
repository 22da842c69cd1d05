"""Ensembles: what one configuration says alone (`graph`), and with those of its parts (`parts`)."""
