"""Side by side with what people run today, on full-size architectures with random weights; run one with python -m."""
