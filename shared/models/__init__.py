"""Networks: backbones, weights, pooling, export."""
