"""From strings to token ids and back: what every task needs before and after its model."""
