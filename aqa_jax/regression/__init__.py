"""Regression of scores on features, solved by scikit-learn."""
