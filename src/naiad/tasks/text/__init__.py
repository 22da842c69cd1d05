"""What models of text alone are for; late interaction and sparse vectors are in `retrieval/`."""
