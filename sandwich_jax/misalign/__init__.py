"""What makes an assistant A out of the expert E."""
