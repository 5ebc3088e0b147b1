"""Networks: backbones, pretrained weights, pooling, restoring and ONNX export."""
