"""What a result is worth: Elo, performance gap recovered."""
