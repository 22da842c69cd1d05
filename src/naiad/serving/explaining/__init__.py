"""Why a model's batches have the size they have: facts from its statistics, and the words for them."""
