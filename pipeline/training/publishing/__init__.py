"""The model folder: weights, ONNX files with their parity, card, provenance, registry entry."""
