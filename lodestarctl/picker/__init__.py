"""``lodestarctl models pick``: a list of models that narrows as one types."""
