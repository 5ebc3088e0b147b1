"""Pretrained networks cut into stages: records, and how they are built."""
