"""Runs work in other processes, which may die without ending this one."""
