"""UCI engine processes: what they are asked, and what they answer."""
