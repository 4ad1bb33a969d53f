"""How W uses advice that it cannot trust."""
