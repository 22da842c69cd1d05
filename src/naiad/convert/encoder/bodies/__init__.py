"""What encoders compute between token ids and hidden states, one file for each kind of body."""
