"""What is measured of finished runs, of networks and of saboteurs."""
