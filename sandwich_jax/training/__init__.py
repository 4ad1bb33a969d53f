"""Where networks come from: corpora of human games and pretraining on them."""
