"""What functions are given, where PyTriton has it."""
