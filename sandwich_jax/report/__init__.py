"""Pages and pictures of run and sweep folders."""
