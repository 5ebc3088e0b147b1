"""The commands that every application has: each file adds one by its `add(app, task)`."""
