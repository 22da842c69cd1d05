"""The parts of the table, one file each: `measure` meets the contenders and answers plain data for the results."""
