"""Classes with sentencepiece's Unigram model: what is done to text, how pieces are numbered, the rows."""
