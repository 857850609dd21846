"""Full-reference quality metrics."""
