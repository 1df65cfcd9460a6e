"""Speed and memory as ratios against a peer measured in the same run; results are kept in `results/`."""
