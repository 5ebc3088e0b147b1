"""Work in other processes, which may die."""
